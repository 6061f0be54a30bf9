//! Rows that a snapshot has deleted: by position, by deletion vector, by equal keys.
//!
//! Positions become a row selection, so that deleted rows are not even decoded; keys are compared after decoding. Spec:
//! "Scan Planning" (which delete applies to which file) and "Delete Formats".

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, FieldRef, Int64Type, Schema as ArrowSchema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use futures::TryStreamExt;
use iceberg::arrow::type_to_arrow_type;
use iceberg::spec::{DataContentType, DataFile, DataFileFormat, PartitionSpecRef};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection, RowSelector};
use roaring::RoaringTreemap;
use tokio::sync::OnceCell;

use super::decode::Parquet;
use super::reshape::Reshape;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::snapshot::DeleteId;
use crate::pipeline::values::PartitionValues;

/// Reserved field ids of the columns of a position delete file.
pub(super) const FILE_PATH_ID: i32 = 2_147_483_546;
const POSITION_ID: i32 = 2_147_483_545;
/// Start of a deletion vector's payload (Puffin spec, blob type `deletion-vector-v1`).
const VECTOR_MAGIC: [u8; 4] = [0xD1, 0xD3, 0x39, 0x64];
const DELETE_BATCH_ROWS: usize = 8_192;

/// A delete file. What it says is read once for all the data files it applies to.
pub(super) struct DeleteFile {
    file: DataFile,
    spec: PartitionSpecRef,
    sequence: i64,
    positions: OnceCell<Arc<HashMap<String, Vec<u64>>>>,
    keys: OnceCell<Arc<Keys>>,
}

impl fmt::Debug for DeleteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeleteFile").field("path", &self.file.file_path()).finish_non_exhaustive()
    }
}

impl DeleteFile {
    pub fn new(file: DataFile, spec: PartitionSpecRef, sequence: i64) -> Self {
        Self { file, spec, sequence, positions: OnceCell::new(), keys: OnceCell::new() }
    }

    pub fn file(&self) -> &DataFile {
        &self.file
    }

    pub fn location(&self) -> &str {
        self.file.file_path()
    }

    /// The location, and the place within it: one file may hold several deletion vectors.
    pub fn identity(&self) -> String {
        let path = self.file.file_path();
        self.file.content_offset().map_or_else(|| path.to_string(), |offset| format!("{path}#{offset}"))
    }

    /// Whether the file may delete rows of a data file of this spec and data sequence number.
    pub fn applies_to(&self, data: &DataFile, spec_id: i32, sequence: i64) -> bool {
        let same_spec = self.spec.spec_id() == spec_id;
        let same = || same_spec && PartitionValues::of(&self.file) == PartitionValues::of(data);
        match self.file.content_type() {
            DataContentType::EqualityDeletes => sequence < self.sequence && (self.spec.is_unpartitioned() || same()),
            _ => {
                let referenced = self.file.referenced_data_file();
                sequence <= self.sequence && referenced.map_or_else(same, |path| path == data.file_path())
            }
        }
    }

    /// Who it is, if it deletes rows of one data file only.
    pub fn of_one_file(&self) -> Option<DeleteId> {
        self.file.referenced_data_file().map(|_| DeleteId::of(&self.file))
    }

    /// Whether rows are deleted by what they hold, not by where they are.
    pub fn compares_keys(&self) -> bool {
        self.file.content_type() == DataContentType::EqualityDeletes
    }

    async fn parquet(&self, table: &Table) -> Result<Parquet> {
        let (path, size) = (self.file.file_path(), self.file.file_size_in_bytes());
        Parquet::open(&table.store, path, size, None, false).await
    }

    async fn positions(&self, table: &Table) -> Result<&Arc<HashMap<String, Vec<u64>>>> {
        let load = || async {
            match self.file.file_format() {
                DataFileFormat::Puffin => self.vector(table).await.map(Arc::new),
                _ => self.position_file(table).await.map(Arc::new),
            }
        };
        self.positions.get_or_try_init(load).await
    }

