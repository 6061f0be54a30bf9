//! The proof that a row group can be copied: that decoding and encoding its rows would give the same rows in the same place.
//!
//! A row group is copied if no row is deleted, every row passes the filters, every column is either a column of the source,
//! laid down as the table has it, or one value, and all rows belong to one partition. What cannot be proved is encoded.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use iceberg::spec::{PartitionField, Transform};
use parquet::schema::types::{SchemaDescriptor, TypePtr};

use super::codec::{self, PageCompressor};
use super::constant;
use super::domain::Domain;
use super::layout::{Layout, described};
use super::plan::{Part, Splice, SplicedRowGroup};
use super::report::Refusal;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::{Place, WholeFile, field_id};
use crate::pipeline::shuffle::{PartitionKey, Partitioner};

/// A chunk is in memory as a whole.
const CHUNK_MAX_BYTES: i64 = 64 << 20;

/// What writers of this name did in versions before 1.8: their statistics and delta encodings are known by their name only to be
/// wrong (PARQUET-251, PARQUET-246), and a copy has ours.
const OLD_WRITER: &str = "parquet-mr version 1.";
const OLD_WRITER_FIXED: u32 = 8;

/// Decides about the row groups of one file.
pub(super) struct Proof<'a> {
    splice: &'a Splice,
    file: &'a WholeFile<'a>,
    /// Row groups with fewer bytes are not copied.
    min_bytes: u64,
    partitioner: Partitioner,
    layouts: Vec<Arc<Layout>>,
}

/// One column of the target in one row group.
enum Column {
    /// The leaves of the source, as this type.
    Copied(std::ops::Range<usize>, TypePtr, usize),
    Constant(ScalarValue),
}

type Proved<T> = Result<std::result::Result<T, Refusal>>;

impl<'a> Proof<'a> {
    pub fn new(splice: &'a Splice, file: &'a WholeFile<'a>, min_bytes: u64) -> Result<Self> {
        let metadata = &splice.target.metadata;
        let (spec, schema) = (metadata.default_partition_spec(), metadata.current_schema());
        let partitioner = Partitioner::new(spec, schema, &splice.target.columns)?;
        Ok(Self { splice, file, min_bytes, partitioner, layouts: Vec::new() })
    }

