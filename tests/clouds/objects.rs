//! Objects that do not go through at once: small writes, and reads of metadata and data.

use icelift::ErrorKind;
use icelift_testkit::r2_proxy::{Fault, FaultRule, Side};
use libtest_mimic::{Failed, Trial};

use super::world::{MakeRule, SEED_ROWS, World, equal, failure};
use crate::support;

/// Parts of the names of objects.
const DATA: &str = ".parquet";
const MANIFEST: &str = "-m0.avro";
const LIST: &str = "/snap-";

/// Faults of one `PutObject`, and which object meets it.
const WRITES: [(&str, &str, MakeRule); 7] = [
    ("slow_down", DATA, || slow_down().times(3)),
    ("500", MANIFEST, || before(Fault::s3_error(500, "InternalError"))),
    ("429_with_retry_after", LIST, || before(Fault::s3_error(429, "TooManyRequests").retry_after(1))),
    ("reset", DATA, || before(Fault::Reset).times(2)),
    // Written twice within a second, the same key is refused with 429 in between.
    ("lost_answer", DATA, || after(Fault::Reset)),
    ("lost_answer_of_a_list", LIST, || after(Fault::Reset)),
    ("500_after", MANIFEST, || after(Fault::s3_error(500, "InternalError"))),
];

/// Faults of one `GetObject`, none of which may change a row.
const READS: [(&str, &str, MakeRule); 8] = [
    ("slow_down", DATA, || slow_down().times(3)),
    ("500", LIST, || before(Fault::s3_error(500, "InternalError"))),
    ("reset", DATA, || before(Fault::Reset).times(2)),
    ("reset_after", DATA, || after(Fault::Reset)),
    ("truncated_data", DATA, || after(Fault::Truncate { bytes: 40 })),
    ("truncated_manifest", MANIFEST, || after(Fault::Truncate { bytes: 40 }).times(2)),
    ("truncated_list", LIST, || after(Fault::Truncate { bytes: 0 })),
    ("expired_token", DATA, || before(Fault::ExpiredToken)),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("clouds::put::refused_for_good", refused_for_good),
        Trial::test("clouds::put::never_answered", never_answered),
        Trial::test("clouds::get::corrupt_list", || corrupt(LIST, |_| 0)),
        Trial::test("clouds::get::corrupt_manifest", || corrupt(MANIFEST, |_| 0)),
        Trial::test("clouds::get::corrupt_footer", || corrupt(DATA, |bytes| bytes - 1)),
        Trial::test("clouds::get::missing_data", missing_data),
        Trial::test("clouds::get::any_byte_of_data", || any_byte(DATA, "data", 220, 1)),
        Trial::test("clouds::get::any_byte_of_a_manifest", || any_byte(MANIFEST, "manifest", 10_000, 97)),
        Trial::test("clouds::get::any_byte_of_a_list", || any_byte(LIST, "list", 10_000, 43)),
    ];
    for (name, object, fault) in WRITES {
        trials.push(Trial::test(format!("clouds::put::{name}"), move || writes(name, object, fault())));
    }
    for (name, object, fault) in READS {
        trials.push(Trial::test(format!("clouds::get::{name}"), move || reads(name, object, fault())));
    }
    trials
}

fn before(fault: Fault) -> FaultRule {
    FaultRule::before(Side::S3, fault)
}

fn after(fault: Fault) -> FaultRule {
    FaultRule::after(Side::S3, fault)
}

fn slow_down() -> FaultRule {
    before(Fault::s3_error(503, "SlowDown"))
}

fn writes(name: &str, object: &str, fault: FaultRule) -> Result<(), Failed> {
    let world = World::new(format!("clouds_put_{name}"))?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        let fault = world.proxy.fault(fault.operation("PutObject").path_contains(object));
        support::run(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
        equal("whether the fault came", fault.hits() > 0, true)?;
        world.read(&engine).await
    })?;
    world.holds(2 * SEED_ROWS, 2)
}

fn reads(name: &str, object: &str, fault: FaultRule) -> Result<(), Failed> {
    let world = World::with(format!("clouds_get_{name}"), |settings| {
        settings.session = Some(std::time::Duration::from_secs(600));
    })?;
    support::block_on(async {
        world.seeded(&[]).await?;
        let fault = world.proxy.fault(fault.operation("GetObject").path_contains(object));
        world.read_rows(&world.engine(&[]).await?, SEED_ROWS).await?;
        equal("whether the fault came", fault.hits() > 0, true)
    })?;
    world.holds(SEED_ROWS, 1)
}

