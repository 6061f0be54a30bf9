//! Several processes use one catalog: every commit lands once, whoever wins the races.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::{Failed, Trial};

const PROCESSES: usize = 3;
const INSERTS: usize = 5;

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("concurrent::processes_append_to_one_table", processes_append_to_one_table)]
}

fn start(folder: &Path, sql: &str) -> Result<Child, Failed> {
    let attach = format!("ATTACH '{}' AS r2 (TYPE local)", folder.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_icelift"));
    command.args(["--format", "csv", "--quiet", "-c", &attach, "-c", sql]);
    Ok(command.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

fn finished(child: Child) -> Result<String, Failed> {
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

fn processes_append_to_one_table() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    // Races are to be won in the end, however slow the machine.
    let table = "CREATE SCHEMA r2.default; CREATE TABLE r2.default.t (writer INT, number INT) PARTITIONED BY (writer)
                 TBLPROPERTIES ('commit.retry.num-retries' = '50', 'commit.retry.max-wait-ms' = '500')";
    finished(start(folder.path(), table)?)?;
    let insert = |writer| move |number| format!("INSERT INTO r2.default.t VALUES ({writer}, {number})");
    let scripts = (0..PROCESSES).map(|writer| (0..INSERTS).map(insert(writer)).collect::<Vec<_>>().join(";"));
    let children = scripts.map(|script| start(folder.path(), &script)).collect::<Result<Vec<_>, _>>()?;
    for child in children {
        finished(child)?;
    }
    let count = "SELECT count(*) AS n, count(DISTINCT writer * 100 + number) AS different FROM r2.default.t";
    let found = finished(start(folder.path(), count)?)?;
    let (all, expected) = (PROCESSES * INSERTS, PROCESSES * INSERTS);
    if found != format!("n,different\n{all},{expected}\n") {
        return Err(format!("expected {all} different rows, found\n{found}").into());
    }
    // A commit that lost a race leaves no manifest list behind: one per row that is there.
    let metadata = folder.path().join("default/t/metadata");
    let names = std::fs::read_dir(metadata)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<std::io::Result<Vec<_>>>()?;
    let count = |part: &str| names.iter().filter(|name| name.contains(part)).count();
    let found = (count("-m0.avro"), count("snap-"), count(".metadata.json"));
    if found == (all, all, all + 1) {
        Ok(())
    } else {
        Err(format!("manifests, lists, metadata files: {found:?}").into())
    }
}
