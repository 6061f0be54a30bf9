//! All that there is at one moment: server, files, drivers, and the requests that are still under way. And all that may
//! happen next.

use super::driver::{Answer, At, Driver, End, Next, Seen};
use super::files::{Attempt, DRIVERS, DriverId, Files, Store};
use super::foreign::Foreign;
use super::promises::Broken;
use super::server::{Kind, Post, Server};
use super::table::Table;
use super::{Protocol, Rule};

/// Room for requests under way.
const UNDER_WAY: usize = 6;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Looks(DriverId, Next),
    Lists(DriverId),
    FailsToList(DriverId),
    Sends(DriverId, Fate, Answer),
    IsKilledWhileSending(DriverId),
    /// A request is applied that nobody waits for any more.
    IsAppliedLate(Post),
    Deletes(DriverId, Attempt),
    Somebody(Foreign),
    /// The request of a rollback is on its way.
    RollsBack(Post),
}

/// What has become of a request when its answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Applied,
    /// Applied, and a second copy is under way.
    AppliedAndCopied,
    Refused,
    /// Neither: it may be applied any time later, or never.
    UnderWay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub server: Server,
    pub store: Store,
    drivers: [Driver; DRIVERS],
    under_way: [Option<Post>; UNDER_WAY],
    faults: u8,
    kills: u8,
    pub rollbacks: u8,
    pub foreign: u8,
    /// Somebody set main to another snapshot or took the register out: the rows of batches may be missing for good.
    pub meddled: bool,
    pub broken: Option<Broken>,
}

impl World {
    pub fn new(table: Option<Table>, protocol: &Protocol) -> Self {
        let none = Files::default();
        Self {
            server: Server { table, elsewhere: none, last_elsewhere: 0 },
            store: Store { written: none, listed: none, deleted: none, births: [None; DRIVERS], rounds: [0; DRIVERS] },
            drivers: [Driver::at(At::Waiting); DRIVERS],
            under_way: [None; UNDER_WAY],
            faults: protocol.bounds.faults,
            kills: protocol.bounds.kills,
            rollbacks: protocol.bounds.rollbacks,
            foreign: protocol.bounds.foreign,
            meddled: false,
            broken: None,
        }
    }

    /// All that may happen.
    pub fn steps(&self, protocol: &Protocol, steps: &mut Vec<(Step, Self)>) {
        // Drivers are alike before they start, so they start in their order.
        let started = self.drivers.iter().take_while(|driver| driver.at != At::Waiting).count();
        for me in 0..protocol.bounds.drivers.min(started + 1) {
            self.drives(me as DriverId, protocol, steps);
        }
        for post in self.under_way.iter().flatten() {
            let mut after = *self;
            if after.commit(post, protocol) {
                steps.push((Step::IsAppliedLate(*post), after));
            }
        }
        super::foreign::steps(self, protocol, steps);
        super::rollback::steps(self, protocol, steps);
        for (_, after) in steps.iter_mut() {
            after.forget(protocol);
        }
    }

    /// The world for a driver that starts now, if all others are killed and nothing goes wrong any more.
    pub fn for_a_last_driver(&self, protocol: &Protocol) -> Self {
        let mut world =
            Self { server: self.server, store: self.store, meddled: self.meddled, ..Self::new(None, protocol) };
        (world.faults, world.kills, world.rollbacks, world.foreign) = (0, 0, 0, 0);
        world.drivers = [Driver::at(At::Ended); DRIVERS];
        world.drivers[DRIVERS - 1] = Driver::at(At::Looking);
        world
    }

    /// What that driver does next.
    pub fn last_driver_goes_on(&self, protocol: &Protocol) -> Option<(Step, Self)> {
        let mut steps = Vec::new();
        self.drives(DRIVERS as DriverId - 1, protocol, &mut steps);
        steps.pop()
    }

    /// What a driver may do next. One that is killed is one that takes no further step, so whatever is shown of all ways is
    /// shown of those where it is killed. Only a request that has just gone out outlives its driver.
    fn drives(&self, me: DriverId, protocol: &Protocol, steps: &mut Vec<(Step, Self)>) {
        match self.drivers[usize::from(me)].at {
            At::Waiting | At::Looking => self.looks(me, protocol, steps),
            At::Listing(files) => self.lists(me, files, steps),
            At::Sending(post) => self.sends(me, &post, protocol, steps),
            At::Deleting(files, then) => self.deletes(me, files, then, steps),
            At::Ended => {}
        }
    }

    fn looks(&self, me: DriverId, protocol: &Protocol, steps: &mut Vec<(Step, Self)>) {
        let mut driver = self.drivers[usize::from(me)];
        let seen = Seen { me, table: self.server.table.as_ref(), store: &self.store, protocol };
        for next in driver.look(&seen) {
            let mut after = *self;
            let it = &mut after.drivers[usize::from(me)];
            *it = driver;
            it.at = At::Looking;
            match next {
                Next::Send(post) => it.at = At::Sending(post),
                Next::Adopt(files) => it.take(files),
                Next::Delete(files, then) => it.at = At::Deleting(files, then),
                Next::End(end) => after.ends(me, Some(end), protocol),
                Next::Write(files) => {
                    let register = self.server.table.and_then(|table| table.register);
                    after.store.births[usize::from(me)] = register.map(|register| register.birth);
                    after.store.rounds[usize::from(me)] = register.map_or(0, |register| register.round);
                    if protocol.bounds.lists_apart {
                        it.at = At::Listing(files);
                        after.store.written = after.store.written.with(files);
                    } else {
                        it.take(files);
                        after.store.listed = after.store.listed.with(files);
                    }
                }
            }
            steps.push((Step::Looks(me, next), after));
        }
    }