    async fn position_file(&self, table: &Table) -> Result<HashMap<String, Vec<u64>>> {
        use arrow::datatypes::DataType::{Int64, Utf8};
        let columns = [identified("file_path", Utf8, FILE_PATH_ID), identified("pos", Int64, POSITION_ID)];
        let mut found: HashMap<String, Vec<u64>> = HashMap::new();
        for batch in self.rows(table, Arc::new(ArrowSchema::new(columns.to_vec()))).await? {
            let (paths, positions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
            for (path, position) in paths.iter().zip(positions) {
                let (Some(path), Some(Ok(position))) = (path, position.map(u64::try_from)) else {
                    return Err(Error::new(ErrorKind::Read, "a position delete has no path or position"));
                };
                match found.get_mut(path) {
                    Some(positions) => positions.push(position),
                    None => drop(found.insert(path.to_string(), vec![position])),
                }
            }
        }
        Ok(found)
    }

    /// A deletion vector: one blob of a Puffin file, for one data file.
    async fn vector(&self, table: &Table) -> Result<HashMap<String, Vec<u64>>> {
        let invalid = |what: &str| Error::new(ErrorKind::Read, format!("the deletion vector {what}"));
        let (offset, size) = (self.file.content_offset(), self.file.content_size_in_bytes());
        let (Some(path), Some(Ok(offset)), Some(Ok(size))) =
            (self.file.referenced_data_file(), offset.map(u64::try_from), size.map(u64::try_from))
        else {
            return Err(invalid("does not say where it is"));
        };
        let blob = table.store.read_range(self.file.file_path(), offset..offset + size).await?;
        let (Some((length, rest)), true) = (blob.split_first_chunk::<4>(), blob.len() >= 12) else {
            return Err(invalid("is too short"));
        };
        let Some((payload, checksum)) = rest.split_last_chunk::<4>() else { return Err(invalid("is too short")) };
        if u32::from_be_bytes(*length) as usize != payload.len() || payload[..4] != VECTOR_MAGIC {
            return Err(invalid("has no valid frame"));
        }
        if crc32fast::hash(payload) != u32::from_be_bytes(*checksum) {
            return Err(invalid("does not match its checksum"));
        }
        let bitmap = RoaringTreemap::deserialize_from(&payload[4..]);
        let bitmap = bitmap.map_err(|source| invalid("is no 64-bit Roaring bitmap").source(source))?;
        Ok(HashMap::from([(path, bitmap.iter().collect())]))
    }

    async fn keys(&self, table: &Table) -> Result<&Arc<Keys>> {
        let load = || async {
            let ids = self.file.equality_ids().unwrap_or_default();
            let fields = ids.iter().map(|id| key_field(table, *id)).collect::<Result<Vec<_>>>()?;
            if fields.is_empty() {
                return Err(Error::new(ErrorKind::Read, "the equality delete file names no columns"));
            }
            let batches = self.rows(table, Arc::new(ArrowSchema::new(fields.clone()))).await?;
            Keys::new(fields, &batches).map(Arc::new)
        };
        self.keys.get_or_try_init(load).await
    }

    async fn rows(&self, table: &Table, schema: SchemaRef) -> Result<Vec<RecordBatch>> {
        let parquet = self.parquet(table).await?;
        let reshape = Reshape::new(&parquet.fields, &schema, table.metadata.current_schema(), |_| None)?;
        let all = (0..parquet.metadata.metadata().num_row_groups()).collect();
        parquet.read(reshape, all, None, DELETE_BATCH_ROWS)?.try_collect().await
    }
}

fn identified(name: &str, data_type: arrow::datatypes::DataType, id: i32) -> FieldRef {
    let metadata = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_string(), id.to_string())]);
    Arc::new(Field::new(name, data_type, true).with_metadata(metadata))
}

/// A key column as the newest schema that has it describes it: it may have been dropped since.
fn key_field(table: &Table, id: i32) -> Result<FieldRef> {
    let mut schemas: Vec<_> = table.metadata.schemas_iter().collect();
    schemas.sort_unstable_by_key(|schema| std::cmp::Reverse(schema.schema_id()));
    let known = std::iter::once(table.metadata.current_schema()).chain(schemas);
    let top_level = known.filter_map(|schema| schema.as_struct().field_by_id(id)).next().cloned();
    let field = top_level.filter(|field| field.field_type.is_primitive()).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("the equality delete file compares field {id}, no top-level column"))
            .hint("rewrite the table's data files with the engine that wrote them")
    })?;
    let data_type = type_to_arrow_type(&field.field_type).map_err(|source| {
        Error::new(ErrorKind::Unsupported, format!("the key column `{}` has a type that is not supported", field.name))
            .source(source)
    })?;
    Ok(identified(&format!("equality key {id}"), data_type, id))
}

