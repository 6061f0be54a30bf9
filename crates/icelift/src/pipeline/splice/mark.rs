//! How a file tells which of its row groups were copied, for whoever verifies it.

use parquet::file::metadata::{FileMetaData, KeyValue};

const KEY: &str = "icelift.copied";

/// The entry of the footer: the numbers of the row groups, `0,1,5`.
pub(crate) fn copied_mark(row_groups: &[usize]) -> KeyValue {
    let numbers: Vec<_> = row_groups.iter().map(ToString::to_string).collect();
    KeyValue::new(KEY.to_string(), numbers.join(","))
}

/// The row groups that a footer tells to be copied.
pub(crate) fn copied_row_groups(file: &FileMetaData) -> Vec<usize> {
    let entries = file.key_value_metadata().into_iter().flatten();
    let value = entries.filter(|entry| entry.key == KEY).find_map(|entry| entry.value.as_deref());
    value.into_iter().flat_map(|value| value.split(',')).filter_map(|number| number.parse().ok()).collect()
}
