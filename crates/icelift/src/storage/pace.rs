//! How many long transfers from or to a store are under way at once, and whose turn is next.
//!
//! Too few leave a fast line idle. Too many share a slow one: all of them arrive late, and nothing can be passed on meanwhile.
//! What must hold: who began first is served first; as many are under way as move clearly more bytes in a second than fewer do,
//! which is found by trying, and tried again from time to time; a transfer that is given up lets the next one begin.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Transfers under way before anything is known of the line.
const START: usize = 2;
/// More are never tried.
const MOST: usize = 64;
/// Twice as many must move at least this share more.
const GAIN: f64 = 0.25;
/// Fewer must move at least this share of what more did.
const KEPT: f64 = 0.95;
/// What fewer transfers or shorter rounds show is chance.
const ROUND_TRANSFERS: usize = 4;
const ROUND_MIN: Duration = Duration::from_millis(100);
/// So many rounds pass before other numbers are tried again.
const REST_ROUNDS: usize = 16;

/// The order of those who read or write: lower ranks are served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

/// The transfers of one direction of a store.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    climb: Climb,
    under_way: usize,
    /// By rank and arrival.
    waiting: BTreeMap<(Rank, u64), oneshot::Sender<Turn>>,
    /// Numbers handed out so far, to those who rank and those who wait.
    numbers: u64,
}

/// A transfer under way. The next one begins when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    pace: Arc<Pace>,
    arrived_bytes: Option<u64>,
}

impl Pace {
    /// Always so many at once.
    pub fn steady(limit: usize) -> Self {
        Self(Mutex::new(State { climb: Climb { limit, is_steady: true, ..Climb::default() }, ..State::default() }))
    }

    /// The rank of one who begins now.
    pub fn rank(&self) -> Rank {
        Rank(self.state().number())
    }

    /// Waits for a turn.
    pub async fn turn(self: &Arc<Self>, rank: Rank) -> Turn {
        let granted = {
            let mut state = self.state();
            if state.waiting.is_empty() && state.under_way < state.climb.limit {
                state.under_way += 1;
                return self.granted();
            }
            let (sender, granted) = oneshot::channel();
            let place = (rank, state.number());
            state.waiting.insert(place, sender);
            granted
        };
        match granted.await {
            Ok(turn) => turn,
            // Nobody forgets who waits; if somebody did, to go on is better than to wait for ever.
            Err(_) => {
                self.state().under_way += 1;
                self.granted()
            }
        }
    }

