//! Metadata tables of tables that others wrote, and of ours, beside what PyIceberg reads of the same metadata.

use icelift::Engine;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::python::{agree, sources};
use super::{SOURCES, run_all, trial, with_target};
use crate::support;
use crate::versions::store;

pub(crate) const METADATA_TABLES: [&str; 11] = [
    "snapshots",
    "history",
    "refs",
    "metadata_log_entries",
    "manifests",
    "all_manifests",
    "files",
    "data_files",
    "delete_files",
    "entries",
    "partitions",
];

/// Tables whose partitions one of the readers cannot tell: names that Avro does not take, and PyIceberg the values of a column that
/// was dropped. Manifest lists of format 1 may do without counts, which PyIceberg then fills in.
const UNTOLD: [&str; 4] = ["odd_names", "dropped_partition_source", "plain_v1", "evolved_spec_v1"];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("interop::inspected::ours", ours),
        Trial::test("interop::inspected::at_each_snapshot", at_each_snapshot),
    ];
    for name in SOURCES.lines().filter(|name| !UNTOLD.contains(name)) {
        trials.push(trial(format!("interop::inspected::of::{name}"), move || of_source(name)));
    }
    trials
}

/// Each metadata table of a table is what PyIceberg sees in `catalog`.
pub(crate) async fn compare(engine: &Engine, name: &str, catalog: &Value, table: &str) -> Result<(), Failed> {
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("rows.arrow");
    for metadata in METADATA_TABLES {
        store(engine, &format!("SELECT * FROM {name}${metadata}"), &file).await?;
        let asked = json!({"do": "inspected", "catalog": catalog, "table": table, "metadata": metadata, "file": file});
        agree(asked).map_err(|failed| format!("{name}${metadata}: {}", failed.message().unwrap_or_default()))?;
    }
    Ok(())
}

fn of_source(source: &str) -> Result<(), Failed> {
    let folder = &sources()?.folder;
    support::block_on(async {
        let engine = support::engine(&[("glue", folder)]).await?;
        compare(&engine, &format!("glue.default.{source}"), &json!(folder), &format!("default.{source}")).await
    })
}

/// What we write ourselves, in several snapshots and partitions.
fn ours() -> Result<(), Failed> {
    let target = tempfile::tempdir()?;
    support::block_on(async {
        let engine = with_target(target.path()).await?;
        let columns = "(id BIGINT NOT NULL, name STRING, day DATE, tags STRUCT<a INT, b STRING>)";
        let insert = |from: usize, to: usize| {
            format!(
                "INSERT INTO r2.default.t SELECT value, 'row' || value, DATE '2019-12-30' + CAST(value AS INT), \
                 named_struct('a', CAST(value AS INT), 'b', 'x') FROM generate_series({from}, {to})"
            )
        };
        let create = format!(
            "CREATE TABLE r2.default.t {columns} PARTITIONED BY (month(day), bucket(2, id), truncate(4, name))"
        );
        run_all(&engine, &[create, insert(0, 9), insert(10, 60), insert(61, 61)]).await?;
        compare(&engine, "r2.default.t", &json!(target.path()), "default.t").await
    })
}

/// Those that tell of a snapshot, at every one of a table.
fn at_each_snapshot() -> Result<(), Failed> {
    let folder = &sources()?.folder;
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("rows.arrow");
    support::block_on(async {
        let engine = support::engine(&[("glue", folder)]).await?;
        for table in ["many_snapshots", "overwritten", "evolved_spec", "position_deletes_then_append"] {
            let ids =
                support::rows(&engine, &format!("SELECT snapshot_id FROM glue.default.{table}$snapshots")).await?;
            for id in ids.into_iter().flatten() {
                for metadata in ["files", "data_files", "delete_files", "entries", "partitions"] {
                    let sql = format!("SELECT * FROM glue.default.{table}${metadata} FOR VERSION AS OF {id}");
                    store(&engine, &sql, &file).await?;
                    let id: i64 = id.parse()?;
                    agree(json!({"do": "inspected", "catalog": folder, "table": format!("default.{table}"),
                        "metadata": metadata, "file": file, "snapshot_id": id}))?;
                }
            }
        }
        Ok(())
    })
}
