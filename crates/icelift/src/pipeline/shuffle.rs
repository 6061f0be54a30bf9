//! Routes rows to the partitions of the target table.
//!
//! In: batches. Out: for each batch its rows by partition key, and for each key the lane that encodes it. What must hold:
//! every row gets the key that the partition spec's transforms give for its values, and no row is lost between keys.

mod lanes;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, make_array};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use iceberg::spec::{
    Literal, PartitionField, PartitionSpec, PartitionSpecRef, PrimitiveType, Schema, Struct, Transform, Type,
};

pub(crate) use self::lanes::Lanes;
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::select::transforms;
use crate::pipeline::values::literal_at;

/// A partition of the target: comparable bytes, and the values as manifests want them.
#[derive(Debug, Clone)]
pub(crate) struct PartitionKey {
    pub bytes: Arc<[u8]>,
    pub values: Struct,
}

/// One field of the partition spec, bound to the columns of the batches.
#[derive(Debug)]
struct KeyField {
    /// Indices from the top-level column down to the source column.
    path: Vec<usize>,
    transform: Transform,
    result: Type,
}

/// Splits batches by the partition spec of a table.
pub(crate) struct Partitioner {
    fields: Vec<KeyField>,
    converter: RowConverter,
    known: HashMap<Arc<[u8]>, Struct>,
}

impl Partitioner {
    /// Binds `spec` to batches of `columns`, which are those of `schema`.
    pub fn new(spec: &PartitionSpecRef, schema: &Schema, columns: &SchemaRef) -> Result<Self> {
        refuse_uuid_partitions(spec, schema)?;
        let mut fields = Vec::new();
        let mut sort_fields = Vec::new();
        for field in spec.fields() {
            let unsupported =
                |why: String| Error::new(ErrorKind::Unsupported, format!("the partition field `{}` {why}", field.name));
            let path = source_path(schema, field.source_id)
                .ok_or_else(|| unsupported("has no source column any more".to_string()))?;
            let source = schema.field_by_id(field.source_id).map(|source| source.field_type.as_ref().clone());
            let source = source.ok_or_else(|| unsupported("has no source column any more".to_string()))?;
            let result =
                field.transform.result_type(&source).map_err(|error| unsupported(error.message().to_string()))?;
            let empty = arrow::array::new_empty_array(leaf_type(columns, &path)?);
            let transformed = transforms::apply(&field.transform, &empty)?;
            sort_fields.push(SortField::new(transformed.data_type().clone()));
            fields.push(KeyField { path, transform: field.transform, result });
        }
        Ok(Self { fields, converter: RowConverter::new(sort_fields)?, known: HashMap::new() })
    }

    /// The rows of the batch by key. Rows of one key that lie together are not copied.
    pub fn split(&mut self, batch: RecordBatch) -> Result<Vec<(PartitionKey, RecordBatch)>> {
        if self.fields.is_empty() {
            let key = PartitionKey { bytes: Arc::from([]), values: Struct::empty() };
            return Ok(vec![(key, batch)]);
        }
        let columns = self.fields.iter().map(|field| {
            let source = nested_column(&batch, &field.path)?;
            transforms::apply(&field.transform, &source)
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let keys = self.converter.convert_columns(&columns)?;
        let (mut found, mut runs_of) = (Vec::new(), Vec::new());
        let mut index: HashMap<&[u8], usize> = HashMap::new();
        for run in runs(&keys) {
            let part = match index.entry(keys.row(run.start).data()) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    found.push(self.key(new.key(), &columns, run.start)?);
                    runs_of.push(Vec::new());
                    *new.insert(found.len() - 1)
                }
            };
            runs_of[part].push(run);
        }
        Ok(found.into_iter().zip(gather(&batch, runs_of)?).collect())
    }

    fn key(&mut self, bytes: &[u8], columns: &[ArrayRef], row: usize) -> Result<PartitionKey> {
        if let Some((bytes, values)) = self.known.get_key_value(bytes) {
            return Ok(PartitionKey { bytes: Arc::clone(bytes), values: values.clone() });
        }
        let literals = self.fields.iter().zip(columns).map(|(field, column)| literal_at(column, row, &field.result));
        let values: Struct = literals.collect::<Result<Vec<Option<Literal>>>>()?.into_iter().collect();
        let bytes: Arc<[u8]> = Arc::from(bytes);
        self.known.insert(Arc::clone(&bytes), values.clone());
        Ok(PartitionKey { bytes, values })
    }
}

