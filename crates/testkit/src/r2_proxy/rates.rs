//! How many writes the catalog takes in one window.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::log::locked;
use super::settings::Limits;

/// Which of the published limits an operation counts against, besides the one for all writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    /// None at all: a read.
    Read,
    /// None of its own.
    Write,
    Create,
    Change,
    /// One for each table or view.
    Update,
}

pub(super) struct Rates {
    limits: Limits,
    windows: Mutex<HashMap<String, Window>>,
}

/// The moments of the requests that a limit still remembers.
type Window = VecDeque<Instant>;

impl Rates {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, windows: Mutex::default() }
    }

    /// Counts a request if all limits let it pass; else says which one does not. What is refused does not count.
    pub(super) fn admit(&self, rate: Rate, table: &str, now: Instant) -> Result<(), String> {
        let Limits { writes, creates, changes, updates_per_table, window, .. } = self.limits;
        let of_its_own = match rate {
            Rate::Read => return Ok(()),
            Rate::Write => None,
            Rate::Create => Some(("creates".to_owned(), creates)),
            Rate::Change => Some(("changes".to_owned(), changes)),
            Rate::Update => Some((format!("updates of {table}"), updates_per_table)),
        };
        let limits: Vec<_> = [("writes".to_owned(), writes)].into_iter().chain(of_its_own).collect();
        let mut windows = locked(&self.windows);
        windows.retain(|_, moments| forget(moments, now, window));
        for (name, limit) in &limits {
            let found = windows.get(name).map_or(0, Window::len);
            if found >= *limit {
                return Err(format!("{found} {name} in {} s, at most {limit}", window.as_secs_f64()));
            }
        }
        for (name, _) in limits {
            windows.entry(name).or_default().push_back(now);
        }
        Ok(())
    }
}

/// Drops what is older than the window, and says whether anything is left.
fn forget(moments: &mut Window, now: Instant, window: Duration) -> bool {
    while moments.front().is_some_and(|first| now.duration_since(*first) >= window) {
        moments.pop_front();
    }
    !moments.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        Rates::new(Limits { writes: 5, creates: 2, updates_per_table: 2, ..Limits::default() })
    }

    #[test]
    fn each_table_has_its_own_window_and_all_share_one() {
        let (rates, now) = (rates(), Instant::now());
        for table in ["a", "a", "b", "b"] {
            rates.admit(Rate::Update, table, now).unwrap();
        }
        let refused = rates.admit(Rate::Update, "a", now).unwrap_err();
        assert_eq!(refused, "2 updates of a in 60 s, at most 2");
        rates.admit(Rate::Create, "", now).unwrap();
        let refused = rates.admit(Rate::Update, "c", now).unwrap_err();
        assert_eq!(refused, "5 writes in 60 s, at most 5");
        rates.admit(Rate::Read, "", now).unwrap();
    }

    #[test]
    fn the_window_slides() {
        let (rates, start) = (rates(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        rates.admit(Rate::Create, "", at(0)).unwrap();
        rates.admit(Rate::Create, "", at(30)).unwrap();
        rates.admit(Rate::Create, "", at(59)).unwrap_err();
        rates.admit(Rate::Create, "", at(60)).unwrap();
        rates.admit(Rate::Create, "", at(89)).unwrap_err();
        rates.admit(Rate::Create, "", at(90)).unwrap();
    }
}
