//! The published write limits of R2 Data Catalog, kept on this side so that calls wait here and not in a 429.
//!
//! Each limit is a window that slides: a call gets the first moment at which no window of a minute holds more than the limit.
//! Moments are given in the order of asking. Other writers share the budget, so a 429 may come all the same; its
//! `Retry-After` is obeyed by the client.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use iceberg::TableIdent;

use crate::catalog::rest::call::{Call, Operation};

/// A minute, and a second for requests that travel at different speeds.
const WINDOW: Duration = Duration::from_secs(61);
const WRITES: usize = 120;
const CREATIONS: usize = 10;
const NAMES: usize = 20;
const UPDATES_OF_A_TABLE: usize = 20;
/// Tables whose updates are counted before those that rest are forgotten.
const TABLES: usize = 1000;

/// How long so many commits to one table take at least, whatever else they do.
pub(in crate::catalog) fn least_wait(commits: u64) -> Duration {
    let full = commits.saturating_sub(1) / UPDATES_OF_A_TABLE as u64;
    Duration::from_secs(WINDOW.as_secs().saturating_mul(full))
}

/// The moments of the calls of one kind within the last minute, and those that are reserved.
#[derive(Debug)]
struct Window {
    limit: usize,
    taken: VecDeque<Instant>,
}

impl Window {
    fn new(limit: usize) -> Self {
        Self { limit, taken: VecDeque::new() }
    }

    /// The first moment from `now` on that is free.
    fn free(&mut self, now: Instant) -> Instant {
        while self.taken.front().is_some_and(|first| *first + WINDOW <= now) {
            self.taken.pop_front();
        }
        let blocking = self.taken.len().checked_sub(self.limit).and_then(|index| self.taken.get(index));
        blocking.map_or(now, |blocking| now.max(*blocking + WINDOW))
    }

    /// Moments of one window are in order, as every moment given is later than the one before.
    fn take(&mut self, moment: Instant) {
        let index = self.taken.partition_point(|taken| *taken <= moment);
        self.taken.insert(index, moment);
    }
}

/// The limits of one catalog.
#[derive(Debug)]
pub(super) struct Limits {
    writes: Window,
    creations: Window,
    names: Window,
    updates: HashMap<TableIdent, Window>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            writes: Window::new(WRITES),
            creations: Window::new(CREATIONS),
            names: Window::new(NAMES),
            updates: HashMap::new(),
        }
    }
}

impl Limits {
    /// Reserves the next free moment for the call and says how long it is until then.
    pub fn reserve(&mut self, call: &Call, now: Instant) -> Duration {
        if call.operation.is_read() {
            return Duration::ZERO;
        }
        self.forget(now);
        let own = match call.operation {
            Operation::StageTable | Operation::CreateTable | Operation::RegisterTable => Some(&mut self.creations),
            Operation::CreateNamespace | Operation::DropNamespace | Operation::DropTable | Operation::RenameTable => {
                Some(&mut self.names)
            }
            _ => call
                .table
                .as_ref()
                .map(|table| self.updates.entry(table.clone()).or_insert_with(|| Window::new(UPDATES_OF_A_TABLE))),
        };
        let mut moment = self.writes.free(now);
        if let Some(own) = own {
            // Two rounds: the moment at which one is free may be too early for the other.
            moment = own.free(now).max(moment);
            own.take(moment);
        }
        self.writes.take(moment);
        moment - now
    }

    fn forget(&mut self, now: Instant) {
        if self.updates.len() >= TABLES {
            self.updates.retain(|_, window| window.taken.back().is_some_and(|last| *last + WINDOW > now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: Operation, table: &str) -> Call {
        Call::new(operation, String::new()).table(&TableIdent::from_strs(["n", table]).unwrap())
    }

    /// The seconds after the start at which calls go out that are all asked for at the start.
    fn waits(limits: &mut Limits, operation: Operation, count: usize) -> Vec<u64> {
        let start = Instant::now();
        (0..count).map(|_| limits.reserve(&call(operation, "t"), start).as_secs()).collect()
    }

    #[test]
    fn reads_never_wait() {
        assert!(waits(&mut Limits::default(), Operation::LoadTable, 500).iter().all(|wait| *wait == 0));
    }

    #[test]
    fn each_kind_of_write_has_its_limit() {
        for (operation, limit) in [
            (Operation::StageTable, 10),
            (Operation::CreateTable, 10),
            (Operation::CreateNamespace, 20),
            (Operation::DropTable, 20),
            (Operation::UpdateTable, 20),
        ] {
            let waits = waits(&mut Limits::default(), operation, 2 * limit + 1);
            let expected = |index: usize| 61 * (index / limit) as u64;
            assert!(waits.iter().enumerate().all(|(index, wait)| *wait == expected(index)), "{operation:?} {waits:?}");
        }
    }

    #[test]
    fn the_least_wait_is_that_of_the_last_commit() {
        for count in [1, 20, 21, 40, 41, 200] {
            let last = waits(&mut Limits::default(), Operation::UpdateTable, count).pop().unwrap();
            assert_eq!(least_wait(count as u64).as_secs(), last, "{count}");
        }
        assert_eq!(least_wait(0), Duration::ZERO);
    }

    #[test]
    fn all_writes_together_have_one_too() {
        let mut limits = Limits::default();
        let start = Instant::now();
        let waits: Vec<_> = (0..121)
            .map(|index| limits.reserve(&call(Operation::UpdateTable, &format!("t{}", index % 10)), start).as_secs())
            .collect();
        assert_eq!((waits[119], waits[120]), (0, 61));
    }

    #[test]
    fn the_window_slides() {
        let mut limits = Limits::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for second in 0..20 {
            assert_eq!(limits.reserve(&call(Operation::UpdateTable, "t"), after(second)), Duration::ZERO);
        }
        assert_eq!(limits.reserve(&call(Operation::UpdateTable, "t"), after(30)), Duration::from_secs(31));
        assert_eq!(limits.reserve(&call(Operation::UpdateTable, "t"), after(63)), Duration::ZERO);
        assert_eq!(limits.reserve(&call(Operation::UpdateTable, "t"), after(63)), Duration::ZERO);
        assert_eq!(limits.reserve(&call(Operation::UpdateTable, "t"), after(63)), Duration::from_secs(1));
    }

    #[test]
    fn no_minute_holds_more_than_the_limit_whatever_is_asked_when() {
        let mut limits = Limits::default();
        let start = Instant::now();
        let mut sent: Vec<(usize, Instant)> = Vec::new();
        for index in 0..400_u64 {
            let now = start + Duration::from_millis(index * 137);
            let table = (index % 3) as usize;
            let wait = limits.reserve(&call(Operation::UpdateTable, &format!("t{table}")), now);
            sent.push((table, now + wait));
        }
        for (table, moment) in &sent {
            let within = |other: &&(usize, Instant)| other.1 >= *moment && other.1 < *moment + Duration::from_secs(60);
            assert!(sent.iter().filter(within).count() <= WRITES);
            assert!(sent.iter().filter(within).filter(|other| other.0 == *table).count() <= UPDATES_OF_A_TABLE);
        }
    }

    #[test]
    fn tables_that_rest_are_forgotten() {
        let mut limits = Limits::default();
        let start = Instant::now();
        for index in 0..3000 {
            let now = start + Duration::from_secs(index);
            limits.reserve(&call(Operation::UpdateTable, &format!("t{index}")), now);
        }
        assert!(limits.updates.len() <= TABLES);
    }
}