/// The keys of one equality delete file. NULL equals NULL, as the spec demands.
struct Keys {
    fields: Vec<FieldRef>,
    converter: RowConverter,
    rows: HashSet<Box<[u8]>>,
}

impl Keys {
    fn new(fields: Vec<FieldRef>, batches: &[RecordBatch]) -> Result<Self> {
        let columns = fields.iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(columns)?;
        let mut rows = HashSet::new();
        for batch in batches {
            let keys = converter.convert_columns(batch.columns())?;
            rows.extend(keys.iter().map(|key| Box::from(key.as_ref())));
        }
        Ok(Self { fields, converter, rows })
    }

    /// For each row whether its key is absent.
    fn absent(&self, columns: &[Arc<dyn Array>]) -> Result<BooleanArray> {
        let keys = self.converter.convert_columns(columns)?;
        Ok(keys.iter().map(|key| Some(!self.rows.contains(key.as_ref()))).collect())
    }
}

/// Everything that is deleted from one data file.
pub(super) struct DeletedRows {
    /// Ascending, without repetition.
    positions: Vec<u64>,
    keys: Vec<Arc<Keys>>,
}

impl fmt::Debug for DeletedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeletedRows").field("positions", &self.positions.len()).field("keys", &self.keys.len()).finish()
    }
}

impl DeletedRows {
    pub async fn load(table: &Table, data_path: &str, deletes: &[Arc<DeleteFile>]) -> Result<Self> {
        let (mut positions, mut keys) = (Vec::new(), Vec::new());
        for delete in deletes {
            let place = |error: Error| error.stage(Stage::Scan).subject(delete.file.file_path());
            if delete.file.content_type() == DataContentType::EqualityDeletes {
                keys.push(Arc::clone(delete.keys(table).await.map_err(place)?));
            } else {
                let found = delete.positions(table).await.map_err(place)?;
                positions.extend_from_slice(found.get(data_path).map_or(&[][..], Vec::as_slice));
            }
        }
        positions.sort_unstable();
        positions.dedup();
        Ok(Self { positions, keys })
    }

    /// The rows of `row_groups` that no position deletes; `None` if that is all of them.
    pub fn kept_rows(&self, metadata: &ArrowReaderMetadata, row_groups: &[usize]) -> Option<RowSelection> {
        if self.positions.is_empty() {
            return None;
        }
        let mut starts = BTreeMap::new();
        let mut start = 0;
        for (index, row_group) in metadata.metadata().row_groups().iter().enumerate() {
            let rows = u64::try_from(row_group.num_rows()).unwrap_or(0);
            starts.insert(index, start..start + rows);
            start += rows;
        }
        let mut selectors = Vec::new();
        for range in row_groups.iter().filter_map(|index| starts.get(index)) {
            let mut next = range.start;
            let first = self.positions.partition_point(|position| *position < range.start);
            for position in self.positions[first..].iter().take_while(|position| **position < range.end) {
                selectors.push(RowSelector::select((position - next) as usize));
                selectors.push(RowSelector::skip(1));
                next = position + 1;
            }
            selectors.push(RowSelector::select((range.end - next) as usize));
        }
        Some(RowSelection::from(selectors))
    }

    /// The columns that [`filter`](Self::filter) wants at the end of each batch, in this order.
    pub fn key_fields(&self) -> Vec<FieldRef> {
        self.keys.iter().flat_map(|keys| keys.fields.iter().cloned()).collect()
    }

    /// Drops the rows whose keys are deleted.
    pub fn filter(&self, mut batch: RecordBatch) -> Result<RecordBatch> {
        let width: usize = self.keys.iter().map(|keys| keys.fields.len()).sum();
        let mut column = batch.num_columns() - width;
        for keys in &self.keys {
            let next = column + keys.fields.len();
            let live = keys.absent(&batch.columns()[column..next])?;
            if live.has_false() {
                batch = filter_record_batch(&batch, &live)?;
            }
            column = next;
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests;
