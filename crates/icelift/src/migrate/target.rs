//! The target of a migration: created with the source's columns, or found and compared.

use std::sync::Arc;

use arrow::datatypes::Fields;
use iceberg::spec::{NestedField, PartitionSpec, Schema, SortField, SortOrder, Transform, UnboundPartitionSpec};

use super::lint::carried_properties;
use crate::catalog::{NewTable, Table, TableName};
use crate::engine::schema::partition_spec;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::select::types;
use crate::sql::{Migrate, PartitionField};

/// The number of the first sort order of a table; 0 is that of no order.
const FIRST_ORDER_ID: i64 = 1;
/// Whether metadata files are deleted that the table lists no more.
const DELETE_OLD_METADATA: &str = "write.metadata.delete-after-commit.enabled";

/// The table that a migration creates: the query's columns with the ids, comments and identifier fields of the source, the
/// statement's partition spec or that of the source, the source's sort order as far as the target has its columns, the
/// properties of the source that the target takes and those of the statement.
///
/// # Errors
/// Columns that make no table, a partition field whose column the query does not have.
pub(super) fn new_table(
    statement: &Migrate,
    name: &TableName,
    target_kind: &str,
    source: &Table,
    columns: &Fields,
) -> Result<NewTable> {
    let place = |error: Error| error.place(Stage::Catalog, name);
    let mut properties = carried_properties(&source.metadata, target_kind);
    properties.extend(statement.properties.clone());
    let version = (source.metadata.format_version() as u8).max(2).to_string();
    properties.entry("format-version".to_string()).or_insert(version);
    // Each commit writes the metadata anew, with all snapshots in it: the files of many batches would be far larger than the
    // register, and those that the table lists no more are of use to nobody.
    properties.entry(DELETE_OLD_METADATA.to_string()).or_insert_with(|| "true".to_string());
    let nanoseconds = properties.get("format-version").is_some_and(|version| version == "3");
    let schema = types::iceberg_schema(columns, nanoseconds).map_err(place)?;
    let schema = described(schema, source.metadata.current_schema()).map_err(place)?;
    let partition_spec = match &statement.partition_by {
        Some(fields) => partition_spec(fields, &schema),
        None => own_spec(source.metadata.default_partition_spec(), source.metadata.current_schema(), &schema),
    };
    let sort_order = own_order(source.metadata.default_sort_order(), source.metadata.current_schema(), &schema);
    Ok(NewTable {
        ident: name.ident.clone(),
        schema,
        partition_spec: partition_spec.map_err(place)?,
        sort_order,
        properties,
        location: None,
        keep_field_ids: true,
    })
}

/// The schema with the comments and the identifier fields that the source's columns of the same id and name have.
fn described(schema: Schema, source: &Schema) -> Result<Schema> {
    let of_source = |field: &NestedField| {
        let found = source.field_by_id(field.id).filter(|found| found.name == field.name);
        found.filter(|found| found.field_type == field.field_type)
    };
    let fields = schema.as_struct().fields().iter().map(|field| {
        // The whole column, so that the comments inside of it come along; defaults are no business of rows that are there.
        let Some(found) = of_source(field) else { return Arc::clone(field) };
        let copy = NestedField::new(found.id, &found.name, found.field_type.as_ref().clone(), found.required);
        Arc::new(match &found.doc {
            Some(doc) => copy.with_doc(doc),
            None => copy,
        })
    });
    let identifiers: Vec<i32> = source
        .identifier_field_ids()
        .filter(|id| schema.field_by_id(*id).is_some_and(|field| field.required && of_source(field).is_some()))
        .collect();
    // A key without one of its parts is none.
    let whole = identifiers.len() == source.identifier_field_ids().count();
    let builder = Schema::builder().with_fields(fields.collect::<Vec<_>>());
    let built = builder.with_identifier_field_ids(if whole { identifiers } else { Vec::new() }).build();
    built.map_err(|source| {
        Error::new(ErrorKind::Sql, format!("the query's columns make no table: {}", source.message())).source(source)
    })
}

/// The source's partition spec over the target's columns.
fn own_spec(spec: &PartitionSpec, source: &Schema, target: &Schema) -> Result<UnboundPartitionSpec> {
    let mut fields = Vec::new();
    for field in spec.fields().iter().filter(|field| field.transform != Transform::Void) {
        let column = source.name_by_field_id(field.source_id).unwrap_or_default();
        if target.field_by_name(column).is_none() {
            let message = format!("the source is partitioned by `{column}`, which the SELECT does not have");
            return Err(Error::new(ErrorKind::Sql, message).hint("say how to partition: PARTITIONED BY (…)"));
        }
        fields.push(PartitionField {
            transform: field.transform,
            column: column.to_string(),
            name: Some(field.name.clone()),
        });
    }
    partition_spec(&fields, target)
}

