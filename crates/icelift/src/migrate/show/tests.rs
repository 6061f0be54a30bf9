//! What is known of batches while a migration is under way.

use uuid::Uuid;

use super::{BatchRow, batch_rows, batches};
use crate::migrate::register::{Detail, MIXED_SCHEMAS, Pin, Register, Words};
use crate::pipeline::verify::Fingerprint;

fn detail(key: &str, pin: i64) -> Detail {
    Detail {
        key: key.to_string(),
        pin: Some(pin),
        source: String::new(),
        files: 1,
        bytes: 10,
        print: Fingerprint { rows: 5, sum: 7 },
        schema: 0,
        attempt: Uuid::from_u128(1),
        snapshot: 100,
    }
}

/// A register of the pin 2 in which so many of four batches are done.
fn register(done: u32) -> Register {
    let pin = Pin { round: 2, snapshot: Some(2), schema: 0 };
    let mut register = Register::new("src.n.t".to_string(), Uuid::nil(), Words::default(), pin, Uuid::nil());
    register.batches = 4;
    (0..done).for_each(|number| register.done.count_in(number, &detail("x", 2)));
    register
}

fn shown(register: &Register, details: &[Detail]) -> Vec<String> {
    let rows = batches("00000000000000ff".parse().unwrap(), register, details.to_vec());
    rows.iter().map(|BatchRow { batch, state, .. }| format!("{batch} {state}")).collect()
}

#[test]
fn batches_of_an_earlier_round_may_have_changed() {
    let (a, b, c, d) = (detail("a", 1), detail("b", 1), detail("c", 2), detail("d", 2));
    // Which one of `a` and `b` is as it was, the source would tell.
    let details = [a.clone(), b.clone(), c.clone()];
    assert_eq!(shown(&register(2), &details), ["a earlier", "b earlier", "c done", "(pending) 2 batches"]);
    assert_eq!(shown(&register(3), &details), ["a done", "b done", "c done", "(pending) 1 batch"]);
    assert_eq!(shown(&register(4), &[a, b, c, d]), ["a done", "b done", "c done", "d done"]);
    assert_eq!(shown(&register(0), &[]), ["(pending) 4 batches"]);
}

#[test]
fn what_is_not_known_is_null() {
    let mixed = Detail { schema: MIXED_SCHEMAS, attempt: Uuid::nil(), pin: None, ..detail("b", 1) };
    let rows = batches("00000000000000ff".parse().unwrap(), &register(2), vec![detail("a", 2), mixed]);
    let rows = batch_rows(&rows).unwrap();
    let nulls = |name: &str| rows.column_by_name(name).unwrap().null_count();
    let names = rows.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let found: Vec<_> = names.iter().map(|name| (name.as_str(), nulls(name))).collect();
    let expected = [("batch", 0), ("state", 0), ("rows", 1), ("files", 1), ("bytes", 1), ("fingerprint", 2)];
    assert_eq!(found[..6], expected);
    assert_eq!(found[6..], [("source_snapshot", 2), ("snapshot", 1), ("attempt", 2), ("job", 0)]);
}