    /// The list makes files part of the protocol: they may be taken over, and are not deleted before the batch is done.
    fn lists(&self, me: DriverId, files: Attempt, steps: &mut Vec<(Step, Self)>) {
        let mut after = *self;
        after.store.written = after.store.written.without(files);
        let mut failed = after;
        after.store.listed = after.store.listed.with(files);
        after.drivers[usize::from(me)].take(files);
        steps.push((Step::Lists(me), after));
        if self.faults > 0 {
            // Files that were surely never listed are nobody else's: their writer deletes them.
            failed.faults -= 1;
            failed.store.deleted = failed.store.deleted.with(files);
            failed.drivers[usize::from(me)] = Driver::at(At::Ended);
            steps.push((Step::FailsToList(me), failed));
        }
    }

    /// A request goes out. A server that does as it is asked and answers costs no fault.
    fn sends(&self, me: DriverId, post: &Post, protocol: &Protocol, steps: &mut Vec<(Step, Self)>) {
        let fits = self.server.accepts(post, protocol);
        let sound = if fits { (Fate::Applied, Answer::Landed) } else { (Fate::Refused, Answer::Refused) };
        let faulty = [
            (Fate::Applied, Answer::Unknown),
            (Fate::Applied, Answer::Refused),
            (Fate::AppliedAndCopied, Answer::Landed),
            (Fate::UnderWay, Answer::Unknown),
            (Fate::UnderWay, Answer::Refused),
        ];
        let faulty = faulty.into_iter().filter(|(fate, _)| self.faults > 0 && (fits || *fate == Fate::UnderWay));
        for (fate, answer) in std::iter::once(sound).chain(faulty) {
            let mut after = *self;
            if (fate, answer) != sound && !protocol.bounds.faults_never_end {
                after.faults -= 1;
            }
            if matches!(fate, Fate::Applied | Fate::AppliedAndCopied) {
                after.commit(post, protocol);
            }
            if matches!(fate, Fate::UnderWay | Fate::AppliedAndCopied) {
                after.leaves_under_way(post);
            }
            let driver = &mut after.drivers[usize::from(me)];
            driver.hears(answer, post, protocol);
            if matches!(post.kind, Kind::Batch(_))
                && !protocol.keeps(Rule::RegisterIsInTheCommit)
                && answer == Answer::Landed
            {
                let base = after.server.table.and_then(|table| table.main);
                driver.at = At::Sending(Post { kind: Kind::Mark, base, ..*post });
            }
            steps.push((Step::Sends(me, fate, answer), after));
        }
        if self.kills > 0 {
            let mut killed = Self { kills: self.kills - 1, ..*self };
            killed.leaves_under_way(post);
            killed.ends(me, None, protocol);
            steps.push((Step::IsKilledWhileSending(me), killed));
        }
    }

    fn deletes(&self, me: DriverId, files: Files, then: Option<End>, steps: &mut Vec<(Step, Self)>) {
        for first in files.iter().take(1) {
            let mut after = *self;
            after.store.deleted = after.store.deleted.with(first);
            let left = files.without(first);
            let driver = &mut after.drivers[usize::from(me)];
            match then {
                Some(_) if left.is_empty() => *driver = Driver::at(At::Ended),
                None if left.is_empty() => driver.at = At::Looking,
                _ => driver.at = At::Deleting(left, then),
            }
            steps.push((Step::Deletes(me, first), after));
        }
    }

    fn ends(&mut self, me: DriverId, end: Option<End>, protocol: &Protocol) {
        self.drivers[usize::from(me)] = Driver::at(At::Ended);
        if end == Some(End::Finished) {
            self.broken = self.broken.or(Broken::at_the_finish(self.server.table.as_ref(), protocol));
        }
    }

    /// Applies a request if the server accepts it.
    fn commit(&mut self, post: &Post, protocol: &Protocol) -> bool {
        let accepts = self.server.accepts(post, protocol);
        if accepts {
            self.broken = self.broken.or(Broken::by_a_commit(self.server.table.as_ref(), post));
            if self.broken.is_none() {
                self.server.apply(post, protocol);
            }
        }
        accepts
    }

    pub fn leaves_under_way(&mut self, post: &Post) {
        if !self.under_way.contains(&Some(*post)) {
            let free = self.under_way.iter_mut().find(|place| place.is_none());
            *free.expect("the room for requests under way is too small") = Some(*post);
        }
    }

    /// Forgets requests that can never be applied, and makes equal worlds look equal.
    fn forget(&mut self, protocol: &Protocol) {
        if self.under_way.iter().all(Option::is_none) {
            return;
        }
        let mut open: Vec<Post> = self.under_way.iter().flatten().copied().collect();
        open.retain(|post| self.server.may_accept(post, protocol));
        open.sort_by_key(|post| (post.sequence, post.uuid, post.register.map(|it| (it.owner, it.epoch, it.birth))));
        self.under_way = [None; UNDER_WAY];
        self.under_way.iter_mut().zip(open).for_each(|(place, post)| *place = Some(post));
    }
}
