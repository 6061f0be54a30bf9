//! The batches that are done: ranges of their numbers, and the details of the last ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::took::Took;
use crate::pipeline::verify::{self, Fingerprint, Level, PortableFingerprint, Prints};

/// Details that a register keeps after older ones have moved to a file.
pub(super) const KEPT_DETAILS: usize = 100;

/// Which batches of the pin are done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// In order, neither touching nor overlapping.
    #[serde(rename = "done")]
    ranges: Vec<DoneRange>,
    /// The last ones, in the order in which they were committed. A key may come again; the last one counts.
    #[serde(rename = "recent")]
    pub details: Vec<Detail>,
    /// The file with the details before those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<String>,
}

/// Batches from `first` to `last`, and what they hold together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct DoneRange {
    first: u32,
    last: u32,
    files: u64,
    bytes: u64,
    print: Fingerprint,
}

/// The schema of a fingerprint whose parts were taken with several: it cannot be compared.
pub(crate) const MIXED_SCHEMAS: i32 = -1;

/// What is known of one batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Detail {
    pub key: String,
    /// The source's snapshot, and the hash of its files and deletes, that the batch was read from.
    pub pin: Option<i64>,
    pub source: String,
    pub files: u64,
    pub bytes: u64,
    /// The rows as the target holds them, and their number.
    pub print: Fingerprint,
    /// Of these rows so many were copied undecoded: the fingerprint holds digests of their bytes.
    #[serde(default, skip_serializing_if = "verify::is_zero")]
    pub copied_rows: u64,
    /// The same for other engines, where the level of verification was `portable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portable: Option<PortableFingerprint>,
    /// The target's schema that the fingerprint was taken with.
    pub schema: i32,
    pub attempt: Uuid,
    /// The snapshot that brought the rows.
    pub snapshot: i64,
    /// None where a version of icelift wrote it that did not count, or parts of the batch came by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
    /// How much was compared before the commit; the least where parts came by several. None where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Level>,
    /// When the rows were there and compared: it outlives the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unix_ms: Option<u64>,
    /// The batch was taken out again: that it was there before, a file with older details may still say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_back: bool,
}

impl Detail {
    /// The word that a batch is not there any more.
    fn of_rolled_back(key: &str) -> Self {
        Self {
            key: key.to_string(),
            pin: None,
            source: String::new(),
            files: 0,
            bytes: 0,
            print: Fingerprint::default(),
            copied_rows: 0,
            portable: None,
            schema: MIXED_SCHEMAS,
            attempt: Uuid::nil(),
            snapshot: 0,
            took: None,
            verify: None,
            unix_ms: None,
            rolled_back: true,
        }
    }

    pub fn prints(&self) -> Prints {
        Prints { content: self.print, copied_rows: self.copied_rows, portable: self.portable }
    }

    pub fn set_prints(&mut self, prints: Prints) {
        (self.print, self.copied_rows, self.portable) = (prints.content, prints.copied_rows, prints.portable);
    }

    /// Adds the rows of another one. What says where the rows came from stays.
    pub fn merge(&mut self, other: &Self) {
        let mut prints = self.prints();
        prints.merge(other.prints());
        self.set_prints(prints);
        self.files += other.files;
        self.bytes += other.bytes;
        self.took = self.took.zip(other.took).map(|(took, other)| took.and(other));
        self.verify = self.verify.zip(other.verify).map(|(level, other)| level.min(other));
        if self.schema != other.schema {
            self.schema = MIXED_SCHEMAS;
        }
    }
}

/// What the batches that are done hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub files: u64,
    pub bytes: u64,
    pub print: Fingerprint,
}

impl Done {
    pub fn contains(&self, number: u32) -> bool {
        self.ranges.iter().any(|range| (range.first..=range.last).contains(&number))
    }

    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|range| u64::from(range.last - range.first) + 1).sum()
    }

    pub fn totals(&self) -> Totals {
        self.ranges.iter().fold(Totals::default(), |mut totals, range| {
            totals.files += range.files;
            totals.bytes += range.bytes;
            totals.print.merge(range.print);
            totals
        })
    }

    /// Notes that a batch is done. One that is noted already stays as it is.
    pub fn add(&mut self, number: u32, detail: Detail) {
        if !self.contains(number) {
            self.count_in(number, &detail);
            self.details.push(detail);
        }
    }

    /// Counts a batch whose detail is known already, under its number in a new pin.
    pub fn count_in(&mut self, number: u32, detail: &Detail) {
        let print = detail.print;
        let new = DoneRange { first: number, last: number, files: detail.files, bytes: detail.bytes, print };
        let at = self.ranges.partition_point(|range| range.first < number);
        self.ranges.insert(at, new);
        self.join(at);
        if at > 0 {
            self.join(at - 1);
        }
    }

    /// Begins the numbers of a new pin: what is known stays known, nothing is counted yet.
    pub fn renumber(&mut self) {
        self.ranges.clear();
    }

    /// The same without the batches in `gone`, of which a word stays. Those in `counted` get numbers from 0 on, which are those of
    /// no plan.
    pub fn without<'a>(&self, gone: &BTreeSet<&str>, counted: impl Iterator<Item = &'a Detail>) -> Self {
        let is_left = |detail: &&Detail| !gone.contains(detail.key.as_str());
        let mut details: Vec<Detail> = self.details.iter().filter(is_left).cloned().collect();
        details.extend(gone.iter().map(|key| Detail::of_rolled_back(key)));
        let mut left = Self { ranges: Vec::new(), details, older: self.older.clone() };
        for (number, detail) in (0..).zip(counted) {
            left.count_in(number, detail);
        }
        left
    }

    /// Whether nothing is said of any batch.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.details.is_empty() && self.older.is_none()
    }

    /// Joins a range with the next one if they touch.
    fn join(&mut self, at: usize) {
        let [left, right] = match self.ranges.get(at..at + 2) {
            Some([left, right]) => [left.clone(), right.clone()],
            _ => return,
        };
        if left.last.checked_add(1) != Some(right.first) {
            return;
        }
        let mut print = left.print;
        print.merge(right.print);
        let (files, bytes) = (left.files + right.files, left.bytes + right.bytes);
        self.ranges[at] = DoneRange { first: left.first, last: right.last, files, bytes, print };
        self.ranges.remove(at + 1);
    }

    /// The details that stand in the property, by key; the last one of a key wins.
    pub fn by_key(&self) -> BTreeMap<&str, &Detail> {
        self.details.iter().map(|detail| (detail.key.as_str(), detail)).collect()
    }

    /// The oldest details, once there are so many that they are to move to a file.
    pub fn overflow(&self) -> Option<&[Detail]> {
        let moved = self.details.len().checked_sub(KEPT_DETAILS).filter(|moved| *moved >= KEPT_DETAILS)?;
        self.details.get(..moved)
    }
}
