//! A version of the source, migrated.

use icelift::ErrorKind;
use libtest_mimic::{Failed, Trial};

use super::World;
use crate::support;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("versions::migrate::one_after_the_other", one_after_the_other),
        Trial::test("versions::migrate::what_is_under_way_goes_on", what_is_under_way_goes_on),
        Trial::test("versions::migrate::explained", explained),
    ]
}

/// A later version adds its rows, an earlier one is refused, and without a version the newest is copied.
fn one_after_the_other() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        let ids = "SELECT id FROM r2.default.m ORDER BY id";
        let migrate = |version: &str| format!("MIGRATE TABLE glue.default.t {version} TO r2.default.m");
        world.rows(&migrate("FOR VERSION AS OF {two}")).await?;
        world.gives(ids, &["1", "2"]).await?;
        world.rows(&migrate("VERSION AS OF 'tagged'")).await?;
        world.gives(ids, &["1", "2"]).await?;
        world.rows(&migrate("FOR VERSION AS OF {wide}")).await?;
        world.gives(ids, &["1", "2", "4"]).await?;
        let earlier = "the target has the rows of snapshot {wide} already; the statement asks for snapshot {one} \
                       (`FOR VERSION AS OF {one}`)";
        world.fails(&migrate("FOR VERSION AS OF {one}"), ErrorKind::Drift, earlier).await?;
        let beside = "the statement asks for snapshot {side} (`FOR VERSION AS OF 'side'`)";
        world.fails(&migrate("FOR VERSION AS OF 'side'"), ErrorKind::Drift, beside).await?;
        world.gives(ids, &["1", "2", "4"]).await?;
        world.rows(&migrate("")).await?;
        world.gives(ids, &["1", "2", "4", "5"]).await?;
        world.rows("VERIFY TABLE r2.default.m AGAINST glue.default.t").await.map(|_| ())
    })
}

/// A migration that is not finished keeps its version; another one is refused until then.
fn what_is_under_way_goes_on() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        let part =
            "MIGRATE TABLE glue.default.t {version} TO r2.default.m WHERE id = 1 BATCH BY id WITH (scan_batches true)";
        let whole = "MIGRATE TABLE glue.default.t {version} TO r2.default.m BATCH BY id WITH (scan_batches true)";
        world.rows(&part.replace("{version}", "VERSION AS OF {two}")).await?;
        let told = "the migration is under way and copies snapshot {two}; the statement asks for snapshot {wide}";
        let other = whole.replace("{version}", "VERSION AS OF {wide}");
        world.fails(&other, ErrorKind::Drift, told).await?;
        world.rows(&whole.replace("{version}", "VERSION AS OF {two}")).await?;
        world.gives("SELECT id FROM r2.default.m ORDER BY id", &["1", "2"]).await?;
        world.rows(&other).await?;
        world.gives("SELECT id FROM r2.default.m ORDER BY id", &["1", "2", "4"]).await
    })
}

fn explained() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        let migrate = "EXPLAIN MIGRATE TABLE glue.default.t VERSION AS OF {one} TO r2.default.m";
        let plan = world.rows(migrate).await?.join("\n");
        // Of the table as it is now it would be more.
        if !plan.contains("all pending 1 ") {
            return Err(format!("{plan}\nis not the plan of snapshot {}", world.id("one")).into());
        }
        let unknown = "MIGRATE TABLE glue.default.t VERSION AS OF 77 TO r2.default.m";
        world.fails(unknown, ErrorKind::NotFound, "the table has no snapshot 77").await
    })
}
