//! Takes data files and deletes out of a table: the manifests that list them are written again without them.
//!
//! What must hold: every file that is to go is found in the base, or nothing is committed; the entries that stay keep their
//! snapshot and sequence numbers, by which deletes apply to them (spec, "Sequence numbers"), and the ids of their rows.

use std::collections::HashMap;

use iceberg::spec::{DataFile, Manifest, ManifestContentType, ManifestEntryRef, ManifestFile};

use super::change::{ChangeBuilder, partition_type, write_failed};
use super::lineage;
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};

/// By what a delete is known: its file, and the place in it, as one file may hold several deletion vectors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DeleteId {
    pub location: String,
    pub offset: Option<i64>,
}

impl DeleteId {
    pub fn of(file: &DataFile) -> Self {
        Self { location: file.file_path().to_string(), offset: file.content_offset() }
    }
}

/// The manifests that a change has written again so far.
#[derive(Default)]
pub(super) struct Removal {
    /// The data files that went.
    pub removed: Vec<DataFile>,
    /// The deletes that went.
    pub removed_deletes: Vec<DataFile>,
    /// What stands for a manifest of the base; `None` for one that lists none of the files.
    known: HashMap<String, Option<Rewritten>>,
    /// Locations of all manifests that were written.
    pub written: Vec<String>,
    /// Those of them that the last base does not need.
    pub superseded: Vec<String>,
}

struct Rewritten {
    manifest: ManifestFile,
    removed: Vec<DataFile>,
}

impl Removal {
    /// The manifests of the base without the files that the change removes.
    pub async fn without(
        &mut self,
        base: &Table,
        manifests: Vec<ManifestFile>,
        change: &ChangeBuilder,
    ) -> Result<Vec<ManifestFile>> {
        self.removed.clear();
        self.removed_deletes.clear();
        self.superseded = self.written.clone();
        let mut kept = Vec::with_capacity(manifests.len());
        for manifest in manifests {
            let is_concerned = match manifest.content {
                ManifestContentType::Data => change.removed_count() > 0,
                ManifestContentType::Deletes => !change.removed_deletes().is_empty(),
            };
            if !is_concerned {
                kept.push(manifest);
                continue;
            }
            let path = manifest.manifest_path.clone();
            if !self.known.contains_key(&path) {
                let rewritten = self.rewrite(base, &manifest, change).await?;
                self.known.insert(path.clone(), rewritten);
            }
            match self.known.get(&path) {
                Some(Some(rewritten)) => {
                    match manifest.content {
                        ManifestContentType::Data => self.removed.extend(rewritten.removed.iter().cloned()),
                        ManifestContentType::Deletes => self.removed_deletes.extend(rewritten.removed.iter().cloned()),
                    }
                    self.superseded.retain(|written| *written != rewritten.manifest.manifest_path);
                    kept.push(rewritten.manifest.clone());
                }
                _ => kept.push(manifest),
            }
        }
        let found = (self.removed.len(), self.removed_deletes.len());
        if found == (change.removed_count(), change.removed_deletes().len()) { Ok(kept) } else { Err(gone()) }
    }

    async fn rewrite(
        &mut self,
        base: &Table,
        file: &ManifestFile,
        change: &ChangeBuilder,
    ) -> Result<Option<Rewritten>> {
        let manifest: Manifest = base.manifest(file).await?;
        let goes = |entry: &ManifestEntryRef| match file.content {
            ManifestContentType::Data => change.removes(entry.file_path()),
            ManifestContentType::Deletes => change.removed_deletes().contains(&DeleteId::of(entry.data_file())),
        };
        let alive = || manifest.entries().iter().filter(|entry| entry.is_alive());
        if !alive().any(goes) {
            return Ok(None);
        }
        let spec = base.metadata.partition_spec_by_id(file.partition_spec_id).ok_or_else(|| {
            let message = format!("the manifest names the unknown partition spec {}", file.partition_spec_id);
            Error::new(ErrorKind::Read, message).subject(&file.manifest_path)
        })?;
        let location = change.manifest_location(&base.metadata, self.written.len() + 1);
        self.written.push(location.clone());
        let failed = |source: iceberg::Error| write_failed("the manifest", &location, source);
        let mut writer = change.writer_of(file.content, base, spec, &location)?;
        let types = partition_type(&base.metadata, spec);
        let mut removed = Vec::new();
        for (entry, data) in
            lineage::moved(file, &manifest, types.as_ref())?.into_iter().filter(|(entry, _)| entry.is_alive())
        {
            let sequence = entry.sequence_number().unwrap_or(0);
            // Format 1 has no numbers: all are 0.
            let file_sequence = Some(entry.file_sequence_number.unwrap_or(0));
            if goes(entry) {
                removed.push(data.clone());
                writer.add_delete_file(data, sequence, file_sequence).map_err(failed)?;
            } else {
                let snapshot = entry.snapshot_id().unwrap_or(file.added_snapshot_id);
                writer.add_existing_file(data, snapshot, sequence, file_sequence).map_err(failed)?;
            }
        }
        let manifest = writer.write_manifest_file().await.map_err(failed)?;
        Ok(Some(Rewritten { manifest, removed }))
    }
}

/// The error for files that are to go and are not there.
pub(super) fn gone() -> Error {
    Error::new(ErrorKind::Drift, "files that are to be replaced are not in the table any more")
        .stage(Stage::Snapshot)
        .hint("another writer has rewritten them; nothing was changed, run the statement again")
}
