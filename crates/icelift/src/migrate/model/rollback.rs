//! The statement that takes a batch out again: one look, and one request, which lands at once, late, or never.
//!
//! What it makes of the answer is another look, and so another rollback.

use super::files::DriverId;
use super::server::{Kind, Post};
use super::table::Lineage;
use super::world::{Step, World};
use super::{Protocol, Rule};

/// The token of those that are no driver; each batch has another one, so that requests differ.
const NO_DRIVER: DriverId = 200;

pub(super) fn steps(world: &World, protocol: &Protocol, steps: &mut Vec<(Step, World)>) {
    let (Some(table), true) = (world.server.table, world.rollbacks > 0) else { return };
    let Some(register) = table.register.filter(|register| table.lineage(register.tip) == Lineage::Holds) else {
        return;
    };
    for (batch, files) in (0..).zip(register.done) {
        // Only files that are there as they were committed are taken out.
        let Some(files) = files.filter(|files| table.holds(*files)) else { continue };
        let owner = NO_DRIVER + batch as DriverId;
        let next = register.without(batch, owner, protocol.keeps(Rule::RollbackBeginsARound));
        let post = Post::new(Kind::Rollback(files), &table, next);
        let mut after = *world;
        after.rollbacks -= 1;
        after.leaves_under_way(&post);
        steps.push((Step::RollsBack(post), after));
    }
}
