//! The rows of one day, built column by column.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Int32Array, Int64Array, StringArray, new_null_array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;

use super::calendar::epoch_day;
use super::columns::{Column, Content};
use super::fleet::{Drive, Fleet};
use super::models::{MODELS, Spellings};
use super::random::mix;
use super::smart::{EARLY, State, course};

/// Before, reports had few attributes.
const FULL_REPORTS: i32 = epoch_day(2014, 2, 1);
const DUPLICATES: (i32, i32) = (epoch_day(2022, 1, 1), epoch_day(2023, 1, 1));

/// What decides on a property of a row, apart from the drive and the day.
#[repr(u64)]
enum Topic {
    Duplicate = 1,
    Silence,
    Capacity,
    Slot,
    OddName,
    OddNameDay,
    Datacenter,
}

/// Texts that cells are cut from: "0000" to "9999".
pub(super) struct Labels(Vec<String>);

impl Labels {
    pub(super) fn new() -> Self {
        Self((0..10_000).map(|number| format!("{number:04}")).collect())
    }
}

struct Row<'a> {
    index: usize,
    drive: &'a Drive,
    family: u8,
    state: State,
    /// The drive did not answer: no attribute has a value.
    silent: bool,
    failure: bool,
}

pub(super) struct Rows<'a> {
    day: i32,
    rows: Vec<Row<'a>>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(fleet: &'a Fleet, day: i32) -> Self {
        let here = |(_, drive): &(usize, &Drive)| drive.first <= day && day <= drive.last;
        let present = || fleet.drives.iter().enumerate().filter(here);
        let mut rows: Vec<_> = present().map(|(index, drive)| row(index, drive, day)).collect();
        if (DUPLICATES.0..DUPLICATES.1).contains(&day) {
            let twice = present().filter(|(_, drive)| draw(drive, day, Topic::Duplicate) % 1_000 < 3);
            rows.extend(twice.map(|(index, drive)| row(index, drive, day)));
        }
        Self { day, rows }
    }

    pub(super) fn arrays(
        &self,
        columns: &[Column],
        fleet: &Fleet,
        spellings: &Spellings,
        labels: &Labels,
    ) -> Vec<ArrayRef> {
        let mut arrays = Vec::with_capacity(columns.len());
        for column in columns {
            match column.content {
                // Each pair is made at once.
                Content::Normalized(attribute) => arrays.extend(self.attribute(attribute)),
                Content::Raw(_) => {}
                content => arrays.push(self.plain(content, fleet, spellings, labels)),
            }
        }
        arrays
    }

    fn plain(&self, content: Content, fleet: &Fleet, spellings: &Spellings, labels: &Labels) -> ArrayRef {
        let day = self.day;
        let rows = self.rows.iter();
        let text = |number: u32| labels.0[number as usize % labels.0.len()].as_str();
        match content {
            Content::Date => Arc::new(Date32Array::from(vec![day; self.rows.len()])),
            Content::Serial => Arc::new(StringArray::from_iter_values(rows.map(|row| fleet.serial(row.index)))),
            Content::Model => {
                let name = |row: &Row| spellings.get(usize::from(row.drive.model), has_odd_name(row.drive, day));
                Arc::new(StringArray::from_iter_values(rows.map(name)))
            }
            Content::Capacity => Arc::new(Int64Array::from_iter_values(rows.map(|row| capacity(row.drive, day)))),
            Content::Failure => Arc::new(Int32Array::from_iter_values(rows.map(|row| i32::from(row.failure)))),
            Content::Datacenter => Arc::new(StringArray::from_iter_values(rows.map(|row| datacenter(row.drive)))),
            Content::Cluster => Arc::new(StringArray::from_iter_values(rows.map(|row| text(vault(row.drive) / 12)))),
            Content::Vault => Arc::new(StringArray::from_iter_values(rows.map(|row| text(1_000 + vault(row.drive))))),
            Content::Pod => {
                Arc::new(StringArray::from_iter_values(rows.map(|row| text(row.drive.place / SLOTS % PODS))))
            }
            Content::Slot => Arc::new(rows.map(|row| slot(row, day)).collect::<Int64Array>()),
            Content::Legacy => Arc::new(BooleanArray::new(BooleanBuffer::new_unset(self.rows.len()), None)),
            Content::Normalized(_) | Content::Raw(_) => new_null_array(&DataType::Int64, self.rows.len()),
        }
    }

    /// The two columns of an attribute.
    fn attribute(&self, attribute: u8) -> [ArrayRef; 2] {
        let empty = || new_null_array(&DataType::Int64, self.rows.len());
        let early = self.day < FULL_REPORTS;
        let Some((families, course)) = course(attribute).filter(|_| !early || EARLY.contains(&attribute)) else {
            return [empty(), empty()];
        };
        let valid = |row: &Row| row.family & families != 0 && !row.silent;
        let bits = BooleanBuffer::collect_bool(self.rows.len(), |index| valid(&self.rows[index]));
        let nulls = NullBuffer::new(bits);
        if nulls.null_count() == self.rows.len() {
            return [empty(), empty()];
        }
        let day = self.day as u64;
        let value = |row: &Row| {
            if !valid(row) {
                return (0, 0);
            }
            let base = mix(row.drive.key, 1_000 + u64::from(attribute));
            let (normalized, raw) = course.values(&row.state, base, || mix(base, day));
            (normalized.clamp(1, 253), raw)
        };
        let (normalized, raw): (Vec<i64>, Vec<i64>) = self.rows.iter().map(value).unzip();
        let column = |values: Vec<i64>| Arc::new(Int64Array::new(values.into(), Some(nulls.clone()))) as ArrayRef;
        [if early { empty() } else { column(normalized) }, column(raw)]
    }
}

