//! `register_table`: a table that a metadata file describes gets a name in the catalog. Nothing is copied.
//!
//! Whether that can be is the catalog's to say: a REST server lists what it offers, Glue and local catalogs point to the file.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::DataType;
use iceberg::spec::TableMetadata;

use super::arguments::{Bound, Kind, Parameter};
use super::{Column, Context, Procedure};
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result, Stage};

pub(super) static PROCEDURE: Procedure = Procedure {
    name: "register_table",
    parameters: &[
        Parameter {
            name: "table",
            kind: Kind::String,
            default: None,
            about: "the name that the table gets, as in `'default.t'`, in the catalog that is called; none may have it",
        },
        Parameter {
            name: "metadata_file",
            kind: Kind::String,
            default: None,
            about: "the location of the table's metadata file, as in `'s3://bucket/t/metadata/00003-….metadata.json'`",
        },
    ],
    columns: &[
        Column { name: "current_snapshot_id", data_type: DataType::Int64 },
        Column { name: "total_records_count", data_type: DataType::Int64 },
        Column { name: "total_data_files_count", data_type: DataType::Int64 },
    ],
};

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let name = context.table_name(bound.required_string("table")?)?;
    let file = bound.required_string("metadata_file")?;
    if !(file.ends_with(".metadata.json") || file.ends_with(".metadata.json.gz") || file.ends_with(".gz.metadata.json"))
    {
        return Err(Error::new(ErrorKind::Sql, format!("`{file}` is no metadata file, expected `….metadata.json`"))
            .place(Stage::Catalog, &name)
            .hint("the newest one of a table is in its catalog, or in the folder `metadata` of its location"));
    }
    context.catalog.check_new_table(&name.ident, None).map_err(|error| error.place(Stage::Catalog, &name))?;
    let table = context.catalog.register_table(&name.ident, file).await?;
    let metadata = &table.metadata;
    let columns =
        [metadata.current_snapshot_id(), total(metadata, "total-records"), total(metadata, "total-data-files")];
    PROCEDURE.answer(columns.into_iter().map(|value| Arc::new(Int64Array::from(vec![value])) as _).collect())
}

/// What the current snapshot's summary says; nothing if it does not.
fn total(metadata: &TableMetadata, key: &str) -> Option<i64> {
    metadata.current_snapshot()?.summary().additional_properties.get(key)?.parse().ok()
}