/// The Avro library below reads and writes no UUID in a manifest's partition values.
pub(crate) fn refuse_uuid_partitions(spec: &PartitionSpec, schema: &Schema) -> Result<()> {
    let uuid = |field: &&PartitionField| {
        let source = schema.field_by_id(field.source_id).and_then(|source| source.field_type.as_primitive_type());
        field.transform == Transform::Identity && source == Some(&PrimitiveType::Uuid)
    };
    let Some(field) = spec.fields().iter().find(uuid) else { return Ok(()) };
    let message = format!("the table is partitioned by the UUID column of `{}` itself", field.name);
    Err(Error::new(ErrorKind::Unsupported, message).hint("partition by bucket(n, column)"))
}

/// The maximal runs of equal keys.
fn runs(keys: &Rows) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for row in 1..=keys.num_rows() {
        if row == keys.num_rows() || keys.row(row) != keys.row(start) {
            runs.push(start..row);
            start = row;
        }
    }
    runs
}

/// Which rows of a batch belong to a part of it.
enum PartRows {
    Run(Range<usize>),
    Scattered(UInt32Array),
}

impl PartRows {
    fn new(runs: Vec<Range<usize>>) -> Self {
        match <[_; 1]>::try_from(runs) {
            Ok([run]) => Self::Run(run),
            Err(runs) => Self::Scattered(runs.into_iter().flat_map(|run| run.start as u32..run.end as u32).collect()),
        }
    }

    /// Without a copy where they lie together.
    fn of(&self, column: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::Run(run) => Ok(column.slice(run.start, run.len())),
            Self::Scattered(rows) => Ok(take(column, rows, None)?),
        }
    }
}

/// The rows of each part. It goes column by column, so that each stays in the cache until all parts have their rows of it.
fn gather(batch: &RecordBatch, parts: Vec<Vec<Range<usize>>>) -> Result<Vec<RecordBatch>> {
    let parts: Vec<_> = parts.into_iter().map(PartRows::new).collect();
    let mut gathered = vec![Vec::with_capacity(batch.num_columns()); parts.len()];
    for column in batch.columns() {
        for (rows, columns) in parts.iter().zip(&mut gathered) {
            columns.push(rows.of(column)?);
        }
    }
    gathered.into_iter().map(|columns| Ok(RecordBatch::try_new(batch.schema(), columns)?)).collect()
}

/// Where a field is: the index of its top-level column, then of its ancestors' children.
fn source_path(schema: &Schema, id: i32) -> Option<Vec<usize>> {
    fn find(fields: &[iceberg::spec::NestedFieldRef], id: i32) -> Option<Vec<usize>> {
        fields.iter().enumerate().find_map(|(index, field)| {
            if field.id == id {
                return Some(vec![index]);
            }
            let Type::Struct(inner) = field.field_type.as_ref() else { return None };
            let mut path = find(inner.fields(), id)?;
            path.insert(0, index);
            Some(path)
        })
    }
    find(schema.as_struct().fields(), id)
}

fn leaf_type<'a>(columns: &'a SchemaRef, path: &[usize]) -> Result<&'a arrow::datatypes::DataType> {
    let mut fields = columns.fields();
    for index in &path[..path.len() - 1] {
        let arrow::datatypes::DataType::Struct(inner) = fields[*index].data_type() else {
            return Err(Error::new(ErrorKind::Internal, "a partition source lies in a column that is no struct"));
        };
        fields = inner;
    }
    Ok(fields[path[path.len() - 1]].data_type())
}

/// The column at `path`; NULL where an ancestor is.
fn nested_column(batch: &RecordBatch, path: &[usize]) -> Result<ArrayRef> {
    let mut column = Arc::clone(batch.column(path[0]));
    let mut nulls: Option<NullBuffer> = None;
    for index in &path[1..] {
        nulls = NullBuffer::union(nulls.as_ref(), column.nulls());
        let child = Arc::clone(column.as_struct().column(*index));
        column = child;
    }
    if nulls.is_none() {
        return Ok(column);
    }
    let nulls = NullBuffer::union(nulls.as_ref(), column.nulls());
    let data = column.to_data().into_builder().nulls(nulls).build()?;
    Ok(make_array(data))
}