    fn granted(self: &Arc<Self>) -> Turn {
        Turn { pace: Arc::clone(self), arrived_bytes: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Ends a turn. Returns those who have one now.
    fn end(&mut self, arrived_bytes: Option<u64>) -> Vec<oneshot::Sender<Turn>> {
        self.under_way -= 1;
        if let Some(bytes) = arrived_bytes {
            self.climb.arrived(bytes, Instant::now(), self.under_way, !self.waiting.is_empty());
        }
        let mut next = Vec::new();
        while self.under_way < self.climb.limit
            && let Some((_, waiting)) = self.waiting.pop_first()
        {
            if !waiting.is_closed() {
                self.under_way += 1;
                next.push(waiting);
            }
        }
        next
    }
}

impl Turn {
    /// It has ended well, with so many bytes.
    pub fn arrived(mut self, bytes: u64) {
        self.arrived_bytes = Some(bytes);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.pace.state().end(self.arrived_bytes.take());
        for waiting in next {
            // Whoever has gone meanwhile gives the turn back.
            drop(waiting.send(self.pace.granted()));
        }
    }
}

/// Looks for the number of transfers that is worth it.
#[derive(Debug)]
struct Climb {
    limit: usize,
    is_steady: bool,
    step: Step,
    best: Option<Measured>,
    round: Round,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    limit: usize,
    bytes_per_s: f64,
}

/// What is being tried.
#[derive(Debug, Clone, Copy)]
enum Step {
    More,
    Fewer,
    Nothing { rounds: usize },
}

/// Transfers with one limit.
#[derive(Debug, Default)]
struct Round {
    /// Those to come that began with another limit.
    passing: usize,
    begun: Option<Instant>,
    transfers: usize,
    bytes: u64,
}

impl Default for Climb {
    fn default() -> Self {
        Self { limit: START, is_steady: false, step: Step::More, best: None, round: Round::default() }
    }
}

impl Climb {
    /// Counts a transfer that has ended; `under_way` are others. What comes while nobody waits says nothing about the line.
    fn arrived(&mut self, bytes: u64, now: Instant, under_way: usize, somebody_waits: bool) {
        if !somebody_waits || self.is_steady {
            self.round = Round::default();
            return;
        }
        if self.round.passing > 0 {
            self.round.passing -= 1;
            return;
        }
        let Some(begun) = self.round.begun else {
            self.round.begun = Some(now);
            return;
        };
        self.round.transfers += 1;
        self.round.bytes += bytes;
        let elapsed = now.saturating_duration_since(begun);
        if self.round.transfers < (2 * self.limit).max(ROUND_TRANSFERS) || elapsed < ROUND_MIN {
            return;
        }
        let limit = self.limit;
        self.measured(Measured { limit, bytes_per_s: self.round.bytes as f64 / elapsed.as_secs_f64() });
        let passing = if self.limit == limit { 0 } else { under_way };
        self.round = Round { passing, ..Round::default() };
    }

    fn measured(&mut self, now: Measured) {
        let best = *self.best.get_or_insert(now);
        let wider = now.limit as f64 / best.limit as f64;
        match self.step {
            Step::More
                if now.limit == best.limit || now.bytes_per_s >= best.bytes_per_s * (1.0 + GAIN * (wider - 1.0)) =>
            {
                self.best = Some(now);
                self.try_more();
            }
            Step::More => {
                self.limit = best.limit;
                self.try_fewer();
            }
            Step::Fewer if now.bytes_per_s >= best.bytes_per_s * KEPT => {
                // What fewer lose adds up, so it is compared with the most that was seen.
                self.best = Some(Measured { bytes_per_s: best.bytes_per_s.max(now.bytes_per_s), ..now });
                self.try_fewer();
            }
            Step::Fewer => {
                self.limit = best.limit;
                self.step = Step::Nothing { rounds: 0 };
            }
            Step::Nothing { rounds } if rounds < REST_ROUNDS => self.step = Step::Nothing { rounds: rounds + 1 },
            Step::Nothing { .. } => {
                self.best = Some(now);
                self.try_more();
            }
        }
    }

    fn try_more(&mut self) {
        let more = (self.limit + self.limit.div_ceil(2)).min(MOST);
        self.step = if more > self.limit { Step::More } else { Step::Nothing { rounds: 0 } };
        self.limit = more;
    }

    fn try_fewer(&mut self) {
        let fewer = self.limit - self.limit.div_ceil(4);
        if fewer == 0 {
            self.step = Step::Nothing { rounds: 0 };
            return;
        }
        (self.limit, self.step) = (fewer, Step::Fewer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use futures::FutureExt;

    use super::{Climb, MOST, Pace, START};

    const BYTES: u64 = 16 << 20;

    /// The limit after some reads over a line that carries so many MiB in a second, and as many in a connection.
    fn after(climb: &mut Climb, reads: usize, line_mib_per_s: f64, connection_mib_per_s: f64) -> usize {
        let mut now = Instant::now();
        for _ in 0..reads {
            let mib_per_s = (climb.limit as f64 * connection_mib_per_s).min(line_mib_per_s);
            now += Duration::from_secs_f64(BYTES as f64 / f64::from(1 << 20) / mib_per_s);
            climb.arrived(BYTES, now, climb.limit - 1, true);
        }
        climb.limit
    }

    #[test]
    fn as_many_as_the_line_can_use() {
        // One connection nearly fills it.
        assert_eq!(after(&mut Climb::default(), 60, 48.0, 42.0), 2);
        // 15 connections fill it.
        let many = after(&mut Climb::default(), 400, 1200.0, 80.0);
        assert!((12..=18).contains(&many), "{many}");
        // None is enough.
        assert_eq!(after(&mut Climb::default(), 2000, f64::INFINITY, 80.0), MOST);
    }

    #[test]
    fn a_line_that_changes_is_noticed() {
        let mut climb = Climb::default();
        assert_eq!(after(&mut climb, 60, 48.0, 42.0), 2);
        let more = after(&mut climb, 400, 1200.0, 80.0);
        assert!(more >= 10, "{more}");
        let fewer = after(&mut climb, 2000, 48.0, 42.0);
        assert!(fewer <= 4, "{fewer}");
    }

    #[test]
    fn nothing_is_learned_from_readers_that_do_not_wait() {
        let mut climb = Climb::default();
        let mut now = Instant::now();
        for _ in 0..1000 {
            now += Duration::from_secs(1);
            climb.arrived(BYTES, now, 0, false);
        }
        assert_eq!(climb.limit, START);
    }

    #[test]
    fn a_steady_one_stays_as_it_is() {
        let mut climb = Climb { limit: 7, is_steady: true, ..Climb::default() };
        assert_eq!(after(&mut climb, 500, f64::INFINITY, 80.0), 7);
    }

    #[test]
    fn the_first_rank_is_first_and_who_has_gone_is_passed_over() {
        let pace = Arc::new(Pace::default());
        let [early, late] = [pace.rank(), pace.rank()];
        let mut under_way: Vec<_> = (0..START).filter_map(|_| pace.turn(late).now_or_never()).collect();
        assert_eq!(under_way.len(), START);
        let mut waits_late = Box::pin(pace.turn(late));
        assert!((&mut waits_late).now_or_never().is_none());
        let mut gone = Box::pin(pace.turn(early));
        assert!((&mut gone).now_or_never().is_none());
        let mut waits_early = Box::pin(pace.turn(early));
        assert!((&mut waits_early).now_or_never().is_none());
        drop(gone);
        under_way.pop();
        assert!((&mut waits_late).now_or_never().is_none());
        let first = (&mut waits_early).now_or_never().unwrap();
        first.arrived(BYTES);
        let second = (&mut waits_late).now_or_never().unwrap();
        drop((second, under_way));
        assert_eq!(pace.state().under_way, 0);
    }

    #[test]
    fn a_turn_that_nobody_takes_goes_on() {
        let pace = Arc::new(Pace::default());
        let rank = pace.rank();
        let under_way: Vec<_> = (0..START).filter_map(|_| pace.turn(rank).now_or_never()).collect();
        let mut granted = Box::pin(pace.turn(rank));
        assert!((&mut granted).now_or_never().is_none());
        drop(under_way);
        // It was granted, and is given up before it is looked at.
        assert_eq!(pace.state().under_way, 1);
        drop(granted);
        assert_eq!(pace.state().under_way, 0);
    }
}
