//! `remove_orphan_files`: objects that nothing refers to, listed or removed.
//!
//! In two forms. With `job` it is what the drivers of a migration left, told by its names, and fenced where it must be
//! ([`orphans`]). Without it is whatever lies below the table and is old ([`folder`]), as in Spark. What must hold: nothing
//! is removed before all that the table refers to is read, and nothing unless `dry_run => false` says so.

mod folder;
mod listed;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use chrono::{TimeDelta, Utc};
use futures::{StreamExt, stream};

use self::folder::{Mismatch, Search};
use super::arguments::{Bound, Kind, Parameter};
use super::{Column, Context, MAX_CONCURRENT_DELETES, Procedure, check_owned, removals};
use crate::engine::RowStream;
use crate::error::{Error, ErrorKind, Result};
use crate::migrate::{JobId, orphans};
use crate::storage::{Equal, Stored};

/// Spark's default: commits that take longer are not reckoned with.
const AGE_DEFAULT: TimeDelta = TimeDelta::days(3);
/// Spark removes nothing that is younger: it may belong to a commit on its way.
const AGE_MIN: TimeDelta = TimeDelta::hours(24);
/// Rows of one batch of the answer.
const BATCH_ROWS: usize = 8_192;

pub(super) static PROCEDURE: Procedure = Procedure {
    name: "remove_orphan_files",
    parameters: &[
        Parameter {
            name: "table",
            kind: Kind::String,
            default: None,
            about: "the table, as in `'default.t'`, in the catalog that is called",
        },
        Parameter {
            name: "older_than",
            kind: Kind::Timestamp,
            default: Some("3 days before now"),
            about: "the time before which an object must have been written, in UTC unless it has a zone; not with `job`",
        },
        Parameter {
            name: "location",
            kind: Kind::String,
            default: Some("the table's location"),
            about: "the folder to look in, which is not above the table's own; not with `job`",
        },
        Parameter {
            name: "dry_run",
            kind: Kind::Boolean,
            default: Some("true"),
            about: "`true` to list, `false` to remove",
        },
        MAX_CONCURRENT_DELETES,
        Parameter {
            name: "file_list_view",
            kind: Kind::String,
            default: Some("what the store lists"),
            about: "a table or view with the columns `file_path` and `last_modified`, whose rows are looked at instead; not with `job`",
        },
        Parameter {
            name: "equal_schemes",
            kind: Kind::Map,
            default: Some("`map('s3a,s3n', 's3')`, which always holds"),
            about: "schemes that are one: keys are lists, separated by commas, values what they stand for; not with `job`",
        },
        Parameter {
            name: "equal_authorities",
            kind: Kind::Map,
            default: Some("none"),
            about: "buckets or hosts that are one, written likewise; not with `job`",
        },
        Parameter {
            name: "prefix_mismatch_mode",
            kind: Kind::String,
            default: Some("`'ERROR'`"),
            about: "what becomes of an object whose path the table refers to in another store: `'ERROR'`, `'IGNORE'` to leave it, \
                    `'DELETE'`; not with `job`",
        },
        Parameter {
            name: "prefix_listing",
            kind: Kind::Boolean,
            default: Some("true"),
            about: "Spark's word for a listing of all that begins alike; there is no other here, so that it has no effect",
        },
        Parameter {
            name: "stream_results",
            kind: Kind::Boolean,
            default: Some("true"),
            about: "Spark's word for less memory; it has no effect",
        },
        Parameter {
            name: "job",
            kind: Kind::String,
            default: Some("files of all origins, by their age"),
            about: "the migration that left the files, by the 16 digits that `SHOW MIGRATIONS` tells, or `'all'`",
        },
    ],
    columns: &[Column { name: "orphan_file_location", data_type: DataType::Utf8 }],
};

/// What to look for.
enum Scope {
    /// Of one migration, or of all.
    Migrations(Option<JobId>),
    Folder(Search),
}