fn row(index: usize, drive: &Drive, day: i32) -> Row<'_> {
    let left = drive.failed.map(|failed| failed - day);
    Row {
        index,
        drive,
        family: MODELS[usize::from(drive.model)].family as u8,
        state: State { age: i64::from(day - drive.installed), left },
        silent: draw(drive, day, Topic::Silence) % 10_000 < 13,
        failure: left == Some(0) || (drive.fails_again && day == drive.last),
    }
}

/// A random number of a drive and a day.
fn draw(drive: &Drive, day: i32, topic: Topic) -> u64 {
    mix(drive.key ^ (topic as u64) << 40, day as u64)
}

/// A random number of a drive.
fn trait_of(drive: &Drive, topic: Topic) -> u64 {
    draw(drive, 0, topic)
}

/// Three drives of a hundred go by the other name of their model up to some day of their life.
fn has_odd_name(drive: &Drive, day: i32) -> bool {
    let life = (drive.last - drive.first + 1) as u64;
    trait_of(drive, Topic::OddName) % 100 < 3
        && ((day - drive.first) as u64) < trait_of(drive, Topic::OddNameDay) % life
}

fn capacity(drive: &Drive, day: i32) -> i64 {
    if draw(drive, day, Topic::Capacity) % 100_000 < 24 { -1 } else { MODELS[usize::from(drive.model)].capacity }
}

const SLOTS: u32 = 60;
const PODS: u32 = 20;

fn vault(drive: &Drive) -> u32 {
    drive.place / (SLOTS * PODS)
}

/// Vaults are spread over the sites as in 2026.
fn datacenter(drive: &Drive) -> &'static str {
    match mix(vault(drive).into(), Topic::Datacenter as u64) % 1_000 {
        0..317 => "phx1",
        317..540 => "sac0",
        540..753 => "sac2",
        753..905 => "iad1",
        905..990 => "ams5",
        _ => "yyz1",
    }
}

/// Boot drives have none, and of most failed drives it is not known any more.
fn slot(row: &Row<'_>, day: i32) -> Option<i64> {
    let unknown = row.failure && draw(row.drive, day, Topic::Slot) % 100 < 69;
    let slotted = !unknown && !MODELS[usize::from(row.drive.model)].is_boot_drive();
    slotted.then(|| i64::from(row.drive.place % SLOTS))
}
