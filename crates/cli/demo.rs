//! `icelift demo`: the migration of the article, offline and small.
//!
//! The statements are the shipped scripts, as they stand in `sql/`; only the data is generated. What is said goes to
//! stderr, results go to stdout.

mod folder;
mod sample;
mod stage;

use crate::args;
use crate::exit::Stop;
use crate::session::Setup;
use crate::ui;
use crate::work::Workers;
use folder::Folder;
use stage::Stage;

const SOURCE: &str = "glue.default.drive_stats";
const TARGET: &str = "r2.default.drive_stats_r2";

const ATTACH: &str = include_str!("../../sql/01_attach.sql");
const PREVIEW: &str = include_str!("../../sql/02_preview.sql");
const MIGRATE: &str = include_str!("../../sql/03_migrate.sql");
const VERIFY: &str = include_str!("../../sql/04_verify.sql");
const RELIABILITY: &str = include_str!("../../sql/queries/drive_reliability_2024_q2.sql");

/// Runs the demo from generating to querying.
pub async fn run(mut setup: Setup, workers: Workers, demo: args::Demo) -> Result<(), Stop> {
    let mut folder = Folder::open(demo.keep.as_deref(), demo.drives)?;
    setup.environment.extend([
        ("GLUE_WAREHOUSE".to_owned(), folder.warehouse("glue")?),
        ("R2_WAREHOUSE".to_owned(), folder.warehouse("r2")?),
    ]);
    let mut stage = Stage::open(&setup, workers).await?;
    stage.say(&folder.found());

    stage.title("Attach both catalogs: sql/01_attach.sql");
    stage.show(ATTACH, &[]).await?;
    load(&mut stage, &mut folder, demo.drives).await?;

    stage.title("Preview: sql/02_preview.sql");
    stage.show(PREVIEW, &[]).await?;

    stage.title("Migrate year by year: sql/03_migrate.sql");
    stage.show(MIGRATE, &[]).await?;

    stage.title("Verify: sql/04_verify.sql");
    stage.show(VERIFY, &[]).await?;
    results(&mut stage, demo.drives).await?;
    folder.finish()?;
    stage.say(&folder.farewell());
    Ok(())
}

async fn load(stage: &mut Stage, folder: &mut Folder, drives: usize) -> Result<(), Stop> {
    stage.title(&format!("The source: drive stats of {drives} drives, 2019 to 2024"));
    if folder.has_sample() {
        let rows = stage.count(SOURCE).await?;
        stage.say(&format!("{SOURCE} with {} is there from an earlier run and is used again", ui::rows(rows)));
        return Ok(());
    }
    sample::load(stage, drives).await?;
    folder.sample_loaded()
}

async fn results(stage: &mut Stage, drives: usize) -> Result<(), Stop> {
    stage.title("What arrived, partition by partition");
    let partitions = "SELECT\n    year,\n    quarter,\n    count(*) AS row_count,\n    sum(failure) AS failures\n\
                      FROM r2.default.drive_stats_r2\nGROUP BY year, quarter\nORDER BY year, quarter;";
    stage.show(partitions, &[]).await?;
    stage.title("The closing query: sql/queries/drive_reliability_2024_q2.sql");
    // 1000 drives of 330,000 in the article.
    let min_drives = (drives / 330).max(1);
    stage.show(RELIABILITY, &[("min_drives", min_drives.to_string())]).await
}
