//! What was read of files beside what came into them, partition by partition.

use std::collections::{BTreeMap, HashMap};

use iceberg::spec::DataFile;

use super::prints::Prints;
use super::read_back::Readback;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::sink::partition_folder;

/// Compares what was `read` of all `files` of the table's default partition spec with what `came` into each partition. Returns
/// how many rows they are.
///
/// # Errors
/// [`ErrorKind::Difference`] with the first partition whose rows are others.
pub(crate) fn compare(
    table: &Table,
    files: &[DataFile],
    read: &[Readback],
    came: &BTreeMap<String, Prints>,
) -> Result<u64> {
    let read: HashMap<&str, &Readback> = read.iter().map(|read| (read.location.as_str(), read)).collect();
    let (spec, schema) = (table.metadata.default_partition_spec(), table.metadata.current_schema());
    let mut found: BTreeMap<String, Prints> = BTreeMap::new();
    for file in files {
        let Some(read) = read.get(file.file_path()) else {
            let error = Error::new(ErrorKind::Internal, "a file was not read again").subject(file.file_path());
            return Err(error.place(Stage::Verify, &table.name));
        };
        found.entry(partition_folder(spec, schema, file.partition())).or_default().merge(read.prints());
    }
    for partition in found.keys().chain(came.keys()) {
        let (there, came) = (found.get(partition).copied(), came.get(partition).copied());
        let (there, came) = (there.unwrap_or_default(), came.unwrap_or_default());
        if there != came {
            return Err(differs(partition, there, came).place(Stage::Verify, &table.name));
        }
    }
    Ok(found.values().map(|prints| prints.content.rows).sum())
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
