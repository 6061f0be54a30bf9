//! Registers of many batches stay small, whatever the order in which the batches come.

use uuid::Uuid;

use super::done::KEPT_DETAILS;
use super::*;
use crate::migrate::price::Traffic;
use crate::pipeline::verify::{Fingerprint, Level};

const BATCHES: u32 = 10_000;

fn register() -> Register {
    let words = Words { batch_by: Some("day".to_string()), ..Words::default() };
    let pin = Pin { round: 1, snapshot: Some(i64::MAX), schema: 0 };
    let mut register = Register::new("glue.default.t".to_string(), Uuid::from_u128(1), words, pin, Uuid::from_u128(2));
    register.batches = BATCHES;
    register
}

fn detail(number: u32) -> Detail {
    Detail {
        key: format!("day=2024-01-01-{number}"),
        pin: Some(i64::MAX),
        source: "0".repeat(32),
        files: 4,
        bytes: 1 << 28,
        print: Fingerprint { rows: 1_000_000, sum: u128::from(number) },
        portable: None,
        copied_rows: 0,
        schema: 0,
        attempt: Uuid::from_u128(3),
        snapshot: i64::MAX,
        took: Some(took()),
        verify: Some(Level::Content),
        unix_ms: Some(u64::from(u32::MAX) << 9),
        rolled_back: false,
    }
}

fn took() -> Took {
    let traffic = Traffic {
        read_bytes: 1 << 30,
        source_gets: 1_000,
        source_calls: 1,
        target_puts: 1_000,
        target_gets: 1_000,
        target_calls: 10,
        stored_bytes: 0,
    };
    Took { milliseconds: 600_000, files: 100, traffic }
}

/// Notes the batches in this order, as commits do. Returns the register, the most bytes that it had as a property, and the
/// number of files of details.
fn noted(order: impl Iterator<Item = u32>) -> (Register, usize, usize) {
    let (mut register, mut bytes_max, mut files) = (register(), 0, 0);
    let job = JobId::new(Uuid::from_u128(1), &register.statement);
    let name = format!("s3://bucket/warehouse/default/table/metadata/icelift-{job}-batches-{}.json", "0".repeat(32));
    for (count, number) in (1_u32..).zip(order) {
        let moved = register.done.overflow().map(<[Detail]>::len);
        register.done.add(number, detail(number));
        if let Some(moved) = moved {
            register.done.details.drain(..moved);
            register.done.older = Some(name.clone());
            files += 1;
        }
        assert!(register.done.details.len() <= 2 * KEPT_DETAILS);
        if count % 97 == 0 {
            bytes_max = bytes_max.max(register.properties(job).unwrap()[&property(job)].len());
        }
    }
    let bytes = &register.properties(job).unwrap()[&property(job)];
    assert_eq!(parse("icelift", bytes).unwrap(), register);
    (register, bytes_max, files)
}

/// All numbers below `BATCHES`, in an order that looks like none.
fn shuffled() -> impl Iterator<Item = u32> {
    // A prime above them: its multiples meet every number once.
    let (prime, step) = (10_007_u32, 4_337_u32);
    (0..prime).map(move |number| number * step % prime).filter(|number| *number < BATCHES)
}

#[test]
fn in_their_order() {
    let (register, bytes_max, files) = noted(0..BATCHES);
    assert!(register.is_finished() && register.pending().next().is_none());
    assert_eq!(register.done.totals().print.rows, u64::from(BATCHES) * 1_000_000);
    assert_eq!(files, 98);
    assert!(bytes_max < 80_000, "{bytes_max}");
}

#[test]
fn in_any_order() {
    let (register, bytes_max, _) = noted(shuffled());
    assert!(register.is_finished());
    assert_eq!(register.done.totals(), noted(0..BATCHES).0.done.totals());
    // Half of the batches are done, and hardly two of them touch.
    assert!(bytes_max < 700_000, "{bytes_max}");
}

#[test]
fn those_that_run_at_once() {
    // Blocks of eight, each backwards.
    let (register, bytes_max, _) = noted((0..BATCHES / 8).flat_map(|block| (0..8).rev().map(move |at| 8 * block + at)));
    assert!(register.is_finished());
    assert!(bytes_max < 80_000, "{bytes_max}");
}

/// Nothing is said of what was not counted: a register of before is read, and what is added to it stays unknown.
#[test]
fn what_a_batch_took_is_a_list_of_numbers_or_nothing() {
    let mut json = serde_json::to_value(detail(1)).unwrap();
    assert_eq!(json["took"], serde_json::json!([600_000, 100, 1_u64 << 30, 1_000, 1, 1_000, 1_000, 10]));
    assert_eq!(serde_json::from_value::<Detail>(json.clone()).unwrap(), detail(1));
    json.as_object_mut().unwrap().remove("took");
    let before: Detail = serde_json::from_value(json.clone()).unwrap();
    assert_eq!((before.took, serde_json::to_value(&before).unwrap()), (None, json));
    let mut both = detail(2);
    both.merge(&detail(1));
    assert_eq!(both.took, Some(took().and(took())));
    both.merge(&before);
    assert_eq!(both.took, None);
}

/// What is left is counted, under numbers that no plan has; a word of what went stays until it comes again.
#[test]
fn a_batch_is_taken_out() {
    let mut register = register();
    register.batches = 5;
    (0..5).for_each(|number| register.done.add(number, detail(number)));
    let details: Vec<Detail> = (0..5).map(detail).collect();
    assert!(register.is_finished());
    let gone = details[2].key.clone();
    let next =
        Register { done: register.without(&[gone.as_str()].into(), &details), recount: true, ..register.clone() };
    assert_eq!((next.done.count(), next.done.totals().print.rows), (4, 4_000_000));
    assert_eq!(next.done.totals().print.sum, 1 + 3 + 4);
    assert!(!next.is_finished() && !next.is_rolled_back() && next.counts_all(4));
    assert_eq!(next.done.details.iter().filter(|detail| detail.rolled_back).count(), 1);
    let json = serde_json::to_string(&next).unwrap();
    assert_eq!(parse("icelift", &json).unwrap(), next);
    // One after the other comes to the same as all at once.
    let all: std::collections::BTreeSet<&str> = details.iter().map(|detail| detail.key.as_str()).collect();
    let left: Vec<Detail> = details.iter().filter(|detail| detail.key != gone).cloned().collect();
    for done in [register.without(&all, &details), next.without(&all, &left)] {
        assert!(Register { done, ..next.clone() }.is_rolled_back());
    }
    // In a round that is not finished, batches of earlier pins may have changed: they are not counted.
    let mut earlier = details.clone();
    earlier[0].pin = Some(1);
    register.done.renumber();
    (0..3).for_each(|number| register.done.count_in(number, &detail(number)));
    assert_eq!(register.without(&[gone.as_str()].into(), &earlier).count(), 3);
}