/// The source's sort order over the target's columns. It ends at the first column that the target does not have or cannot
/// sort by: rows in an order are in that of its beginning, too.
fn own_order(order: &SortOrder, source: &Schema, target: &Schema) -> SortOrder {
    let field = |field: &SortField| {
        let found = target.field_by_name(source.name_by_field_id(field.source_id)?)?;
        let is_known = field.transform != Transform::Unknown;
        let takes = found.field_type.is_primitive() && field.transform.result_type(&found.field_type).is_ok();
        (is_known && takes).then(|| SortField { source_id: found.id, ..field.clone() })
    };
    let fields: Vec<_> = order.fields.iter().map_while(field).collect();
    match fields.is_empty() {
        true => SortOrder::unsorted_order(),
        false => SortOrder { order_id: FIRST_ORDER_ID, fields },
    }
}

/// Fails where the statement says PARTITIONED BY and the table that exists is partitioned otherwise.
pub(super) fn check_partitioned(statement: &Migrate, target: &Table) -> Result<()> {
    let Some(fields) = &statement.partition_by else { return Ok(()) };
    let (spec, schema) = (target.metadata.default_partition_spec(), target.metadata.current_schema());
    let shown = |fields: Vec<String>| format!("({})", fields.join(", "));
    let wanted: Vec<_> = fields.iter().map(|field| show(&field.column, field.transform)).collect();
    let found: Vec<_> = spec
        .fields()
        .iter()
        .filter(|field| field.transform != Transform::Void)
        .map(|field| show(schema.name_by_field_id(field.source_id).unwrap_or_default(), field.transform))
        .collect();
    if wanted == found {
        return Ok(());
    }
    let message = format!("the table is partitioned by {}, the statement says {}", shown(found), shown(wanted));
    Err(Error::new(ErrorKind::SchemaMismatch, message)
        .place(Stage::Catalog, &target.name)
        .hint("leave PARTITIONED BY out to keep the table's, or drop the table"))
}

/// The error for a register that was in a commit that landed, and is not in the table.
pub(super) fn register_lost(table: &TableName) -> Error {
    Error::new(ErrorKind::Drift, "the catalog did not keep the register of the migration among the table's properties")
        .place(Stage::Catalog, table)
        .hint("a catalog that drops properties cannot be the target of MIGRATE; use CREATE TABLE … AS")
}

fn show(column: &str, transform: Transform) -> String {
    match transform {
        Transform::Identity => column.to_string(),
        transform => format!("{transform}({column})"),
    }
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{NullOrder, PrimitiveType, SortDirection, Type};

    use super::*;

    fn schema(columns: &[(i32, &str, PrimitiveType)]) -> Schema {
        let field = |(id, name, of): &(i32, &str, PrimitiveType)| {
            Arc::new(NestedField::optional(*id, *name, Type::Primitive(of.clone())))
        };
        Schema::builder().with_fields(columns.iter().map(field)).build().unwrap()
    }

    #[test]
    fn the_order_ends_where_the_target_cannot_follow() {
        use PrimitiveType::{Date, Int, String};
        let source = schema(&[(1, "a", Int), (2, "d", Date), (3, "b", Int)]);
        let order = |transforms: [Transform; 3]| SortOrder {
            order_id: 7,
            fields: (1..)
                .zip(transforms)
                .map(|(source_id, transform)| SortField {
                    source_id,
                    transform,
                    direction: SortDirection::Ascending,
                    null_order: NullOrder::First,
                })
                .collect(),
        };
        let kept = |transforms, target: &Schema| {
            let kept = own_order(&order(transforms), &source, target);
            (kept.order_id, kept.fields.iter().map(|field| field.source_id).collect::<Vec<_>>())
        };
        let plain = [Transform::Identity, Transform::Day, Transform::Identity];
        let other_ids = schema(&[(11, "b", Int), (12, "d", Date), (13, "a", Int)]);
        assert_eq!(kept(plain, &other_ids), (1, vec![13, 12, 11]));
        // No column, no day of it, no word for what is done to it.
        assert_eq!(kept(plain, &schema(&[(1, "a", Int), (3, "b", Int)])), (1, vec![1]));
        assert_eq!(kept(plain, &schema(&[(1, "a", Int), (2, "d", String), (3, "b", Int)])), (1, vec![1]));
        assert_eq!(kept([Transform::Unknown, Transform::Day, Transform::Identity], &source), (0, vec![]));
    }
}
