//! Files larger than a part: equal parts, nothing half-done left, and faults in the middle.

use std::time::Duration;

use icelift::ErrorKind;
use icelift_testkit::r2_proxy::{Fault, FaultRule, Side};
use libtest_mimic::{Failed, Trial};

use super::world::{MakeRule, World, equal, failure};
use crate::support;

const PART_BYTES: u64 = 5 << 20;
const PARTS: [(&str, &str); 1] = [("s3.multipart.part-size-bytes", "5242880")];

/// About 70 bytes a row in one file of more than two parts.
const ROWS: usize = 180_000;

type Case = (&'static str, MakeRule);

const FAULTS: [Case; 8] = [
    ("start_503", || before(Fault::s3_error(503, "SlowDown")).operation("CreateMultipartUpload")),
    ("part_503", || before(Fault::s3_error(503, "SlowDown")).operation("UploadPart").times(2)),
    ("part_reset", || before(Fault::Reset).operation("UploadPart")),
    ("part_lost_answer", || after(Fault::Reset).operation("UploadPart").skip(1)),
    ("completion_500", || before(Fault::s3_error(500, "InternalError")).operation("CompleteMultipartUpload")),
    // Asked again, the upload is gone.
    ("completion_lost_answer", || after(Fault::Reset).operation("CompleteMultipartUpload")),
    ("completion_500_after", || after(Fault::s3_error(500, "InternalError")).operation("CompleteMultipartUpload")),
    ("completion_200_with_error", || {
        before(Fault::s3_error(200, "InternalError")).operation("CompleteMultipartUpload")
    }),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("clouds::upload::parts_are_equal", parts_are_equal),
        Trial::test("clouds::upload::failure_leaves_nothing", failure_leaves_nothing),
        Trial::test("clouds::upload::session_ends", session_ends),
    ];
    for (name, fault) in FAULTS {
        trials.push(Trial::test(format!("clouds::upload::{name}"), move || goes_through(name, fault())));
    }
    trials
}

fn before(fault: Fault) -> FaultRule {
    FaultRule::before(Side::S3, fault)
}

fn after(fault: Fault) -> FaultRule {
    FaultRule::after(Side::S3, fault)
}

/// Rows that no codec makes smaller.
fn insert(world: &World) -> String {
    let text = "md5(CAST(value AS STRING)) || md5(CAST(-value AS STRING))";
    format!("INSERT INTO {} SELECT value AS id, {text} AS name FROM generate_series(0, {})", world.table(), ROWS - 1)
}

async fn empty_table(world: &World) -> Result<icelift::Engine, Failed> {
    let engine = world.engine(&PARTS).await?;
    support::run(&engine, &format!("CREATE SCHEMA r2.{}", world.namespace)).await?;
    let properties = "TBLPROPERTIES ('write.parquet.compression-codec' = 'uncompressed')";
    support::run(&engine, &format!("CREATE TABLE {} (id BIGINT, name STRING) {properties}", world.table())).await?;
    Ok(engine)
}

fn parts_are_equal() -> Result<(), Failed> {
    let world = World::new("clouds_upload_parts")?;
    support::block_on(async {
        let engine = empty_table(&world).await?;
        support::run(&engine, &insert(&world)).await?;
        world.read_rows(&engine, ROWS).await
    })?;
    let (starts, ends) = (world.count("CreateMultipartUpload"), world.count("CompleteMultipartUpload"));
    equal("uploads begun and completed", (starts > 0, starts), (true, ends))?;
    let sizes: Vec<_> = world.requests("UploadPart").iter().map(|part| part.bytes_in).collect();
    let (full, rest): (Vec<_>, Vec<_>) = sizes.into_iter().partition(|size| *size == PART_BYTES);
    equal("parts of full size, other parts", (full.len() >= 2, rest.len()), (true, starts))?;
    equal("whether a last part is larger", rest.iter().any(|size| *size > PART_BYTES), false)?;
    world.holds(ROWS, 1)
}

fn goes_through(name: &str, fault: FaultRule) -> Result<(), Failed> {
    let world = World::new(format!("clouds_upload_{name}"))?;
    support::block_on(async {
        let engine = empty_table(&world).await?;
        let fault = world.proxy.fault(fault);
        support::run(&engine, &insert(&world)).await?;
        equal("whether the fault came", fault.hits() > 0, true)?;
        world.read_rows(&engine, ROWS).await
    })?;
    world.holds(ROWS, 1)
}

fn failure_leaves_nothing() -> Result<(), Failed> {
    let world = World::new("clouds_upload_fails")?;
    support::block_on(async {
        let engine = empty_table(&world).await?;
        let commits = world.count("updateTable");
        let denied = before(Fault::s3_error(403, "AccessDenied")).operation("UploadPart").skip(1).always();
        let denied = world.proxy.fault(denied);
        let (kind, message) = failure(&engine, &insert(&world)).await?;
        equal("kind of the error", (kind, &message), (ErrorKind::Denied, &message))?;
        equal("whether the fault came", denied.hits() > 0, true)?;
        engine.settle().await;
        equal("commits sent", world.count("updateTable"), commits)
    })?;
    let aborted = world.count("AbortMultipartUpload");
    equal("uploads begun and aborted", (aborted > 0, aborted), (true, world.count("CreateMultipartUpload")))?;
    equal("uploads completed", world.count("CompleteMultipartUpload"), 0)?;
    world.holds(0, 0)
}

/// The catalog takes its keys back while parts are under way: new ones are asked for, and no row is lost.
fn session_ends() -> Result<(), Failed> {
    let world = World::with("clouds_upload_session", |settings| settings.session = Some(Duration::from_secs(600)))?;
    support::block_on(async {
        let engine = empty_table(&world).await?;
        let slow = before(Fault::Delay(Duration::from_secs(1))).operation("UploadPart");
        let slow = world.proxy.fault(slow);
        let statement = insert(&world);
        let expire = async {
            while slow.hits() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            world.proxy.expire_sessions();
            Ok(())
        };
        tokio::try_join!(async { support::run(&engine, &statement).await.map(drop) }, expire)?;
        world.read_rows(&engine, ROWS).await
    })?;
    let refused = world.requests("UploadPart").iter().filter(|part| part.status == Some(400)).count();
    equal("whether parts came with old keys", refused > 0, true)?;
    world.holds(ROWS, 1)
}
