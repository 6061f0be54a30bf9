//! Objects that a table or view lists, in the place of a listing of the store: Spark's `file_list_view`.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use chrono::DateTime;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};

use crate::catalog::quoted;
use crate::engine::{Engine, RowStream};
use crate::error::{Error, ErrorKind, Result};
use crate::sql;
use crate::storage::Stored;

/// Those of the objects in the view `name` that are wanted.
///
/// # Errors
/// A view that is not there, or has no columns `file_path` and `last_modified` with a name and a time in each row.
pub(super) async fn objects(engine: &Engine, name: &str, wanted: impl Fn(&Stored) -> bool) -> Result<Vec<Stored>> {
    let parts = sql::parse_name(name).map_err(|source| {
        Error::new(ErrorKind::Sql, format!("`{name}` is no name of a table or view")).source(source)
    })?;
    let name: Vec<String> = parts.iter().map(|part| quoted(part)).collect();
    let select = format!("SELECT file_path, last_modified FROM {}", name.join("."));
    let mut rows = run(engine, &select).await.map_err(|source| {
        Error::new(source.kind(), "`file_list_view` cannot be read")
            .hint("it takes a table or view with the columns `file_path` and `last_modified`")
            .source(source)
    })?;
    let mut found = Vec::new();
    while let Some(batch) = rows.try_next().await? {
        found.extend(stored(&batch)?.into_iter().filter(|object| wanted(object)));
    }
    Ok(found)
}

/// Boxed: the statement that is being run runs another one.
fn run<'a>(engine: &'a Engine, select: &'a str) -> BoxFuture<'a, Result<RowStream>> {
    engine.run(select).boxed()
}

fn stored(batch: &RecordBatch) -> Result<Vec<Stored>> {
    let wrong = |what: &str| {
        Error::new(ErrorKind::SchemaMismatch, format!("`file_list_view` has {what}"))
            .hint("each row has a location in `file_path` and a timestamp in `last_modified`")
    };
    let [paths, times] = batch.columns() else { return Err(wrong("other columns")) };
    if !matches!(times.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) {
        return Err(wrong(&format!("`last_modified` of type {}", times.data_type())));
    }
    let paths = cast(paths, &DataType::Utf8).map_err(|_| wrong("no text in `file_path`"))?;
    let times = cast(times, &DataType::Timestamp(TimeUnit::Millisecond, None)).map_err(|_| wrong("no times"))?;
    if paths.null_count() + times.null_count() > 0 {
        return Err(wrong("NULL in a row"));
    }
    let times = times.as_primitive::<TimestampMillisecondType>().values();
    let stored = |(path, time): (Option<&str>, &i64)| Stored {
        location: path.unwrap_or_default().to_string(),
        written: DateTime::from_timestamp_millis(*time),
        upload: None,
    };
    Ok(paths.as_string::<i32>().iter().zip(times).map(stored).collect())
}
