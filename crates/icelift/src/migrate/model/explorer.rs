//! Visits all states of a system, breadth first and in a fixed order: the counter-example that is found is one of the
//! shortest, and the same each time.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// What is explored.
pub(super) trait System {
    type State: Clone + Eq + Hash;
    type Step: Debug;
    type Broken: Debug + Copy;

    fn start(&self) -> Self::State;

    /// All that may happen in a state.
    fn steps(&mut self, state: &Self::State, steps: &mut Vec<(Self::Step, Self::State)>);

    /// Whether the state must never be, and why.
    fn broken(&mut self, state: &Self::State) -> Option<Self::Broken>;

    /// The steps behind a state that show what is broken there, if it takes any.
    fn aftermath(&self, state: &Self::State) -> Vec<Self::Step>;
}

/// How something comes about that must never be.
#[derive(Debug)]
pub(super) struct CounterExample<B> {
    pub broken: B,
    pub states: usize,
    pub trace: String,
}

impl<B: Debug> fmt::Display for CounterExample<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, found in state {}:{}", self.broken, self.states, self.trace)
    }
}

/// What was explored without a counter-example.
#[derive(Debug)]
pub(super) struct Explored {
    pub states: usize,
    /// Whether some way through the states goes on for ever: in a circle, as there are finitely many states.
    pub is_endless: bool,
}

/// Visits every state that can be reached.
pub(super) fn explore<S: System>(system: &mut S) -> Result<Explored, CounterExample<S::Broken>> {
    let mut found = Found { states: vec![system.start()], numbers: Map::default() };
    found.numbers.insert(found.hash(&system.start()), 0);
    // For each state: where it was found first and by which of the steps there, and where its steps lead.
    let mut origins: Vec<(u32, u16)> = vec![(0, 0)];
    let (mut ways, mut ends) = (Vec::new(), Vec::new());
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(state) = found.states.get(at).cloned() {
        if let Some(broken) = system.broken(&state) {
            return Err(CounterExample { broken, states: at + 1, trace: trace(system, &found.states, &origins, at) });
        }
        system.steps(&state, &mut steps);
        for (choice, (_, after)) in steps.drain(..).enumerate() {
            let number = found.number(after);
            if origins.len() < found.states.len() {
                origins.push((at as u32, choice as u16));
            }
            ways.push(number);
        }
        ends.push(ways.len());
        at += 1;
    }
    Ok(Explored { states: at, is_endless: has_circle(&ways, &ends) })
}

/// The states in the order in which they were found, and their numbers by hash.
struct Found<S> {
    states: Vec<S>,
    numbers: Map<u64, u32>,
}

impl<S: Eq + Hash> Found<S> {
    fn hash(&self, state: &S) -> u64 {
        self.numbers.hasher().hash_one(state)
    }

    /// The number of a state, which may be new. Where two states share a hash, the second takes the next one.
    fn number(&mut self, state: S) -> u32 {
        let mut hash = self.hash(&state);
        loop {
            match self.numbers.get(&hash) {
                Some(number) if self.states[*number as usize] == state => return *number,
                Some(_) => hash = hash.wrapping_add(1),
                None => {
                    let number = self.states.len() as u32;
                    self.numbers.insert(hash, number);
                    self.states.push(state);
                    return number;
                }
            }
        }
    }
}

/// Takes away states that nothing leads to, again and again. What cannot be taken away lies on circles or behind them.
fn has_circle(ways: &[u32], ends: &[usize]) -> bool {
    let mut leading_here = vec![0_u32; ends.len()];
    ways.iter().for_each(|next| leading_here[*next as usize] += 1);
    let mut free: Vec<usize> = (0..ends.len()).filter(|state| leading_here[*state] == 0).collect();
    let mut taken = 0;
    while let Some(state) = free.pop() {
        taken += 1;
        let begin = if state == 0 { 0 } else { ends[state - 1] };
        for next in ways[begin..ends[state]].iter().map(|next| *next as usize) {
            leading_here[next] -= 1;
            if leading_here[next] == 0 {
                free.push(next);
            }
        }
    }
    taken < ends.len()
}

/// The steps that lead to a state, one a line.
fn trace<S: System>(system: &mut S, states: &[S::State], origins: &[(u32, u16)], mut at: usize) -> String {
    let line = |step: &S::Step| format!("\n  {step:?}");
    let mut lines: Vec<_> = system.aftermath(&states[at]).iter().rev().map(line).collect();
    while at != 0 {
        let (from, choice) = origins[at];
        let mut steps = Vec::new();
        at = from as usize;
        system.steps(&states[at], &mut steps);
        lines.push(line(&steps[usize::from(choice)].0));
    }
    lines.into_iter().rev().collect()
}

/// A map with a quick hash, for keys of our own making.
pub(super) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 29;
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{System, explore};

    /// Counts up by one or two to 5, and then maybe goes back.
    struct Counter {
        back_to: Option<u8>,
        bad: Option<u8>,
    }

    impl System for Counter {
        type State = u8;
        type Step = &'static str;
        type Broken = u8;

        fn start(&self) -> u8 {
            0
        }

        fn steps(&mut self, state: &u8, steps: &mut Vec<(&'static str, u8)>) {
            match *state {
                5 => steps.extend(self.back_to.map(|to| ("back", to))),
                4 => steps.push(("one", 5)),
                other => steps.extend([("one", other + 1), ("two", other + 2)]),
            }
        }

        fn broken(&mut self, state: &u8) -> Option<u8> {
            self.bad.filter(|bad| bad == state)
        }

        fn aftermath(&self, _: &u8) -> Vec<&'static str> {
            vec!["after"]
        }
    }

    #[test]
    fn all_states_are_visited_and_circles_seen() {
        let explored = explore(&mut Counter { back_to: None, bad: None }).expect("nothing is bad");
        assert_eq!((explored.states, explored.is_endless), (6, false));
        let explored = explore(&mut Counter { back_to: Some(2), bad: None }).expect("nothing is bad");
        assert_eq!((explored.states, explored.is_endless), (6, true));
    }

    #[test]
    fn the_shortest_way_is_shown() {
        let found = explore(&mut Counter { back_to: None, bad: Some(3) }).expect_err("3 is bad");
        assert_eq!((found.broken, found.states), (3, 4));
        assert_eq!(found.trace, "\n  \"one\"\n  \"two\"\n  \"after\"");
    }
}
