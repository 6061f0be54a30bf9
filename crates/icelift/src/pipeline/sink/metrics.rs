//! Column metrics of a data file, from its Parquet footer.

use std::collections::{BTreeMap, HashMap, HashSet};

use iceberg::spec::{Datum, PrimitiveType, Schema};
use parquet::data_type::ByteArray;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;

use super::settings::{MetricsMode, SinkSettings};

/// What a manifest says of a file's columns, by field id.
#[derive(Debug, Default)]
pub(super) struct ColumnMetrics {
    pub column_sizes: HashMap<i32, u64>,
    pub value_counts: HashMap<i32, u64>,
    pub null_value_counts: HashMap<i32, u64>,
    pub nan_value_counts: HashMap<i32, u64>,
    pub lower_bounds: HashMap<i32, Datum>,
    pub upper_bounds: HashMap<i32, Datum>,
    /// Where the row groups start, in bytes.
    pub split_offsets: Vec<i64>,
}

/// Columns of which a chunk does not tell enough for the whole file.
#[derive(Default)]
struct Untold {
    nulls: HashSet<i32>,
    lower: HashSet<i32>,
    upper: HashSet<i32>,
}

impl ColumnMetrics {
    pub fn new(
        metadata: &ParquetMetaData,
        schema: &Schema,
        settings: &SinkSettings,
        nans: &BTreeMap<i32, Option<u64>>,
    ) -> Self {
        let mut metrics = Self::default();
        let mut untold = Untold::default();
        for row_group in metadata.row_groups() {
            let starts = row_group.columns().iter().map(|column| column.byte_range().0);
            metrics.split_offsets.extend(starts.min().and_then(|start| i64::try_from(start).ok()));
            for column in row_group.columns() {
                let info = column.column_descr().self_type().get_basic_info();
                if !info.has_id() {
                    continue;
                }
                let id = info.id();
                let Some(field) = schema.field_by_id(id) else { continue };
                let Some(primitive) = field.field_type.as_primitive_type() else { continue };
                let mode = settings.metrics_mode(schema.name_by_field_id(id).unwrap_or(&field.name));
                metrics.add(id, column, mode, primitive, &mut untold);
            }
        }
        metrics.null_value_counts.retain(|id, _| !untold.nulls.contains(id));
        metrics.lower_bounds.retain(|id, _| !untold.lower.contains(id));
        metrics.upper_bounds.retain(|id, _| !untold.upper.contains(id));
        metrics.nan_value_counts = nans
            .iter()
            .filter(|(id, _)| metrics.value_counts.contains_key(id))
            .filter_map(|(id, count)| Some((*id, (*count)?)))
            .collect();
        metrics
    }

    /// Adds a column chunk.
    fn add(
        &mut self,
        id: i32,
        column: &ColumnChunkMetaData,
        mode: MetricsMode,
        primitive: &PrimitiveType,
        untold: &mut Untold,
    ) {
        if mode == MetricsMode::None {
            return;
        }
        *self.column_sizes.entry(id).or_default() += u64::try_from(column.compressed_size()).unwrap_or(0);
        // Elements of lists and maps have no count per row and no bounds that a filter could use.
        if column.column_descr().max_rep_level() > 0 {
            return;
        }
        let values = u64::try_from(column.num_values()).unwrap_or(0);
        *self.value_counts.entry(id).or_default() += values;
        let statistics = column.statistics();
        let nulls = statistics.and_then(Statistics::null_count_opt);
        match nulls {
            Some(nulls) => *self.null_value_counts.entry(id).or_default() += nulls,
            None => _ = untold.nulls.insert(id),
        }
        if mode != MetricsMode::Counts && nulls != Some(values) {
            self.add_bounds(id, statistics.filter(|it| is_ordered(it)), mode, primitive, untold);
        }
    }

    /// Widens the bounds of a column by those of a chunk. A chunk without bounds may hold any value.
    fn add_bounds(
        &mut self,
        id: i32,
        statistics: Option<&Statistics>,
        mode: MetricsMode,
        primitive: &PrimitiveType,
        untold: &mut Untold,
    ) {
        let bound = |upper: bool| {
            let bytes = value_bytes(statistics?, upper, primitive)?;
            Datum::try_from_bytes(&truncated(bytes, mode, primitive, upper)?, primitive.clone()).ok()
        };
        match bound(false) {
            Some(lower) => {
                let known = self.lower_bounds.entry(id).or_insert_with(|| lower.clone());
                if lower < *known {
                    *known = lower;
                }
            }
            None => _ = untold.lower.insert(id),
        }
        match bound(true) {
            Some(upper) => {
                let known = self.upper_bounds.entry(id).or_insert_with(|| upper.clone());
                if upper > *known {
                    *known = upper;
                }
            }
            None => _ = untold.upper.insert(id),
        }
    }
}

/// Whether the bounds are in the order of Iceberg. Old writers compared bytes as signed ones, and some took NaN for a bound; row
/// groups that are copied bring theirs along.
fn is_ordered(statistics: &Statistics) -> bool {
    match statistics {
        Statistics::ByteArray(_) | Statistics::FixedLenByteArray(_) => !statistics.is_min_max_deprecated(),
        Statistics::Float(it) => ![it.min_opt(), it.max_opt()].into_iter().flatten().any(|bound| bound.is_nan()),
        Statistics::Double(it) => ![it.min_opt(), it.max_opt()].into_iter().flatten().any(|bound| bound.is_nan()),
        _ => true,
    }
}

