//! What a metadata table is read from, in pieces, and the rows of a piece.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use iceberg::spec::{ManifestContentType, ManifestFile, SnapshotRef, SnapshotReference};

use super::MetadataTable;
use super::columns::Columns;
use super::files::{self, FileRow};
use super::history::{self, Logged, Made};
use super::manifests::{self, ManifestRow};
use super::partition::PartitionType;
use super::partitions::{self, Adder, PartitionRow};
use crate::catalog::Table;
use crate::error::Result;

/// The columns of a metadata table, with the sort of rows that they are made of.
#[derive(Debug)]
pub(super) enum Rows {
    Snapshots(Arc<Columns<SnapshotRef>>),
    History(Arc<Columns<Made>>),
    Refs(Arc<Columns<(String, SnapshotReference)>>),
    MetadataLog(Arc<Columns<Logged>>),
    Manifests(Arc<Columns<ManifestRow>>),
    /// Entries, of which deleted ones are left out where only files are wanted.
    Files {
        columns: Arc<Columns<FileRow>>,
        with_deleted: bool,
    },
    Partitions(Arc<Columns<PartitionRow>>, Arc<PartitionType>),
}

/// What one stream reads, one after the other.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// The metadata file, which is in memory.
    Metadata,
    /// The manifest list of a snapshot.
    List(SnapshotRef),
    Manifest(Box<ManifestFile>),
}

/// All pieces of a table.
#[derive(Debug)]
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    /// Whether the rows depend on all pieces.
    in_one: bool,
}

impl Pieces {
    /// Deals the pieces to at most so many streams.
    pub fn dealt(self, streams: usize) -> Vec<Vec<Piece>> {
        let streams = if self.in_one { 1 } else { streams.min(self.pieces.len()).max(1) };
        let mut dealt = vec![Vec::new(); streams];
        for (index, piece) in self.pieces.into_iter().enumerate() {
            if let Some(stream) = dealt.get_mut(index % streams) {
                stream.push(piece);
            }
        }
        dealt
    }
}

/// Which columns of the rows are wanted, and how many rows make a batch.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub columns: Vec<usize>,
    pub schema: SchemaRef,
    pub batch_rows: usize,
}

impl Rows {
    /// # Errors
    /// Types that are not supported.
    pub fn of(metadata_table: MetadataTable, table: &Table) -> Result<Self> {
        let metadata = &table.metadata;
        let files = |columns, with_deleted| Self::Files { columns: Arc::new(columns), with_deleted };
        Ok(match metadata_table {
            MetadataTable::Snapshots => Self::Snapshots(Arc::new(history::snapshots())),
            MetadataTable::History => Self::History(Arc::new(history::history())),
            MetadataTable::Refs => Self::Refs(Arc::new(history::refs())),
            MetadataTable::MetadataLogEntries => Self::MetadataLog(Arc::new(history::metadata_log())),
            MetadataTable::Manifests => Self::Manifests(Arc::new(manifests::manifests(metadata))),
            MetadataTable::AllManifests => Self::Manifests(Arc::new(manifests::all_manifests(metadata))),
            MetadataTable::Files | MetadataTable::DataFiles | MetadataTable::DeleteFiles => {
                files(files::files(metadata)?, false)
            }
            MetadataTable::Entries => files(files::entries(metadata)?, true),
            MetadataTable::Partitions => {
                let partition = Arc::new(PartitionType::new(metadata)?);
                Self::Partitions(Arc::new(partitions::partitions(&partition)), partition)
            }
        })
    }

    pub fn schema(&self) -> SchemaRef {
        match self {
            Self::Snapshots(columns) => columns.schema(),
            Self::History(columns) => columns.schema(),
            Self::Refs(columns) => columns.schema(),
            Self::MetadataLog(columns) => columns.schema(),
            Self::Manifests(columns) => columns.schema(),
            Self::Files { columns, .. } => columns.schema(),
            Self::Partitions(columns, _) => columns.schema(),
        }
    }

    /// What the rows are made of. Reads a manifest list where manifests are needed.
    ///
    /// # Errors
    /// A list that cannot be read.
    pub async fn pieces(&self, table: &Table, metadata_table: MetadataTable) -> Result<Pieces> {
        let current = table.metadata.current_snapshot().cloned();
        let in_one = matches!(self, Self::Partitions(..));
        let pieces = match self {
            Self::Snapshots(_) | Self::History(_) | Self::Refs(_) | Self::MetadataLog(_) => vec![Piece::Metadata],
            Self::Manifests(_) if metadata_table == MetadataTable::AllManifests => {
                history::snapshot_rows(&table.metadata).into_iter().map(Piece::List).collect()
            }
            Self::Manifests(_) => current.into_iter().map(Piece::List).collect(),
            Self::Files { .. } | Self::Partitions(..) => {
                let Some(snapshot) = current else { return Ok(Pieces { pieces: Vec::new(), in_one }) };
                let list = table.manifest_list(&snapshot).await?.consume_entries().into_iter();
                let wanted = list.filter(|manifest| self.wants(manifest, metadata_table));
                wanted.map(|manifest| Piece::Manifest(Box::new(manifest))).collect()
            }
        };
        Ok(Pieces { pieces, in_one })
    }

