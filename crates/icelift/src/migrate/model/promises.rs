//! What must hold in every world.

use std::collections::BTreeSet;

use super::driver::{End, Next};
use super::explorer::{Map, System};
use super::files::{BATCHES, Store};
use super::server::{Post, Server};
use super::table::Table;
use super::world::{Fate, Step, World};
use super::{Protocol, Rule};

/// What must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Broken {
    /// The rows of a batch are in the table more than once.
    Doubled,
    /// The register counts a batch whose rows are not there, or does not count one whose rows are.
    Untrue,
    /// A file is deleted that a snapshot needs.
    Deleted,
    /// A request of a fenced epoch is applied, or takes back what the register says.
    Overtaken,
    /// A request is applied to a table that it was not built for.
    Misled,
    /// A driver ends with `finished`, and a batch is not there exactly once.
    NotFinished,
    /// There are more commits than the drivers need: they go on for ever.
    Endless,
    /// A driver that starts now, alone and without faults, does not come to the end.
    Stuck,
}

impl Broken {
    /// What is wrong with a commit at the moment when it is applied.
    pub fn by_a_commit(table: Option<&Table>, post: &Post) -> Option<Self> {
        let table = table?;
        let (old, new) = (table.register, post.register);
        match () {
            () if table.uuid != post.uuid => Some(Self::Misled),
            () if old.zip(new).is_some_and(|(old, new)| !new.follows(&old)) => Some(Self::Overtaken),
            () if table.is_full() => Some(Self::Endless),
            () => None,
        }
    }

    /// What is wrong with `finished`, for the table at this moment.
    pub fn at_the_finish(table: Option<&Table>, protocol: &Protocol) -> Option<Self> {
        let batches = protocol.bounds.batches;
        let all = table.is_some_and(|table| table.rows().iter().take(batches).all(|rows| *rows == 1));
        (!all).then_some(Self::NotFinished)
    }

    fn in_a_world(world: &World, protocol: &Protocol) -> Option<Self> {
        if world.broken.is_some() {
            return world.broken;
        }
        if world.server.elsewhere.has_any(world.store.deleted) {
            return Some(Self::Deleted);
        }
        let table = world.server.table.as_ref()?;
        let rows = table.rows();
        let is_true = |batch: usize| {
            let done = table.register.is_some_and(|register| register.done[batch].is_some());
            done == (rows[batch] > 0)
        };
        if table.referenced().has_any(world.store.deleted) {
            Some(Self::Deleted)
        } else if rows.iter().any(|rows| *rows > 1) {
            Some(Self::Doubled)
        } else if protocol.keeps(Rule::RegisterIsInTheCommit) && !world.meddled && !(0..BATCHES).all(is_true) {
            Some(Self::Untrue)
        } else {
            None
        }
    }
}

/// All worlds that the protocol and its surroundings may come to.
pub(super) struct Worlds<'a> {
    protocol: &'a Protocol,
    start: World,
    /// What a last driver breaks, for what it finds.
    last_drivers: Map<(Server, Store, bool), Option<Broken>>,
    /// What has happened at all.
    pub happened: BTreeSet<&'static str>,
}

impl<'a> Worlds<'a> {
    pub fn new(protocol: &'a Protocol) -> Self {
        let table = protocol.bounds.table_exists.then(|| {
            // Drivers make tables with smaller uuids.
            let mut table = Table::new(100, None, 0);
            table.append();
            table
        });
        let start = World::new(table, protocol);
        Self { protocol, start, last_drivers: Map::default(), happened: BTreeSet::new() }
    }

    /// Lets a driver start alone, without faults. What it does, and what is broken then.
    fn last_driver(&self, world: &World) -> (Vec<Step>, Option<Broken>) {
        let mut world = world.for_a_last_driver(self.protocol);
        let mut steps = Vec::new();
        while let Some((step, after)) = world.last_driver_goes_on(self.protocol) {
            world = after;
            steps.push(step);
            let broken = Broken::in_a_world(&world, self.protocol);
            if broken.is_some() {
                return (steps, broken);
            }
        }
        let comes_to_an_end = match steps.last() {
            Some(Step::Looks(_, Next::End(end))) => *end == End::Finished || (world.meddled && *end == End::Drifted),
            _ => false,
        };
        (steps, (!comes_to_an_end).then_some(Broken::Stuck))
    }
}

impl System for Worlds<'_> {
    type State = World;
    type Step = Step;
    type Broken = Broken;

    fn start(&self) -> World {
        self.start
    }

    fn steps(&mut self, world: &World, steps: &mut Vec<(Step, World)>) {
        world.steps(self.protocol, steps);
        self.happened.extend(steps.iter().map(|(step, _)| what(step)));
    }

    fn broken(&mut self, world: &World) -> Option<Broken> {
        let broken = Broken::in_a_world(world, self.protocol);
        if broken.is_some() {
            return broken;
        }
        // What it finds decides.
        let found = (world.server, world.store, world.meddled);
        match self.last_drivers.get(&found) {
            Some(broken) => *broken,
            None => {
                let (_, broken) = self.last_driver(world);
                self.last_drivers.insert(found, broken);
                broken
            }
        }
    }

    fn aftermath(&self, world: &World) -> Vec<Step> {
        if Broken::in_a_world(world, self.protocol).is_some() { Vec::new() } else { self.last_driver(world).0 }
    }
}

/// The kind of a step, for a test that wants it to have happened.
fn what(step: &Step) -> &'static str {
    match step {
        Step::Looks(_, Next::End(End::Finished)) => "ends: finished",
        Step::Looks(_, Next::End(End::Fenced)) => "ends: fenced",
        Step::Looks(_, Next::End(End::Drifted)) => "ends: drifted",
        Step::Looks(_, Next::End(End::Replaced)) => "ends: replaced",
        Step::Looks(_, Next::End(End::Unsettled)) => "ends: unsettled",
        Step::Looks(_, Next::End(End::Failed)) => "ends: failed",
        Step::Looks(me, Next::Adopt(files)) if files.driver() != *me => "adopts",
        Step::Looks(..) => "looks",
        Step::Lists(_) => "lists",
        Step::FailsToList(_) => "fails to list",
        Step::Sends(_, Fate::Refused, _) => "is refused",
        Step::Sends(..) => "sends",
        Step::IsKilledWhileSending(_) => "is killed while sending",
        Step::IsAppliedLate(_) => "is applied late",
        Step::Deletes(..) => "deletes",
        Step::Somebody(_) => "somebody",
        Step::RollsBack(_) => "rolls back",
    }
}
