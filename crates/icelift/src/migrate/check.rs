//! Verifies the files of a slice before they are committed: read again from the target's store, they must hold the rows that
//! came from the source, partition by partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attempt::Listing;
use super::driver::Job;
use super::event::MigrationEvent;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::sink::partition_folder;
use crate::pipeline::verify::{Level, Prints, Wanted, read_back};

/// Reads the files of `table`, the target, again and compares.
///
/// # Errors
/// [`ErrorKind::Difference`] with the partition, and those of reading.
pub(super) async fn check(job: &Job, table: &Table, batch: &str, listing: &Listing) -> Result<()> {
    let parallelism = job.engine.session().state().config().target_partitions();
    // Where less is asked for, adopted files are read all the same: nobody has seen them since they were written.
    let pool = Arc::clone(&job.engine.session().runtime_env().memory_pool);
    let level = job.statement.options.verify.max(Level::Content);
    let wanted = Wanted { level, pool, portable: job.portable_columns() };
    let read = read_back(table, listing.files.clone(), parallelism, wanted).await?;
    let (spec, schema) = (table.metadata.default_partition_spec(), table.metadata.current_schema());
    let mut found: BTreeMap<String, Prints> = BTreeMap::new();
    for (file, read) in listing.files.iter().zip(&read) {
        found.entry(partition_folder(spec, schema, file.partition())).or_default().merge(read.prints());
    }
    let partitions = found.keys().chain(listing.prints.keys());
    for partition in partitions {
        let (there, came) = (found.get(partition).copied(), listing.prints.get(partition).copied());
        let (there, came) = (there.unwrap_or_default(), came.unwrap_or_default());
        if there != came {
            return Err(differs(partition, there, came).place(Stage::Verify, &table.name));
        }
    }
    job.engine.events.send(MigrationEvent::Verified {
        target: table.name.plain(),
        batch: batch.to_string(),
        rows: found.values().map(|prints| prints.content.rows).sum(),
        files: listing.files.len(),
    });
    Ok(())
}

fn differs(partition: &str, there: Prints, came: Prints) -> Error {
    let (there, came) = (there.content, came.content);
    let place = if partition.is_empty() { String::new() } else { format!(" of `{partition}`") };
    let message = match there.rows == came.rows {
        true => format!("the rows{place} are not those that came from the source"),
        false => format!("{} rows{place} came from the source, {} are in the files", came.rows, there.rows),
    };
    Error::new(ErrorKind::Difference, message)
        .hint("nothing was committed; run the same statement again, and check the target's storage if it fails again")
}
