//! What a plan knows of the deletes of a data file, for who rewrites files.

use std::sync::Arc;

use iceberg::spec::{DataContentType, DataFile, DataFileFormat, Datum, PrimitiveLiteral};

use super::deletes::{DeleteFile, FILE_PATH_ID};
use super::files::PlannedFile;
use crate::pipeline::snapshot::{DeleteId, LiveFile};

impl PlannedFile {
    /// How many deletes bear on the file.
    pub fn delete_count(&self) -> usize {
        self.deletes.len()
    }

    /// Rows that are deleted by deletes of this file alone. Other deletes do not say how many rows of which file they hit.
    pub fn deleted_rows_known(&self) -> u64 {
        let of_file = self.deletes.iter().map(|delete| delete.file()).filter(|delete| is_of_one_file(delete));
        of_file.map(DataFile::record_count).sum()
    }

    /// The deletion vectors of the file, which nothing can refer to once it is gone.
    pub fn vectors(&self) -> impl Iterator<Item = DeleteId> {
        let vectors = self.deletes.iter().map(|delete| delete.file());
        vectors.filter(|delete| delete.file_format() == DataFileFormat::Puffin).map(DeleteId::of)
    }

    /// The deletes that bear on the file.
    pub fn delete_ids(&self) -> impl Iterator<Item = DeleteId> {
        self.deletes.iter().map(|delete| DeleteId::of(delete.file()))
    }

    /// Whether a delete that is not known to the plan may bear on the file.
    pub fn may_be_deleted_by(&self, delete: &LiveFile) -> bool {
        let known = DeleteFile::new(delete.file.clone(), Arc::clone(&delete.spec), delete.sequence);
        known.applies_to(&self.file, self.spec.spec_id(), self.sequence)
    }
}

/// Whether all rows that it deletes are of one file: it says so, or all paths in it are the same.
fn is_of_one_file(delete: &DataFile) -> bool {
    let path = |bound: Option<&Datum>| match bound.map(Datum::literal) {
        Some(PrimitiveLiteral::String(path)) => Some(path.clone()),
        _ => None,
    };
    if delete.content_type() != DataContentType::PositionDeletes {
        return false;
    }
    let bounds = [delete.lower_bounds(), delete.upper_bounds()].map(|bounds| path(bounds.get(&FILE_PATH_ID)));
    delete.referenced_data_file().is_some() || (bounds[0].is_some() && bounds[0] == bounds[1])
}
