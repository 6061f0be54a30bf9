//! What the table's properties say about its files.

use std::collections::HashMap;
use std::str::FromStr;

use iceberg::spec::TableMetadata;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::error::{Error, ErrorKind, Result};

const CODEC: &str = "write.parquet.compression-codec";
const MIB: usize = 1 << 20;
const DEFAULT_MODE: &str = "write.metadata.metrics.default";
const COLUMN_MODE: &str = "write.metadata.metrics.column.";
const BLOOM_FILTER: &str = "write.parquet.bloom-filter-enabled.column.";

/// How much the manifest says of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricsMode {
    None,
    Counts,
    /// Counts, and bounds of at most so many characters or bytes.
    Truncate(usize),
    Full,
}

impl FromStr for MetricsMode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.to_ascii_lowercase();
        match text.as_str() {
            "none" => return Ok(Self::None),
            "counts" => return Ok(Self::Counts),
            "full" => return Ok(Self::Full),
            _ => {}
        }
        let length = text.strip_prefix("truncate(").and_then(|text| text.strip_suffix(')')).ok_or(())?;
        length.parse().ok().filter(|length| *length > 0).map(Self::Truncate).ok_or(())
    }
}

/// The settings of one sink.
#[derive(Debug, Clone)]
pub(crate) struct SinkSettings {
    pub target_file_bytes: usize,
    pub row_group_bytes: usize,
    pub codec: Compression,
    page_bytes: usize,
    page_rows: usize,
    dictionary_bytes: usize,
    default_mode: MetricsMode,
    column_modes: HashMap<String, MetricsMode>,
    pub bloom_filters: Vec<String>,
    /// Whether the table says what its pages are compressed with.
    pub codec_is_set: bool,
}

impl SinkSettings {
    /// Reads the properties of the table.
    ///
    /// # Errors
    /// A property whose value is not one of those allowed, by name.
    pub fn new(metadata: &TableMetadata) -> Result<Self> {
        let properties = metadata.properties();
        let bytes = |key: &str, default: usize| number(properties, key, default);
        let mode = |key: &str, value: &str| {
            MetricsMode::from_str(value).map_err(|()| invalid(key, value, "`none`, `counts`, `truncate(n)` or `full`"))
        };
        let column_modes = properties.iter().filter_map(|(key, value)| {
            let column = key.strip_prefix(COLUMN_MODE)?;
            Some(mode(key, value).map(|mode| (column.to_string(), mode)))
        });
        let bloom_filters = properties.iter().filter_map(|(key, value)| {
            let column = key.strip_prefix(BLOOM_FILTER)?;
            match value.to_ascii_lowercase().as_str() {
                "true" => Some(Ok(column.to_string())),
                "false" => None,
                _ => Some(Err(invalid(key, value, "`true` or `false`"))),
            }
        });
        let default_mode = properties.get(DEFAULT_MODE).map_or("truncate(16)", String::as_str);
        Ok(Self {
            target_file_bytes: bytes("write.target-file-size-bytes", 256 * MIB)?,
            row_group_bytes: bytes("write.parquet.row-group-size-bytes", 64 * MIB)?,
            page_bytes: bytes("write.parquet.page-size-bytes", MIB)?,
            page_rows: bytes("write.parquet.page-row-limit", 20_000)?,
            dictionary_bytes: bytes("write.parquet.dict-size-bytes", 2 * MIB)?,
            codec: codec(properties)?,
            codec_is_set: properties.contains_key(CODEC),
            default_mode: mode(DEFAULT_MODE, default_mode)?,
            column_modes: column_modes.collect::<Result<_>>()?,
            bloom_filters: bloom_filters.collect::<Result<_>>()?,
        })
    }

    /// What the manifest says of the column with this dotted name.
    pub fn metrics_mode(&self, column: &str) -> MetricsMode {
        self.column_modes.get(column).copied().unwrap_or(self.default_mode)
    }

    /// The same for the Parquet writer. With `page_index`, files tell where their pages are and what is in them.
    pub fn writer_properties(&self, page_index: bool) -> WriterProperties {
        let full =
            self.default_mode == MetricsMode::Full || self.column_modes.values().any(|it| *it == MetricsMode::Full);
        let longest = self.column_modes.values().chain([&self.default_mode]).map(|mode| match mode {
            MetricsMode::Truncate(length) => *length,
            _ => 0,
        });
        // A character of UTF-8 has up to four bytes.
        let statistics_bytes = longest.max().unwrap_or(0).saturating_mul(4).max(64);
        let mut properties = WriterProperties::builder()
            .set_compression(self.codec)
            .set_data_page_size_limit(self.page_bytes)
            .set_data_page_row_count_limit(self.page_rows)
            .set_dictionary_page_size_limit(self.dictionary_bytes)
            .set_statistics_enabled(if page_index { EnabledStatistics::Page } else { EnabledStatistics::Chunk })
            .set_offset_index_disabled(!page_index)
            .set_statistics_truncate_length((!full).then_some(statistics_bytes))
            .set_created_by(concat!("icelift version ", env!("CARGO_PKG_VERSION")).to_string());
        for column in &self.bloom_filters {
            let path = ColumnPath::new(column.split('.').map(str::to_string).collect());
            properties = properties.set_column_bloom_filter_enabled(path, true);
        }
        properties.build()
    }
}

fn number(properties: &HashMap<String, String>, key: &str, default: usize) -> Result<usize> {
    match properties.get(key) {
        None => Ok(default),
        Some(value) => {
            let parsed = value.parse().ok().filter(|number| *number > 0);
            parsed.ok_or_else(|| invalid(key, value, "a number above 0"))
        }
    }
}

fn codec(properties: &HashMap<String, String>) -> Result<Compression> {
    const LEVEL: &str = "write.parquet.compression-level";
    let name = properties.get(CODEC).map_or("snappy", String::as_str);
    let level = properties.get(LEVEL).map(String::as_str).filter(|level| *level != "null");
    let bad_level = || invalid(LEVEL, level.unwrap_or_default(), "a level of the codec");
    let parsed: Option<i32> = level.map(|level| level.parse().map_err(|_| bad_level())).transpose()?;
    let unsigned = parsed.map(|level| u32::try_from(level).map_err(|_| bad_level())).transpose()?;
    Ok(match name.to_ascii_lowercase().as_str() {
        "snappy" => Compression::SNAPPY,
        "uncompressed" | "none" => Compression::UNCOMPRESSED,
        "lz4" | "lz4_raw" => Compression::LZ4_RAW,
        "zstd" => match parsed {
            Some(level) => Compression::ZSTD(ZstdLevel::try_new(level).map_err(|_| bad_level())?),
            None => Compression::ZSTD(ZstdLevel::try_new(3).map_err(|_| bad_level())?),
        },
        "gzip" => match unsigned {
            Some(level) => Compression::GZIP(GzipLevel::try_new(level).map_err(|_| bad_level())?),
            None => Compression::GZIP(GzipLevel::default()),
        },
        "brotli" => match unsigned {
            Some(level) => Compression::BROTLI(BrotliLevel::try_new(level).map_err(|_| bad_level())?),
            None => Compression::BROTLI(BrotliLevel::default()),
        },
        _ => return Err(invalid(CODEC, name, "`snappy`, `zstd`, `gzip`, `lz4`, `brotli` or `uncompressed`")),
    })
}

fn invalid(key: &str, value: &str, allowed: &str) -> Error {
    Error::new(ErrorKind::Config, format!("the table property `{key}` is `{value}`, it takes {allowed}"))
}
