//! What is copied and what is not, in numbers and words.

use std::collections::BTreeMap;
use std::fmt;

use iceberg::spec::DataFile;
use parquet::file::metadata::RowGroupMetaData;

/// Why a row group is decoded and encoded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// It has fewer bytes than are worth a row group of their own, and there are many like it.
    Small,
    /// It, or a column of it, has more bytes than a file shall have or memory shall hold.
    Large,
    /// Rows of its file may be deleted.
    Deletes,
    /// It may hold rows that the query leaves out.
    Filter,
    /// It may hold rows of several partitions.
    Partitions(String),
    /// A column is computed from row to row.
    Computed(String),
    /// A column lies otherwise in the table's files, or may be NULL where the table has no NULL.
    Shape(String),
    /// A column's type was promoted, or its parts have changed.
    Converted(String),
    /// The pages cannot be compressed as the table wants it.
    Codec(String),
    /// The table wants a Bloom filter.
    BloomFilter(String),
    /// The footer describes chunks that cannot be copied.
    Footer,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small => f.write_str("too small to be kept as row groups"),
            Self::Large => f.write_str("larger than what a file or the memory shall hold"),
            Self::Deletes => f.write_str("rows of their files may be deleted"),
            Self::Filter => f.write_str("may hold rows that the query leaves out"),
            Self::Partitions(field) => write!(f, "may hold rows of several partitions of `{field}`"),
            Self::Computed(column) => write!(f, "`{column}` is computed from row to row"),
            Self::Shape(column) => write!(f, "`{column}` is stored in another way than in the table"),
            Self::Converted(column) => write!(f, "the type of `{column}` has changed since"),
            Self::Codec(codec) => write!(f, "pages cannot be compressed with {codec} without being decoded"),
            Self::BloomFilter(column) => write!(f, "the table wants a Bloom filter of `{column}`"),
            Self::Footer => f.write_str("the footer tells too little of the chunks"),
        }
    }
}

impl Refusal {
    /// What would make such row groups be copied.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Small => Some("rewrite_data_files of the source makes larger ones"),
            Self::Deletes => Some("rewrite_data_files of the source applies deletes"),
            Self::Filter | Self::Partitions(_) | Self::Computed(_) => {
                Some("sorting the source by the column separates them")
            }
            Self::Shape(_) | Self::Converted(_) => Some("rewrite_data_files of the source writes today's schema"),
            Self::Large | Self::Codec(_) | Self::BloomFilter(_) | Self::Footer => None,
        }
    }
}

/// How much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Where only the manifest was read, files.
    pub row_groups: u64,
    pub rows: u64,
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.row_groups += other.row_groups;
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// What is copied, and for what reason the rest is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub spliced: Amount,
    pub refused: BTreeMap<Refusal, Amount>,
}

impl Report {
    pub fn splice(&mut self, rows: usize, bytes: u64) {
        self.spliced.add(Amount { row_groups: 1, rows: rows as u64, bytes });
    }

    pub fn refuse(&mut self, refusal: Refusal, row_group: &RowGroupMetaData) {
        let number = |it: i64| u64::try_from(it).unwrap_or(0);
        let (rows, bytes) = (number(row_group.num_rows()), number(row_group.compressed_size()));
        self.refused.entry(refusal).or_default().add(Amount { row_groups: 1, rows, bytes });
    }

    /// Counts a file whose footer need not be read.
    pub fn refuse_file(&mut self, refusal: Refusal, file: &DataFile) {
        let row_groups = file.split_offsets().map_or(1, |offsets| offsets.len().max(1)) as u64;
        let amount = Amount { row_groups, rows: file.record_count(), bytes: file.file_size_in_bytes() };
        self.refused.entry(refusal).or_default().add(amount);
    }

    pub fn merge(&mut self, other: Self) {
        self.spliced.add(other.spliced);
        for (refusal, amount) in other.refused {
            self.refused.entry(refusal).or_default().add(amount);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Amount { row_groups, rows, bytes } = self.spliced;
        let all = bytes + self.refused.values().map(|it| it.bytes).sum::<u64>();
        let percent = |part: u64| (u128::from(part) * 100).checked_div(u128::from(all)).unwrap_or(0);
        write!(f, "copied: {row_groups} row groups, {rows} rows, {bytes} bytes ({} %)", percent(bytes))?;
        for (refusal, Amount { row_groups, rows, bytes }) in &self.refused {
            write!(
                f,
                "\nencoded: {row_groups} row groups, {rows} rows, {bytes} bytes ({} %): {refusal}",
                percent(*bytes)
            )?;
            if let Some(remedy) = refusal.remedy() {
                write!(f, "; {remedy}")?;
            }
        }
        Ok(())
    }
}
