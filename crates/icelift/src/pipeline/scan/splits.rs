//! Splits files at their row groups and deals the pieces to the partitions of the plan by bytes.

use std::ops::Range;
use std::sync::Arc;

use super::files::{PlannedFile, PlannedFiles};
use super::reader::OpenFile;

/// A piece of a file: the row groups that start in a range of bytes.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    pub file: Arc<OpenFile>,
    /// Open at the end of the file: a size that is wrong in the manifest must not hide a row group.
    pub start_bytes: Range<u64>,
    pub size_bytes: u64,
}

/// Deals all files to at most `partitions` streams of about the same number of bytes.
///
/// Neighbouring row groups stay together: a source in date order then gives each stream few target partitions.
pub(super) fn pack(files: &PlannedFiles, partitions: usize) -> Vec<Vec<Split>> {
    let pieces: Vec<Split> = files.files.iter().flat_map(split).collect();
    let total: u64 = pieces.iter().map(|piece| piece.size_bytes).sum();
    let partitions = partitions.clamp(1, pieces.len().max(1)) as u64;
    let mut packed: Vec<Vec<Split>> = (0..partitions).map(|_| Vec::new()).collect();
    let mut before = 0;
    for piece in pieces {
        let size = piece.size_bytes;
        // The stream in whose share of the bytes the middle of the piece falls.
        let middle = u128::from(before + size / 2) * u128::from(partitions);
        let stream = middle.checked_div(u128::from(total)).unwrap_or(0).min(u128::from(partitions) - 1);
        before += size;
        packed[stream as usize].push(piece);
    }
    packed.retain(|pieces| !pieces.is_empty());
    if packed.is_empty() {
        packed.push(Vec::new());
    }
    packed
}

/// One piece per row group, as far as the manifest tells where they start.
pub(super) fn split(planned: &Arc<PlannedFile>) -> Vec<Split> {
    let file = Arc::new(OpenFile::new(Arc::clone(planned)));
    let size = planned.file.file_size_in_bytes();
    let offsets = planned.file.split_offsets().unwrap_or_default();
    let mut starts: Vec<u64> = offsets.iter().skip(1).filter_map(|offset| u64::try_from(*offset).ok()).collect();
    if !starts.is_sorted_by(|a, b| a < b) || starts.iter().any(|start| *start >= size) {
        starts.clear();
    }
    starts.insert(0, 0);
    let ends = starts.iter().skip(1).copied().chain([u64::MAX]);
    let ranges = starts.iter().copied().zip(ends);
    let piece = |(start, end): (u64, u64)| Split {
        file: Arc::clone(&file),
        start_bytes: start..end,
        size_bytes: end.min(size).saturating_sub(start),
    };
    ranges.map(piece).collect()
}