    /// How the row group is copied, or why it is not.
    pub fn row_group(&mut self, index: usize) -> Proved<SplicedRowGroup> {
        if self.file.metadata().file_metadata().created_by().is_some_and(is_of_old_writer) {
            return Ok(Err(Refusal::Footer));
        }
        let domain = |column: usize| self.file.domain(column, index);
        for filter in &self.splice.filters {
            if !filter.is_true(domain)? {
                return Ok(Err(Refusal::Filter));
            }
        }
        let columns = match self.columns(index)? {
            Ok(columns) => columns,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let bytes = match self.bytes(index, &columns) {
            Ok(bytes) => bytes,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let key = match self.partition(index, &columns)? {
            Ok(key) => key,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let layout = match self.layout(index, &columns)? {
            Some(layout) => layout,
            None => return Ok(Err(Refusal::Footer)),
        };
        let Some(parts) = parts(&columns, &layout.schema) else { return Ok(Err(Refusal::Footer)) };
        let rows = usize::try_from(self.file.row_group(index).num_rows());
        let Ok(rows) = rows else { return Ok(Err(Refusal::Footer)) };
        Ok(Ok(SplicedRowGroup {
            store: self.file.store().clone(),
            location: self.file.location().to_string(),
            metadata: self.file.shared_metadata(),
            index,
            rows,
            bytes,
            key,
            layout,
            codec: self.splice.target.codec,
            parts,
            nans: self.nans(rows, &columns),
        }))
    }

    fn columns(&self, index: usize) -> Proved<Vec<Column>> {
        let target = &self.splice.target;
        let roots = target.parquet_schema.get_fields();
        let mut columns = Vec::new();
        for ((output, root), field) in self.splice.outputs.iter().zip(roots).zip(target.columns.fields()) {
            let copied = match output.column {
                Some(column) => self.copied(column, root),
                None => Err(Refusal::Computed(field.name().clone())),
            };
            let refusal = match copied {
                Ok(copied) if target.bloom_filters.iter().any(|it| is_within(it, field.name())) => {
                    drop(copied);
                    return Ok(Err(Refusal::BloomFilter(field.name().clone())));
                }
                Ok(copied) => {
                    columns.push(copied);
                    continue;
                }
                Err(refusal) => refusal,
            };
            match output.constant(|column| self.file.domain(column, index))? {
                Some(value) if is_storable(&value, field, root)? => {
                    columns.push(Column::Constant(value.cast_to(field.data_type())?))
                }
                _ => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(columns))
    }

    /// A column of the scan as it is.
    fn copied(&self, column: usize, wanted: &TypePtr) -> std::result::Result<Column, Refusal> {
        let name = || wanted.name().to_string();
        match self.file.place(column) {
            Place::Chunks { root, leaves } => match described(wanted, root) {
                Some(described) => Ok(Column::Copied(leaves, described, column)),
                None => Err(Refusal::Shape(name())),
            },
            // One value, and found to be so by whoever asks for constants.
            Place::Constant => Err(Refusal::Computed(name())),
            Place::Converted => Err(Refusal::Converted(name())),
        }
    }

    /// The compressed bytes of what is copied.
    fn bytes(&self, index: usize, columns: &[Column]) -> std::result::Result<u64, Refusal> {
        let row_group = self.file.row_group(index);
        let mut bytes = 0;
        for leaf in columns.iter().filter_map(Column::leaves).flatten() {
            let chunk = row_group.column(leaf);
            let starts = [Some(chunk.data_page_offset()), chunk.dictionary_page_offset()];
            let is_plain = chunk.file_path().is_none()
                && chunk.compressed_size() > 0
                && starts.iter().flatten().all(|start| *start >= 4)
                && chunk.dictionary_page_offset().is_none_or(|start| start < chunk.data_page_offset());
            if !is_plain {
                return Err(Refusal::Footer);
            }
            let other = self.splice.target.codec.filter(|wanted| !codec::is_same(*wanted, chunk.compression()));
            if let Some(wanted) = other.filter(|wanted| !PageCompressor::knows(*wanted)) {
                return Err(Refusal::Codec(wanted.to_string()));
            }
            let held = if other.is_some() { chunk.uncompressed_size() } else { chunk.compressed_size() };
            if held > CHUNK_MAX_BYTES {
                return Err(Refusal::Large);
            }
            bytes += u64::try_from(chunk.compressed_size()).unwrap_or(0);
        }
        match bytes {
            _ if bytes < self.min_bytes => Err(Refusal::Small),
            _ if bytes > self.splice.target.max_bytes => Err(Refusal::Large),
            _ => Ok(bytes),
        }
    }

    /// The partition of all rows.
    fn partition(&mut self, index: usize, columns: &[Column]) -> Proved<PartitionKey> {
        let metadata = &self.splice.target.metadata;
        let (spec, schema) = (metadata.default_partition_spec(), metadata.current_schema());
        let refused = |field: &PartitionField| Ok(Err(Refusal::Partitions(field.name.clone())));
        let mut ends: Vec<Option<(ScalarValue, ScalarValue)>> = columns.iter().map(|_| None).collect();
        for field in spec.fields() {
            let place = schema.as_struct().fields().iter().position(|it| it.id == field.source_id);
            let Some(place) = place else { return refused(field) };
            let domain = match &columns[place] {
                Column::Constant(value) => Domain::constant(value),
                Column::Copied(_, _, column) => self.file.domain(*column, index),
            };
            match (domain.single(), domain.range()) {
                (Some(value), _) => ends[place] = Some((value.clone(), value)),
                (None, Some((lower, upper))) if keeps_order(field.transform) => {
                    ends[place] = Some((lower.clone(), upper.clone()));
                }
                _ => return refused(field),
            }
        }
        let batch = ends_of_columns(&self.splice.target.columns, &ends)?;
        let mut keys = self.partitioner.split(batch)?;
        match (keys.pop(), keys.is_empty()) {
            (Some((key, _)), true) => Ok(Ok(key)),
            _ => match spec.fields().first() {
                Some(_) => Ok(Err(Refusal::Partitions(names(spec.fields())))),
                None => {
                    Err(Error::new(ErrorKind::Internal, "a table without partitions has several").stage(Stage::Sink))
                }
            },
        }
    }

    /// The layout of the file that the row group goes into.
    fn layout(&mut self, index: usize, columns: &[Column]) -> Result<Option<Arc<Layout>>> {
        let root = &self.splice.target.parquet_schema;
        let fields = root.get_fields().iter().zip(columns).map(|(wanted, column)| match column {
            Column::Copied(_, described, _) => Arc::clone(described),
            Column::Constant(_) => Arc::clone(wanted),
        });
        let page_index =
            columns.iter().filter_map(Column::leaves).flatten().all(|leaf| self.file.has_page_index(index, leaf));
        let Ok(layout) = Layout::with_columns(root, fields.collect(), page_index) else { return Ok(None) };
        Ok(Some(match self.layouts.iter().find(|known| ***known == layout) {
            Some(known) => Arc::clone(known),
            None => {
                let layout = Arc::new(layout);
                self.layouts.push(Arc::clone(&layout));
                layout
            }
        }))
    }

    fn nans(&self, rows: usize, columns: &[Column]) -> Vec<(i32, Option<u64>)> {
        let fields = self.splice.target.columns.fields();
        let mut nans = Vec::new();
        for (field, column) in fields.iter().zip(columns) {
            let known = match column {
                Column::Constant(value) => {
                    let is_nan = matches!(value, ScalarValue::Float32(Some(it)) if it.is_nan())
                        || matches!(value, ScalarValue::Float64(Some(it)) if it.is_nan());
                    Some(if is_nan { rows as u64 } else { 0 })
                }
                Column::Copied(_, _, column) => self.nans_of(*column),
            };
            floats(field, &mut |id| nans.push((id, known)));
        }
        nans
    }

    /// NaN values of a copied column: none if its file has none.
    fn nans_of(&self, column: usize) -> Option<u64> {
        let id = field_id(self.file.field(column))?;
        self.file.nans(id).filter(|count| *count == 0)
    }
}

impl Column {
    fn leaves(&self) -> Option<std::ops::Range<usize>> {
        match self {
            Self::Copied(leaves, ..) => Some(leaves.clone()),
            Self::Constant(_) => None,
        }
    }
}

fn is_of_old_writer(created_by: &str) -> bool {
    let minor = created_by.strip_prefix(OLD_WRITER).and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor < OLD_WRITER_FIXED)
}

fn is_within(path: &str, column: &str) -> bool {
    path.strip_prefix(column).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn names(fields: &[PartitionField]) -> String {
    fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Whether a value in all rows can be written without encoding rows: it fits every leaf.
fn is_storable(value: &ScalarValue, field: &Field, root: &TypePtr) -> Result<bool> {
    if value.is_null() && !field.is_nullable() {
        return Ok(false);
    }
    let Ok(value) = value.cast_to(field.data_type()) else { return Ok(false) };
    let leaves =
        leaves(root).map_err(|source| Error::new(ErrorKind::Internal, "a column is no schema").source(source))?;
    let columns = leaves.columns();
    Ok(columns.iter().all(|leaf| constant::fits(&value, leaf)))
}

fn leaves(root: &TypePtr) -> parquet::errors::Result<SchemaDescriptor> {
    let schema =
        parquet::schema::types::Type::group_type_builder("table").with_fields(vec![Arc::clone(root)]).build()?;
    Ok(SchemaDescriptor::new(Arc::new(schema)))
}

/// What each leaf of the new file comes from. `None` where the numbers of leaves differ.
fn parts(columns: &[Column], schema: &SchemaDescriptor) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for (root, column) in columns.iter().enumerate() {
        let wanted = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == root).count();
        match column {
            Column::Copied(leaves, ..) if leaves.len() == wanted => parts.extend(leaves.clone().map(Part::Copied)),
            Column::Copied(..) => return None,
            Column::Constant(value) => parts.extend((0..wanted).map(|_| Part::Constant(value.clone()))),
        }
    }
    (parts.len() == schema.num_columns()).then_some(parts)
}

/// Whether values between two others have a partition between theirs.
fn keeps_order(transform: Transform) -> bool {
    matches!(
        transform,
        Transform::Identity
            | Transform::Truncate(_)
            | Transform::Year
            | Transform::Month
            | Transform::Day
            | Transform::Hour
            | Transform::Void
    )
}

/// Two rows: the lower and the upper end of each column that is known, NULL in the others.
fn ends_of_columns(columns: &SchemaRef, ends: &[Option<(ScalarValue, ScalarValue)>]) -> Result<RecordBatch> {
    let fields = columns.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = schema.fields().iter().zip(ends).map(|(field, ends)| match ends {
        Some((lower, upper)) => {
            let of_type = |value: &ScalarValue| value.cast_to(field.data_type());
            Ok(ScalarValue::iter_to_array([of_type(lower)?, of_type(upper)?])?)
        }
        None => Ok(new_null_array(field.data_type(), 2)),
    });
    let arrays = arrays.collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// The ids of the floats in a column that manifests count NaN values of.
fn floats(field: &Field, found: &mut impl FnMut(i32)) {
    match field.data_type() {
        DataType::Float32 | DataType::Float64 => {
            if let Some(id) = field_id(field) {
                found(id);
            }
        }
        DataType::Struct(fields) => fields.iter().for_each(|field| floats(field, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{is_of_old_writer, is_within};

    #[test]
    fn writers_that_need_mending_are_known_by_their_name() {
        assert!(is_of_old_writer("parquet-mr version 1.6.0rc3 (build abc)"));
        assert!(!is_of_old_writer("parquet-mr version 1.13.1 (build abc)"));
        assert!(!is_of_old_writer("parquet-rs version 58.4.1"));
    }

    #[test]
    fn parts_of_a_column_are_within_it() {
        assert!(is_within("a", "a") && is_within("a.b", "a"));
        assert!(!is_within("ab", "a"));
    }
}
