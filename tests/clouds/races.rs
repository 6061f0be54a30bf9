//! Two writers on one table of R2: whoever loses builds on what won.

use std::time::Duration;

use icelift_testkit::r2_proxy::{Fault, FaultRule, LostRace, Side};
use libtest_mimic::{Failed, Trial};

use super::world::{SEED_ROWS, World, equal};
use crate::support;

const WRITERS: usize = 3;
const INSERTS: usize = 3;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("clouds::race::told_by_400", || loses("clouds_race_400", LostRace::ConcurrentUpdate, 400)),
        Trial::test("clouds::race::told_by_409", || loses("clouds_race_409", LostRace::CommitFailed, 409)),
        Trial::test("clouds::race::lost_while_the_answer_is_lost", overtaken),
        Trial::test("clouds::race::many_writers", many_writers),
    ]
}

/// The first commit is held up until another writer's has landed.
fn loses(namespace: &str, told: LostRace, status: u16) -> Result<(), Failed> {
    let world = World::with(namespace, |settings| settings.lost_race = told)?;
    held_up(&world, Fault::Delay(Duration::from_secs(2)))?;
    let statuses: Vec<_> = world.requests("updateTable").iter().filter_map(|request| request.status).collect();
    // Creating the table, its first rows; then the race, in the order of arrival.
    equal("answers to commits", statuses, vec![200, 200, status, 200, 200])?;
    world.holds(3 * SEED_ROWS, 3)
}

/// The commit never arrives, and while that is found out another writer's lands: it is built again, on that one.
fn overtaken() -> Result<(), Failed> {
    let world = World::new("clouds_race_overtaken")?;
    held_up(&world, Fault::Reset)?;
    world.holds(3 * SEED_ROWS, 3)
}

fn held_up(world: &World, fault: Fault) -> Result<(), Failed> {
    support::block_on(async {
        let (first, second) = (world.seeded(&[]).await?, world.engine(&[]).await?);
        let fault = world.proxy.fault(FaultRule::before(Side::Catalog, fault).operation("updateTable"));
        let (early, late) = (world.insert(SEED_ROWS, 2 * SEED_ROWS), world.insert(2 * SEED_ROWS, 3 * SEED_ROWS));
        let overtake = async {
            while fault.hits() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            support::run(&second, &late).await
        };
        tokio::try_join!(support::run(&first, &early), overtake)?;
        equal("faults met", fault.hits(), 1)?;
        world.read_rows(&first, 3 * SEED_ROWS).await
    })
}

fn many_writers() -> Result<(), Failed> {
    let world = World::new("clouds_race_many")?;
    support::block_on(async {
        let engine = world.engine(&[]).await?;
        let retries = "TBLPROPERTIES ('commit.retry.num-retries' = '50', 'commit.retry.max-wait-ms' = '500')";
        support::run(&engine, &format!("CREATE SCHEMA r2.{}", world.namespace)).await?;
        support::run(&engine, &format!("CREATE TABLE {} (id BIGINT, name STRING) {retries}", world.table())).await?;
        let writers = (0..WRITERS).map(|writer| write(&world, writer));
        futures::future::try_join_all(writers).await?;
        world.read_rows(&engine, WRITERS * INSERTS * SEED_ROWS).await
    })?;
    world.holds(WRITERS * INSERTS * SEED_ROWS, WRITERS * INSERTS)
}

async fn write(world: &World, writer: usize) -> Result<(), Failed> {
    let engine = world.engine(&[]).await?;
    for insert in 0..INSERTS {
        let start = (writer * INSERTS + insert) * SEED_ROWS;
        support::run(&engine, &world.insert(start, start + SEED_ROWS)).await?;
    }
    Ok(())
}
