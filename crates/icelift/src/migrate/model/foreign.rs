//! What others do to the target: other tools, managed maintenance, and people.

use super::Protocol;
use super::table::{SnapshotId, Table};
use super::world::{Step, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    Appends,
    /// Rewrites the files, with the same rows.
    Compacts,
    /// Expires all snapshots but the current one.
    Expires,
    /// Sets main to another snapshot. Properties stay as they are.
    RollsBack(SnapshotId),
    /// Takes the register out of the properties.
    Unsets,
    /// Renames the table away. Its files stay where they are.
    RenamesAway,
    /// Renames the table away, and creates an empty one of its name in the same place.
    Replaces,
}

/// What others may do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowed {
    pub writes: bool,
    pub expires: bool,
    pub rolls_back: bool,
    pub unsets: bool,
    pub renames: bool,
}

pub(super) fn steps(world: &World, protocol: &Protocol, steps: &mut Vec<(Step, World)>) {
    let (Some(table), true) = (world.server.table, world.foreign > 0) else { return };
    let allowed = protocol.bounds.allowed;
    let mut happens = |foreign: Foreign, change: &dyn Fn(&mut Table)| {
        let mut after = *world;
        after.foreign -= 1;
        after.server.table.iter_mut().for_each(change);
        match foreign {
            Foreign::RollsBack(_) | Foreign::Unsets => after.meddled = true,
            Foreign::RenamesAway => after.server.rename_away(),
            Foreign::Replaces => after.server.replace(),
            Foreign::Appends | Foreign::Compacts | Foreign::Expires => {}
        }
        steps.push((Step::Somebody(foreign), after));
    };
    // To the protocol, a compaction is an append that also leaves our files out.
    if allowed.writes && table.has_files() {
        happens(Foreign::Compacts, &Table::compact);
    } else if allowed.writes {
        happens(Foreign::Appends, &Table::append);
    }
    if allowed.expires && table.listed().count() > 1 {
        happens(Foreign::Expires, &Table::expire);
    }
    for to in table.listed().filter(|id| allowed.rolls_back && Some(*id) != table.main) {
        happens(Foreign::RollsBack(to), &|table| table.main = Some(to));
    }
    if allowed.unsets && table.register.is_some() {
        happens(Foreign::Unsets, &|table| table.register = None);
    }
    if allowed.renames {
        happens(Foreign::RenamesAway, &|_| ());
        happens(Foreign::Replaces, &|_| ());
    }
}