    /// Whether a manifest may have rows.
    fn wants(&self, manifest: &ManifestFile, metadata_table: MetadataTable) -> bool {
        let with_deleted = matches!(self, Self::Files { with_deleted: true, .. });
        let is_empty = manifest.added_files_count == Some(0) && manifest.existing_files_count == Some(0);
        let of_content = match metadata_table {
            MetadataTable::DataFiles => manifest.content == ManifestContentType::Data,
            MetadataTable::DeleteFiles => manifest.content == ManifestContentType::Deletes,
            _ => true,
        };
        of_content && (with_deleted || !is_empty)
    }

    /// The rows of some pieces.
    pub fn read(&self, table: &Table, pieces: Vec<Piece>, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch>> {
        let metadata = &table.metadata;
        match self {
            Self::Snapshots(columns) => cut(columns, history::snapshot_rows(metadata), wanted).boxed(),
            Self::History(columns) => cut(columns, history::history_rows(metadata), wanted).boxed(),
            Self::MetadataLog(columns) => cut(columns, history::metadata_log_rows(table), wanted).boxed(),
            Self::Refs(columns) => match history::ref_rows(metadata) {
                Ok(rows) => cut(columns, rows, wanted).boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            },
            Self::Manifests(columns) => {
                let (table, columns) = (table.clone(), Arc::clone(columns));
                let rows = stream::iter(pieces).then(move |piece| manifests_of(table.clone(), piece));
                rows.map_ok(move |rows| cut(&columns, rows, wanted.clone())).try_flatten().boxed()
            }
            Self::Files { columns, with_deleted } => {
                let (table, columns, with_deleted) = (table.clone(), Arc::clone(columns), *with_deleted);
                let rows = stream::iter(pieces).then(move |piece| entries_of(table.clone(), piece, with_deleted));
                rows.map_ok(move |rows| cut(&columns, rows, wanted.clone())).try_flatten().boxed()
            }
            Self::Partitions(columns, partition) => {
                let (table, columns, adder) = (table.clone(), Arc::clone(columns), Adder::new(Arc::clone(partition)));
                let rows = stream::once(added_up(table, pieces, adder));
                rows.map_ok(move |rows| cut(&columns, rows, wanted.clone())).try_flatten().boxed()
            }
        }
    }
}

/// The rows in batches, each made when it is asked for.
fn cut<R: Send + Sync + 'static>(
    columns: &Arc<Columns<R>>,
    rows: Vec<R>,
    wanted: Wanted,
) -> impl Stream<Item = Result<RecordBatch>> + Send + use<R> {
    let columns = Arc::clone(columns);
    let step = wanted.batch_rows.max(1);
    let starts = (0..rows.len()).step_by(step);
    stream::iter(starts.map(move |start| {
        let end = start.saturating_add(step).min(rows.len());
        columns.batch(rows.get(start..end).unwrap_or_default(), &wanted.columns, &wanted.schema)
    }))
}

async fn manifests_of(table: Table, piece: Piece) -> Result<Vec<ManifestRow>> {
    let Piece::List(snapshot) = piece else { return Ok(Vec::new()) };
    let snapshot_id = snapshot.snapshot_id();
    let list = table.manifest_list(&snapshot).await?;
    Ok(list.consume_entries().into_iter().map(|manifest| ManifestRow { manifest, snapshot_id }).collect())
}

async fn entries_of(table: Table, piece: Piece, with_deleted: bool) -> Result<Vec<FileRow>> {
    let Piece::Manifest(manifest) = piece else { return Ok(Vec::new()) };
    let entries = table.manifest(&manifest).await?.into_parts().0.into_iter();
    let wanted = entries.filter(|entry| with_deleted || entry.is_alive());
    Ok(wanted.map(|entry| FileRow { entry, spec_id: manifest.partition_spec_id }).collect())
}

async fn added_up(table: Table, pieces: Vec<Piece>, mut adder: Adder) -> Result<Vec<PartitionRow>> {
    for piece in pieces {
        for row in entries_of(table.clone(), piece, false).await? {
            adder.add(&row, &table.metadata)?;
        }
    }
    Ok(adder.rows())
}