/// A table of its own, a fault, an INSERT that fails, and nothing that is left of it.
fn fails(world: &World, options: &[(&str, &str)], fault: FaultRule, kind: ErrorKind) -> Result<(), Failed> {
    support::block_on(async {
        let engine = world.seeded(options).await?;
        let commits = world.count("updateTable");
        let fault = world.proxy.fault(fault);
        let (found, message) = failure(&engine, &world.insert(SEED_ROWS, 2 * SEED_ROWS)).await?;
        equal("kind of the error", (found, &message), (kind, &message))?;
        equal("whether the fault came", fault.hits() > 0, true)?;
        equal("commits sent", world.count("updateTable") - commits, 0)?;
        fault.remove();
        engine.settle().await;
        world.read_rows(&engine, SEED_ROWS).await
    })?;
    world.holds(SEED_ROWS, 1)
}

fn refused_for_good() -> Result<(), Failed> {
    let world = World::new("clouds_put_refused")?;
    let fault = before(Fault::s3_error(403, "AccessDenied")).operation("PutObject").path_contains(LIST);
    fails(&world, &[], fault, ErrorKind::Denied)
}

/// The server stays overloaded: patience ends, and what was written before is removed.
fn never_answered() -> Result<(), Failed> {
    let world = World::new("clouds_put_never")?;
    let fault = slow_down().operation("PutObject").path_contains(MANIFEST).always();
    fails(&world, &[("s3.retry.num-retries", "2")], fault, ErrorKind::Unavailable)
}

/// A flipped byte where files say what they are: an error that names the file, not rows.
fn corrupt(object: &str, at: impl Fn(u64) -> u64) -> Result<(), Failed> {
    let world =
        World::new(format!("clouds_get_corrupt_{}", object.trim_matches(['-', '/', '.']).replace(['.', '-'], "_")))?;
    support::block_on(async {
        let engine = world.seeded(&[]).await?;
        let written = world.requests("PutObject").into_iter().find(|request| request.path.contains(object));
        let written = written.ok_or_else(|| format!("no object like {object} was written"))?;
        let fault = after(Fault::Corrupt { at: at(written.bytes_in) }).operation("GetObject").path_contains(object);
        let fault = world.proxy.fault(fault.always());
        let query = format!("SELECT sum(id) FROM {}", world.table());
        let (kind, message) = failure(&world.engine(&[]).await?, &query).await?;
        equal("whether the fault came", fault.hits() > 0, true)?;
        let file = written.path.rsplit('/').next().unwrap_or_default();
        equal("what is said", (kind, message.contains(file), &message), (ErrorKind::Read, true, &message))?;
        fault.remove();
        world.read_rows(&engine, SEED_ROWS).await
    })
}

/// Whatever byte of an object is flipped: an answer or an error, never a crash.
fn any_byte(object: &str, name: &str, to: u64, step: usize) -> Result<(), Failed> {
    let world = World::new(format!("clouds_get_any_byte_{name}"))?;
    support::block_on(async {
        world.seeded(&[]).await?;
        let written = world.requests("PutObject").into_iter().find(|request| request.path.contains(object));
        let bytes = written.map_or(0, |written| written.bytes_in);
        let (mut errors, mut given_up, mut wrong) = (0, 0, 0);
        for at in (0..bytes.min(to)).step_by(step) {
            let fault = after(Fault::Corrupt { at }).operation("GetObject").path_contains(object).always();
            let fault = world.proxy.fault(fault);
            match world.read_rows(&world.engine(&[]).await?, SEED_ROWS).await {
                Ok(()) => {}
                Err(failed) => {
                    let said = failed.message().unwrap_or_default();
                    wrong += usize::from(said.starts_with("rows that we read"));
                    given_up += usize::from(said.contains("the decoder gave up"));
                    errors += 1;
                }
            }
            equal("whether the fault came", fault.hits() > 0, true)?;
            fault.remove();
        }
        equal("whether damage is noticed", errors > wrong, true)?;
        // No checksum covers the pages of data, so other rows cannot be ruled out there.
        let expected = if object == DATA { (true, true) } else { (true, false) };
        equal("wrong rows of metadata, panics of decoders", (object == DATA || wrong == 0, given_up > 0), expected)
    })
}

/// Somebody's clean-up was too eager: the error names the file.
fn missing_data() -> Result<(), Failed> {
    let world = World::new("clouds_get_missing")?;
    support::block_on(async {
        world.seeded(&[]).await?;
        let fault = before(Fault::s3_error(404, "NoSuchKey")).operation("GetObject").path_contains(DATA).always();
        let fault = world.proxy.fault(fault);
        let query = format!("SELECT sum(id) FROM {}", world.table());
        let (kind, message) = failure(&world.engine(&[]).await?, &query).await?;
        equal("what is said", (message.contains(DATA), &message), (true, &message))?;
        equal("faults met, kind", (fault.hits(), kind), (1, ErrorKind::NotFound))
    })
}
