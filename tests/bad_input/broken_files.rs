//! Files that are missing, cut off, of another kind or from the future: read as source, never half read.

use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};

use super::Words;
use super::bench::Bench;

const COPY: &str = "INSERT INTO r2.default.t SELECT * FROM glue.default.s";

/// What is done to the text of a metadata file.
type Change = fn(&str) -> String;

/// Which file of the source is broken.
#[derive(Clone, Copy)]
enum Kind {
    Metadata,
    ManifestList,
    Manifest,
    Data,
}

/// How it is broken.
#[derive(Clone, Copy)]
enum Damage {
    Missing,
    Empty,
    CutInHalf,
    Garbage,
}

pub(super) fn trials() -> Vec<Trial> {
    let kinds = [
        ("metadata", Kind::Metadata),
        ("manifest_list", Kind::ManifestList),
        ("manifest", Kind::Manifest),
        ("data", Kind::Data),
    ];
    let damages = [
        ("missing", Damage::Missing),
        ("empty", Damage::Empty),
        ("cut_in_half", Damage::CutInHalf),
        ("garbage", Damage::Garbage),
    ];
    let mut trials = Vec::new();
    for (kind_name, kind) in kinds {
        for (damage_name, damage) in damages {
            let name = format!("bad_input::{kind_name}_file_{damage_name}");
            trials.push(Trial::test(name, move || broken_source(kind, damage)));
        }
    }
    let future: [(&str, Change, Words); 3] = [
        (
            "format_version_4",
            |text| text.replace("\"format-version\":2", "\"format-version\":4"),
            &["version", "glue.default.s"],
        ),
        (
            "unknown_type",
            |text| text.replace("\"type\":\"date\"", "\"type\":\"hologram\""),
            &["hologram", "glue.default.s"],
        ),
        (
            "variant_type",
            |text| text.replace("\"type\":\"date\"", "\"type\":\"variant\""),
            &["variant", "glue.default.s"],
        ),
    ];
    for (name, change, words) in future {
        trials.push(Trial::test(format!("bad_input::{name}"), move || edited_metadata(change, words)));
    }
    trials.push(Trial::test("bad_input::catalog_is_no_database", catalog_is_no_database));
    trials.push(Trial::test("bad_input::folder_is_a_file", folder_is_a_file));
    trials.push(Trial::test("bad_input::data_folder_is_a_file", data_folder_is_a_file));
    trials
}

/// The message names the table or the file, and the target stays as it was.
fn broken_source(kind: Kind, damage: Damage) -> Result<(), Failed> {
    let bench = Bench::new()?;
    let path = bench.file_of("s", |name| is_of(kind, name))?;
    break_file(&path, damage)?;
    let before = bench.files()?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let words: &[&str] = if matches!(kind, Kind::Metadata) { &["glue.default.s"] } else { &["glue.default.s", &file] };
    bench.fails(COPY, words)?;
    bench.same_files(&before)?;
    let rows = bench.succeeds("SELECT count(*) AS n FROM r2.default.t")?;
    if rows.contains('0') { Ok(()) } else { Err(format!("the target holds rows: {rows}").into()) }
}

fn is_of(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Metadata => name.ends_with(".metadata.json"),
        Kind::ManifestList => name.starts_with("snap-"),
        Kind::Manifest => name.ends_with(".avro") && !name.starts_with("snap-"),
        Kind::Data => name.ends_with(".parquet"),
    }
}

fn break_file(path: &Path, damage: Damage) -> Result<(), Failed> {
    let bytes = fs::read(path)?;
    match damage {
        Damage::Missing => fs::remove_file(path)?,
        Damage::Empty => fs::write(path, b"")?,
        Damage::CutInHalf => fs::write(path, &bytes[..bytes.len() / 2])?,
        Damage::Garbage => {
            fs::write(path, b"this is neither JSON nor Avro nor Parquet, and it is long enough to be looked at")?
        }
    }
    Ok(())
}

/// A table that a newer writer made is refused by name, not misread.
fn edited_metadata(change: Change, words: Words) -> Result<(), Failed> {
    let bench = Bench::new()?;
    let path = bench.file_of("s", |name| is_of(Kind::Metadata, name))?;
    let text: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    // Printed again, so that the replacement does not depend on how the writer spaces its JSON.
    let (text, changed) = (text.to_string(), change(&text.to_string()));
    if text == changed {
        return Err("the metadata does not hold what the trial wants to change".into());
    }
    fs::write(&path, changed)?;
    let before = bench.files()?;
    bench.fails(COPY, words)?;
    bench.same_files(&before)
}

fn catalog_is_no_database() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let path = bench.folder().join("glue/catalog.db");
    fs::write(&path, "this is no database ".repeat(100))?;
    bench.fails(COPY, &["catalog.db"])
}

/// Root may write into any folder, but nobody can make a folder below a file: this stands for a read-only place.
fn folder_is_a_file() -> Result<(), Failed> {
    let bench = Bench::new()?;
    fs::write(bench.folder().join("file"), "")?;
    bench.fails("ATTACH 'file/below' AS x (TYPE local)", &["file/below"])
}

/// The same inside a table: data files cannot be written.
fn data_folder_is_a_file() -> Result<(), Failed> {
    let bench = Bench::new()?;
    let metadata = bench.file_of("t", |name| is_of(Kind::Metadata, name))?;
    let table = metadata.ancestors().nth(2).ok_or("metadata lies two levels below its table")?;
    let data = table.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    fs::write(&data, "")?;
    let before = bench.files()?;
    bench.fails(COPY, &["r2.default.t"])?;
    bench.same_files(&before)
}
