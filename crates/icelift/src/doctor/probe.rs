//! Writes a table and a large object in a schema of its own, reads them, and removes them again.
//!
//! What must hold: whatever fails, what was made is removed, or named if it cannot be.

use bytes::Bytes;
use iceberg::{NamespaceIdent, TableIdent};
use uuid::Uuid;

use super::{Finding, Health};
use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};

const STEPS: [&str; 5] = ["create", "write", "read", "multipart", "delete"];
/// What is sent at once of the large object.
const PIECE_BYTES: usize = 1 << 20;

/// What is said of all this where nothing is to be written.
pub(super) fn not_written(catalog: &dyn Catalog) -> Vec<Finding> {
    let finding = |check| match check {
        "multipart" => {
            let bytes = catalog.store().part_bytes(0);
            let found = format!("uploads would have parts of {bytes} bytes, equal but for the last, as R2 wants them");
            Finding::new(check, Health::Skipped, found).advice("--write sends one")
        }
        check => {
            Finding::new(check, Health::Skipped, "nothing is written").advice("--write tries it in a schema of its own")
        }
    };
    STEPS.map(finding).into()
}

/// Tries everything that a migration does.
pub(super) async fn write(engine: &Engine, catalog: &dyn Catalog, name: &str) -> Vec<Finding> {
    let schema = format!("icelift_doctor_{}", &Uuid::new_v4().simple().to_string()[..12]);
    let quoted = format!("{}.{schema}", crate::catalog::quoted(name));
    let mut findings = Vec::new();
    let mut step = |check: &'static str, done: Result<String>| {
        let is_done = done.is_ok();
        findings.push(match done {
            Ok(found) => Finding::new(check, Health::Ok, found),
            Err(error) => Finding::failed(check, &error),
        });
        is_done
    };
    let created = run(engine, &format!("CREATE SCHEMA {quoted}")).await.map(|_| format!("schema {schema}"));
    let is_created = step("create", created);
    let mut is_written = false;
    if is_created {
        let written = run(engine, &format!("CREATE TABLE {quoted}.probe AS SELECT 42 AS answer")).await;
        is_written = step("write", written.map(|_| "a table with one row".to_string()));
    }
    if is_written {
        let read = run(engine, &format!("SELECT answer FROM {quoted}.probe WHERE answer = 42")).await;
        let read = read.and_then(|rows| match rows {
            1 => Ok("the row that was written".to_string()),
            found => Err(Error::new(ErrorKind::Read, format!("one row was written, {found} are read"))),
        });
        step("read", read);
        step("multipart", multipart(catalog, &schema).await);
    }
    if is_created {
        step("delete", removed(engine, &quoted, is_written).await);
    }
    let done: Vec<_> = findings.iter().map(|finding| finding.check).collect();
    let missed = STEPS.into_iter().filter(|check| !done.contains(check));
    findings.extend(missed.map(|check| Finding::new(check, Health::Skipped, "an earlier step failed")));
    findings
}

async fn run(engine: &Engine, sql: &str) -> Result<usize> {
    let batches = engine.run(sql).await?.collect().await?;
    Ok(batches.iter().map(|batch| batch.num_rows()).sum())
}

/// An upload of two parts, the second smaller.
async fn multipart(catalog: &dyn Catalog, schema: &str) -> Result<String> {
    let ident = TableIdent::new(NamespaceIdent::new(schema.to_string()), "probe".to_string());
    let table = catalog.load_table(&ident).await?;
    let location = format!("{}/data/icelift-doctor.bin", table.metadata.location().trim_end_matches('/'));
    let part_bytes = table.store.part_bytes(0);
    let all_bytes = part_bytes + PIECE_BYTES as u64;
    let mut upload = table.store.upload(&location)?;
    let piece = Bytes::from(vec![42_u8; PIECE_BYTES]);
    let mut left = all_bytes;
    while left > 0 {
        let next = left.min(PIECE_BYTES as u64);
        upload.write(piece.slice(..next as usize)).await?;
        left -= next;
    }
    upload.finish().await?;
    let found = table.store.size_bytes(&location).await;
    table.store.delete(&location).await?;
    match found? {
        bytes if bytes == all_bytes => Ok(format!("{bytes} bytes, of which the first part has {part_bytes}")),
        bytes => Err(Error::new(ErrorKind::Write, format!("{all_bytes} bytes were sent, the object has {bytes}"))),
    }
}

/// Removes whatever there is.
async fn removed(engine: &Engine, quoted: &str, is_written: bool) -> Result<String> {
    let dropped = run(engine, &format!("DROP TABLE IF EXISTS {quoted}.probe PURGE")).await;
    let schema = run(engine, &format!("DROP SCHEMA {quoted}")).await;
    let hint = || format!("remove what is left yourself: DROP TABLE {quoted}.probe PURGE; DROP SCHEMA {quoted}");
    dropped.map_err(|error| error.hint(hint()))?;
    schema.map_err(|error| error.hint(hint()))?;
    Ok(if is_written { "table, files and schema" } else { "the schema" }.to_string())
}