/// A bound in Iceberg's single-value serialisation (spec, Appendix D).
fn value_bytes(statistics: &Statistics, largest: bool, primitive: &PrimitiveType) -> Option<Vec<u8>> {
    macro_rules! pick {
        ($statistics:expr) => {
            if largest { $statistics.max_opt()? } else { $statistics.min_opt()? }
        };
    }
    let decimal = matches!(primitive, PrimitiveType::Decimal { .. });
    Some(match statistics {
        Statistics::Boolean(it) => vec![u8::from(*pick!(it))],
        Statistics::Int32(it) if decimal => minimal(&pick!(it).to_be_bytes()),
        Statistics::Int64(it) if decimal => minimal(&pick!(it).to_be_bytes()),
        Statistics::Int32(it) => pick!(it).to_le_bytes().to_vec(),
        Statistics::Int64(it) => pick!(it).to_le_bytes().to_vec(),
        Statistics::Float(it) => pick!(it).to_le_bytes().to_vec(),
        Statistics::Double(it) => pick!(it).to_le_bytes().to_vec(),
        Statistics::ByteArray(it) => ByteArray::data(pick!(it)).to_vec(),
        Statistics::FixedLenByteArray(it) if decimal => minimal(pick!(it).data()),
        Statistics::FixedLenByteArray(it) => pick!(it).data().to_vec(),
        Statistics::Int96(_) => return None,
    })
}

/// Two's complement in as few bytes as hold it, as decimals are stored.
fn minimal(bytes: &[u8]) -> Vec<u8> {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xFF } else { 0 };
    let spare = bytes.windows(2).take_while(|pair| pair[0] == sign && (pair[1] ^ sign) & 0x80 == 0).count();
    bytes[spare..].to_vec()
}

/// Cuts a bound of text or bytes to the mode's length; an upper bound is then raised above all that share the prefix.
fn truncated(bytes: Vec<u8>, mode: MetricsMode, primitive: &PrimitiveType, upper: bool) -> Option<Vec<u8>> {
    let MetricsMode::Truncate(length) = mode else { return Some(bytes) };
    match primitive {
        PrimitiveType::String => {
            let text = String::from_utf8(bytes).ok()?;
            let Some((end, _)) = text.char_indices().nth(length) else { return Some(text.into_bytes()) };
            let prefix = &text[..end];
            if upper { raised_text(prefix) } else { Some(prefix.as_bytes().to_vec()) }
        }
        PrimitiveType::Binary if bytes.len() > length => {
            let prefix = &bytes[..length];
            if upper { raised_bytes(prefix) } else { Some(prefix.to_vec()) }
        }
        _ => Some(bytes),
    }
}

/// The shortest text above all that begin with `prefix`.
pub(super) fn raised_text(prefix: &str) -> Option<Vec<u8>> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // Surrogates are no characters: the one after them is.
        let next = match u32::from(last) + 1 {
            0xD800 => Some('\u{E000}'),
            code => char::from_u32(code),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect::<String>().into_bytes());
        }
    }
    None
}

/// The shortest bytes above all that begin with `prefix`.
pub(super) fn raised_bytes(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut raised = prefix[..=last].to_vec();
    raised[last] += 1;
    Some(raised)
}

#[cfg(test)]
mod tests {
    use iceberg::spec::PrimitiveType;

    use super::{MetricsMode, minimal, raised_bytes, raised_text, truncated};

    #[test]
    fn decimals_take_as_few_bytes_as_hold_them() {
        assert_eq!(minimal(&1420_i32.to_be_bytes()), [0x05, 0x8C]);
        assert_eq!(minimal(&(-1_i64).to_be_bytes()), [0xFF]);
        assert_eq!(minimal(&128_i64.to_be_bytes()), [0, 0x80]);
        assert_eq!(minimal(&(-128_i128).to_be_bytes()), [0x80]);
        assert_eq!(minimal(&0_i32.to_be_bytes()), [0]);
    }

    #[test]
    fn truncation_keeps_bounds_bounds() {
        let cut = |text: &str, upper| {
            truncated(text.as_bytes().to_vec(), MetricsMode::Truncate(2), &PrimitiveType::String, upper)
        };
        assert_eq!(cut("ab", true).as_deref(), Some("ab".as_bytes()));
        assert_eq!(cut("abc", false).as_deref(), Some("ab".as_bytes()));
        assert_eq!(cut("abc", true).as_deref(), Some("ac".as_bytes()));
        assert_eq!(cut("ä\u{D7FF}x", true).as_deref(), Some("ä\u{E000}".as_bytes()));
        assert_eq!(raised_text("a\u{10FFFF}"), Some(b"b".to_vec()));
        assert_eq!(raised_text("\u{10FFFF}"), None);
        assert_eq!(raised_bytes(&[1, 0xFF]), Some(vec![2]));
        assert_eq!(raised_bytes(&[0xFF]), None);
    }
}
