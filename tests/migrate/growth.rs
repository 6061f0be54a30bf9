//! What grows with the number of batches: the time of a commit, what a commit writes, what it asks for.
//!
//! `ICELIFT_BATCHES=<count>` takes so many batches instead of a few, and prints the figures. Where they stand in the docs:
//! `docs/reference/sql.md`.

use icelift_testkit::r2_proxy::{Class, Limits};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::bench::{Bench, Left, Target, With, Words};
use crate::clouds::world::{HASTY, World, equal};
use crate::support;

const WORDS: Words = Words { clauses: "BATCH BY day", options: "verify = 'content'", columns: "*" };
/// Manifests are merged twice.
const LOCAL_BATCHES: usize = 210;
/// Once.
const R2_BATCHES: usize = 110;
/// What a snapshot takes in the metadata, at most: EXPLAIN MIGRATE counts on 1,000.
const SNAPSHOT_BYTES_MAX: u64 = 1_100;
/// Details of 200 batches, and the ranges.
const REGISTER_BYTES_MAX: u64 = 64 << 10;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("migrate::growth::local", local),
        Trial::test("migrate::growth::through_the_proxy_of_r2", through_the_proxy_of_r2),
    ]
}

fn count(default: usize) -> Result<usize, Failed> {
    Ok(std::env::var("ICELIFT_BATCHES").ok().map(|text| text.parse()).transpose()?.unwrap_or(default))
}

/// One row and one file for each day.
fn source(days: usize) -> Result<tempfile::TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    support::block_on(async {
        let engine = support::engine(&[("glue", &folder.path().join("glue"))]).await?;
        support::run(&engine, "CREATE SCHEMA glue.default").await?;
        let columns = format!("value AS id, 'row ' || value AS name, CAST(value % {days} AS INT) AS day");
        let rows = format!("SELECT {columns} FROM generate_series(1, {days})");
        support::run(&engine, &format!("CREATE TABLE glue.default.t PARTITIONED BY (day) AS {rows}")).await.map(drop)
    })?;
    Ok(folder)
}

/// Says what there is at some numbers of batches, and looks whether it stays within bounds.
fn grown(bench: &Bench, batches: usize, what: &str) -> Result<(), Failed> {
    let at: Vec<usize> = [100, 1_000, 5_000, 10_000].into_iter().filter(|at| *at <= batches).collect();
    let found = crate::interop::ask(json!({"do": "growth", "target": bench.target.opened, "at": at}))?;
    if std::env::var_os("ICELIFT_BATCHES").is_some() {
        println!("{what}: {found:#}");
    }
    let bounded = |what: &str, found: &Value, max: u64| match found.as_u64() {
        Some(found) if found <= max => Ok(()),
        _ => Err(Failed::from(format!("{what}: found {found}, expected {max} at most"))),
    };
    for at in found["at"].as_array().into_iter().flatten() {
        bounded("manifests of a snapshot", &at["manifests"], 100)?;
    }
    bounded("bytes of the metadata", &found["metadata_bytes"], batches as u64 * SNAPSHOT_BYTES_MAX + (96 << 10))?;
    bounded("bytes of the register", &found["register_bytes"], REGISTER_BYTES_MAX)?;
    equal("rows", found["rows"].as_u64(), Some(batches as u64))
}

fn local() -> Result<(), Failed> {
    let batches = count(LOCAL_BATCHES)?;
    let bench = Bench::by(WORDS, source(batches)?)?;
    bench.finish(With::default())?;
    grown(&bench, batches, "local")?;
    let found = bench.ask_target("metadata_files", json!({}))?;
    // As many as the table lists, and the current one.
    equal("metadata files", found.as_u64(), Some(101.min(batches as u64 + 2)))?;
    bench.files(Left::Nothing)
}

/// As a REST catalog of any kind: icelift keeps to 20 commits a minute with R2.
fn through_the_proxy_of_r2() -> Result<(), Failed> {
    let batches = count(R2_BATCHES)?;
    let world = World::with("migrate_growth", |settings| settings.limits = Limits::unhurried())?;
    let mut attach = world.attach(&HASTY);
    attach.options.insert("type".to_owned(), "rest".to_owned());
    support::block_on(async {
        let built = icelift::Engine::builder().attach(attach.clone()).build().await;
        let engine = built.map_err(|error| support::told(&error))?;
        support::run(&engine, "CREATE SCHEMA r2.migrate_growth").await.map(drop)
    })?;
    let opened = json!({"catalog": world.catalog(), "table": "migrate_growth.t"});
    let mut bench = Bench::by(WORDS, source(batches)?)?;
    bench.target = Target { attach, table: world.table(), opened, properties: String::new() };
    let before = world.proxy.counts();
    bench.finish(With::default())?;
    let after = world.proxy.counts();
    let made = [
        after.catalog - before.catalog,
        after.class_a - before.class_a,
        after.class_b - before.class_b,
        after.free - before.free,
    ];
    let of_batch = made.map(|made| made as f64 / batches as f64);
    if std::env::var_os("ICELIFT_BATCHES").is_some() {
        println!("requests for each batch, of the catalog, class A, class B, free: {of_batch:?}");
    }
    // A load and a commit; file, listing, manifest and list; three reads of the file, the list of the parent and, of a hundred
    // batches, their manifests once; the listing goes. And a little for the beginning and the end.
    for ((class, made), expected) in
        [Class::Catalog, Class::A, Class::B, Class::Free].iter().zip(of_batch).zip([2.0, 4.0, 5.0, 1.0])
    {
        let bounded = made <= expected * 1.1 + 0.1;
        equal(&format!("requests of {class:?} for each batch, {made}"), bounded, true)?;
    }
    grown(&bench, batches, "through the proxy of R2")
}