pub(super) async fn run(context: &Context<'_>, bound: &Bound) -> Result<RowStream> {
    let name = context.table_name(bound.required_string("table")?)?;
    let scope = scope(bound)?;
    let dry_run = bound.boolean("dry_run").unwrap_or(true);
    let concurrency = removals(bound)?;
    if let (Scope::Folder(search), false) = (&scope, dry_run) {
        check_age(search)?;
    }
    let table = context.catalog.load_table(&name.ident).await?;
    if !dry_run {
        check_owned(&table)?;
    }
    let found = match (scope, dry_run) {
        (Scope::Migrations(job), true) => orphans::list(&context.catalog, &table, job).await?,
        (Scope::Migrations(job), false) => orphans::remove(&context.catalog, table, job, concurrency).await?,
        (Scope::Folder(search), true) => folder::list(context.engine, &table, &search).await?,
        (Scope::Folder(search), false) => {
            let found = folder::list(context.engine, &table, &search).await?;
            if !found.is_empty() {
                folder::check_alone(context, &table, &search).await?;
                orphans::remove_all(&table, &found, concurrency).await?;
            }
            found
        }
    };
    answer(context, &found)
}

fn scope(bound: &Bound) -> Result<Scope> {
    let Some(job) = bound.string("job") else {
        let before = match bound.timestamp("older_than") {
            Some(time) => time,
            None => Utc::now() - AGE_DEFAULT,
        };
        let (folder, view) = (bound.string("location"), bound.string("file_list_view"));
        let (schemes, authorities) = (bound.map("equal_schemes").to_vec(), bound.map("equal_authorities").to_vec());
        return Ok(Scope::Folder(Search {
            folder: folder.map(str::to_string),
            before,
            view: view.map(str::to_string),
            equal: Equal { schemes, authorities },
            mismatch: mismatch(bound)?,
        }));
    };
    // Files that go together would be torn apart.
    let by_age =
        ["older_than", "location", "file_list_view", "equal_schemes", "equal_authorities", "prefix_mismatch_mode"];
    for argument in by_age {
        if bound.is_given(argument) {
            return Err(Error::new(ErrorKind::Sql, format!("`{argument}` does not go with `job`"))
                .hint("with `job` all that the migration left is found, whatever its age and wherever it is"));
        }
    }
    match job.to_ascii_lowercase() {
        all if all == "all" => Ok(Scope::Migrations(None)),
        job => job.parse().map(|job| Scope::Migrations(Some(job))).map_err(|()| {
            Error::new(ErrorKind::Sql, format!("`{job}` is no migration, expected 16 hexadecimal digits or `all`"))
                .hint("SHOW MIGRATIONS tells the digits")
        }),
    }
}

fn mismatch(bound: &Bound) -> Result<Mismatch> {
    match bound.string("prefix_mismatch_mode").map(str::to_ascii_uppercase).as_deref() {
        None | Some("ERROR") => Ok(Mismatch::Error),
        Some("IGNORE") => Ok(Mismatch::Ignore),
        Some("DELETE") => Ok(Mismatch::Delete),
        Some(other) => Err(Error::new(
            ErrorKind::Sql,
            format!("`prefix_mismatch_mode` is `{other}`, expected `ERROR`, `IGNORE` or `DELETE`"),
        )),
    }
}

fn check_age(search: &Search) -> Result<()> {
    if search.before <= Utc::now() - AGE_MIN {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Sql, "objects that are younger than 24 hours are not removed").hint(
        "they may belong to a commit on its way; take an earlier `older_than`, or list them with dry_run => true",
    ))
}

fn answer(context: &Context<'_>, found: &[Stored]) -> Result<RowStream> {
    let schema = PROCEDURE.schema();
    let batch = |found: &[Stored]| {
        let locations: StringArray = found.iter().map(|stored| Some(stored.to_string())).collect();
        Ok(RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(locations) as ArrayRef])?)
    };
    let batches: Vec<Result<RecordBatch>> = found.chunks(BATCH_ROWS).map(batch).collect();
    Ok(RowStream::of(schema, stream::iter(batches).boxed(), context.engine.cleanup.clone()))
}

#[cfg(test)]
mod tests;
