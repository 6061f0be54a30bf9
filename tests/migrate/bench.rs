//! One migration on the bench: a source, a target, the statement, and a look at what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use icelift::Attach;
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clouds::world::equal;
use crate::interop::ask;
use crate::support;
use crate::support::once::once;
use crate::support::process::{Binary, Started};

/// Each with several files, but the last two: one each.
pub(super) const BATCHES: [&str; 4] = ["year=2021", "year=2022", "year=2023", "year=null"];
/// Files of the source; each is a slice of its own.
pub(super) const SLICES: usize = 6;
/// Rows of the source: what is inserted less what is deleted.
pub(super) const ROWS: u64 = 6 * 20 - 3;

const TABLE: &str = "CREATE TABLE glue.default.t (id BIGINT, date DATE, name STRING, x DOUBLE, f FLOAT, price DECIMAL(9, 2), \
     info STRUCT<a: INT, b: STRING>, tags ARRAY<STRING>, year INT) PARTITIONED BY (year)";

/// What a statement says between its tables and its options, and what that is to DuckDB.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) clauses: &'static str,
    pub(super) options: &'static str,
    /// The target's columns, in DuckDB's words.
    pub(super) columns: &'static str,
}

pub(super) const BY_YEAR: Words = Words {
    clauses: "SELECT *, quarter(date) AS quarter PARTITIONED BY (year, quarter) BATCH BY year",
    options: "slice_bytes = '1KiB'",
    columns: "*, 'Q' || quarter(date) AS quarter",
};

/// The rows with ids from `first` to `last`, spread over these years in turn.
pub(super) fn insert(first: usize, last: usize, years: &[&str]) -> String {
    let of = |what: &str| {
        let arms = (0..).zip(years).map(|(number, year)| match (what, *year) {
            ("date", "NULL") => format!("WHEN {number} THEN NULL"),
            ("date", year) => format!(
                "WHEN {number} THEN CASE value % 4 WHEN 0 THEN DATE '{year}-02-28' WHEN 1 THEN DATE '{year}-06-30' \
                 WHEN 2 THEN DATE '{year}-07-01' ELSE DATE '{year}-12-31' END"
            ),
            (_, year) => format!("WHEN {number} THEN {year}"),
        });
        format!("CASE value % {} {} END", years.len(), arms.collect::<Vec<_>>().join(" "))
    };
    format!(
        "INSERT INTO glue.default.t SELECT value AS id, {} AS date, \
         CASE WHEN value % 5 = 0 THEN NULL WHEN value % 5 = 1 THEN '' ELSE 'row ' || value END AS name, \
         CASE value % 6 WHEN 0 THEN CAST('NaN' AS DOUBLE) WHEN 1 THEN NULL WHEN 2 THEN CAST('-0.0' AS DOUBLE) \
         WHEN 3 THEN CAST('Infinity' AS DOUBLE) ELSE value / 3.0 END AS x, \
         CAST(value AS FLOAT) AS f, CAST(value AS DECIMAL(9, 2)) AS price, \
         CASE WHEN value % 3 = 0 THEN NULL ELSE named_struct('a', CAST(value AS INT), 'b', 'b' || value) END AS info, \
         CASE WHEN value % 4 = 0 THEN NULL ELSE make_array('t' || value, NULL) END AS tags, \
         CAST({} AS INT) AS year FROM generate_series({first}, {last})",
        of("date"),
        of("year")
    )
}

/// A catalog in a folder.
pub(super) fn local(name: &str, folder: &Path) -> Attach {
    Attach {
        name: name.to_owned(),
        warehouse: Some(folder.display().to_string()),
        options: [("type".to_owned(), "local".to_owned())].into_iter().collect(),
        if_not_exists: false,
    }
}

/// A source that nobody changes, written when the first trial asks for it.
static SOURCE: OnceLock<Result<PathBuf, String>> = OnceLock::new();

fn shared_source() -> Result<&'static Path, Failed> {
    let write = || {
        let folder = tempfile::Builder::new().prefix("icelift-migrate-source-").tempdir()?;
        write_source(folder.path())?;
        // From here on `clean_up` removes it.
        Ok::<_, Failed>(folder.keep())
    };
    Ok(once(&SOURCE, write)?)
}

/// Removes the source of all trials; a static is never dropped.
pub(crate) fn clean_up() {
    if let Some(Ok(folder)) = SOURCE.get() {
        // What cannot be removed from a temporary folder is no reason to fail.
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// By our INSERT, and for the deletes by PyIceberg.
fn write_source(folder: &Path) -> Result<(), Failed> {
    support::block_on(async {
        let engine = support::engine(&[("glue", folder)]).await?;
        support::run(&engine, "CREATE SCHEMA glue.default").await?;
        support::run(&engine, TABLE).await?;
        support::run(&engine, &insert(0, 79, &["2021", "2022", "2023", "NULL"])).await?;
        support::run(&engine, &insert(80, 119, &["2021", "2022"])).await?;
        Ok(())
    })?;
    ask_about("delete_positions", folder, json!({"year": 2022, "positions": [0, 7, 19]})).map(drop)
}

/// Where the rows go.
pub(super) struct Target {
    pub(super) attach: Attach,
    /// The full name.
    pub(super) table: String,
    /// As `migrations.py` opens it.
    pub(super) opened: Value,
    pub(super) properties: String,
}

pub(super) struct Bench {
    folder: TempDir,
    pub(super) source: PathBuf,
    pub(super) target: Target,
    pub(super) words: Words,
    runs: AtomicUsize,
}

/// What a run left.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// The failpoints that it came past, in their order.
    pub(super) hits: Vec<String>,
}

/// How a run differs from the plain one.
#[derive(Clone, Copy, Default)]
pub(super) struct With<'a> {
    /// As in `ICELIFT_FAILPOINTS`.
    pub(super) points: &'a str,
    /// Arguments of the binary.
    pub(super) args: &'a [&'a str],
    /// Further options of the statement, each behind a comma.
    pub(super) options: &'a str,
}

/// A machine with two cores and enough memory, and one that is not like it: what one began the other continues.
pub(super) const MACHINES: [&[&str]; 2] = [&["--threads", "2"], &["--threads", "1", "--memory-limit", "350MB"]];

impl Bench {
    /// From the source of all trials into a local catalog.
    pub(super) fn new() -> Result<Self, Failed> {
        Self::of(shared_source()?.to_path_buf(), tempfile::tempdir()?, BY_YEAR)
    }

    /// With a source of its own, to be changed.
    pub(super) fn apart() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let source = folder.path().join("glue");
        write_source(&source)?;
        Self::of(source, folder, BY_YEAR)
    }

    /// From the catalog in the folder `glue` of a folder, by other words.
    pub(super) fn by(words: Words, folder: TempDir) -> Result<Self, Failed> {
        Self::of(folder.path().join("glue"), folder, words)
    }

    fn of(source: PathBuf, folder: TempDir, words: Words) -> Result<Self, Failed> {
        let r2 = folder.path().join("r2");
        support::block_on(async {
            let engine = support::engine(&[("r2", &r2)]).await?;
            support::run(&engine, "CREATE SCHEMA r2.default").await.map(drop)
        })?;
        let target = Target {
            attach: local("r2", &r2),
            table: "r2.default.t".to_owned(),
            opened: json!({"folder": r2, "table": "t"}),
            properties: String::new(),
        };
        Ok(Self { folder, source, target, words, runs: AtomicUsize::new(0) })
    }

    /// From the source of all trials to somewhere else.
    pub(super) fn to(target: Target) -> Result<Self, Failed> {
        let (source, folder) = (shared_source()?.to_path_buf(), tempfile::tempdir()?);
        Ok(Self { folder, source, target, words: BY_YEAR, runs: AtomicUsize::new(0) })
    }

    /// The folder of a local target catalog.
    pub(super) fn target_folder(&self) -> PathBuf {
        self.folder.path().join("r2")
    }

    fn statement(&self, options: &str) -> String {
        let (Target { table, properties, .. }, Words { clauses, options: own, .. }) = (&self.target, self.words);
        format!("MIGRATE TABLE glue.default.t TO {table} {clauses} {properties} WITH ({own}{options})")
    }

    fn binary(&self) -> Result<Binary, Failed> {
        Ok(Binary::new()?.attached(&local("glue", &self.source)).attached(&self.target.attach))
    }

    pub(super) fn start(&self, with: With<'_>) -> Result<Going, Failed> {
        self.start_sql(&self.statement(with.options), with)
    }

    /// Runs another statement like the migration's own.
    pub(super) fn run_sql(&self, sql: &str, with: With<'_>) -> Result<Outcome, Failed> {
        self.start_sql(sql, with)?.wait()
    }

    fn start_sql(&self, sql: &str, with: With<'_>) -> Result<Going, Failed> {
        let hits = self.folder.path().join(format!("hits{}", self.runs.fetch_add(1, Relaxed)));
        let binary = self.binary()?.args(with.args).sql(sql);
        let binary = binary.env("ICELIFT_FAILPOINTS", with.points).env("ICELIFT_FAILPOINTS_HIT", &hits);
        Ok(Going { started: binary.start()?, hits })
    }

    pub(super) fn run(&self, with: With<'_>) -> Result<Outcome, Failed> {
        self.start(with)?.wait()
    }

    /// Runs the statement to its end, which must be a good one.
    pub(super) fn finish(&self, with: With<'_>) -> Result<Outcome, Failed> {
        self.run(with)?.done()
    }

    /// Runs another statement with both catalogs attached.
    pub(super) fn sql(&self, sql: &str) -> Result<String, Failed> {
        self.binary()?.sql(sql).stdout()
    }

    /// Rows come into the source: with ids from `first` to `last`, spread over these years.
    pub(super) fn insert(&self, first: usize, last: usize, years: &[&str]) -> Result<(), Failed> {
        self.sql(&insert(first, last, years)).map(drop)
    }

    pub(super) fn audit(&self) -> Result<Value, Failed> {
        self.compared("true", None)
    }

    /// The target's rows for which the condition holds, compared with the source, or with what it was at some metadata file.
    pub(super) fn compared(&self, condition: &str, at: Option<&str>) -> Result<Value, Failed> {
        ask(json!({
            "do": "migration_audit",
            "source": {"folder": self.source, "table": "t", "at": at},
            "target": self.target.opened,
            "columns": self.words.columns,
            "condition": condition,
        }))
    }

    /// A function of `migrations.py` about the target.
    pub(super) fn ask_target(&self, name: &str, more: Value) -> Result<Value, Failed> {
        ask_about(name, &self.target_folder(), more)
    }

    /// A function of `migrations.py` about the source.
    pub(super) fn ask_source(&self, name: &str, more: Value) -> Result<Value, Failed> {
        ask_about(name, &self.source, more)
    }

    /// Rows and snapshots: everything once.
    pub(super) fn arrived(&self) -> Result<Value, Failed> {
        let once: BTreeMap<_, _> = BATCHES.iter().map(|batch| (*batch, 1)).collect();
        let audit = self.holds_with(&json!(once))?;
        equal("rows", audit["rows"].as_u64(), Some(ROWS))?;
        Ok(audit)
    }

    /// The rows of the source, and so many snapshots for each batch.
    pub(super) fn holds_with(&self, batches: &Value) -> Result<Value, Failed> {
        let audit = self.audit()?;
        equal("differences", audit["difference"].as_str(), Some(""))?;
        equal("rows that the last snapshot counts", &audit["total_records"], &audit["rows"])?;
        equal("snapshots of each batch", &audit["batches"], batches)?;
        equal("registers", audit["registers"].as_array().map_or(0, Vec::len), 1)?;
        Ok(audit)
    }

    /// The same, and the files: none is missing, and none is left over but those that a clean-up knows by their names.
    pub(super) fn holds(&self, left: Left) -> Result<Value, Failed> {
        let audit = self.arrived()?;
        self.files(left)?;
        Ok(audit)
    }

    /// No file is missing, and none is left over but those that `remove_orphan_files` finds, and then removes.
    pub(super) fn files(&self, left: Left) -> Result<(), Failed> {
        let there = self.left_over()?;
        if left != Left::Nothing && !there.is_empty() {
            let found = self.orphans(true)?;
            let unknown: Vec<_> = there.difference(&found).collect();
            equal("files that are left over and not found", unknown, vec![])?;
            let wrong: Vec<_> = found.difference(&there).collect();
            equal("files that are found and not left over", wrong, vec![])?;
            equal("files that are removed", self.orphans(false)?, found)?;
        }
        equal("files that are left over", self.left_over()?, BTreeSet::new())
    }

    fn left_over(&self) -> Result<BTreeSet<String>, Failed> {
        let found = ask(json!({"do": "migration_objects", "target": self.target.opened}))?;
        equal("files that are gone", &found["gone"], &json!([]))?;
        let files = found["left"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Ok(files.map(str::to_owned).collect())
    }

    /// What migrations have left in the target, as the procedure tells.
    pub(super) fn orphans(&self, dry_run: bool) -> Result<BTreeSet<String>, Failed> {
        let table = self.target.table.trim_start_matches("r2.");
        let call =
            format!("CALL r2.system.remove_orphan_files(table => '{table}', job => 'all', dry_run => {dry_run})");
        let told = self.sql(&call)?;
        Ok(told.lines().skip(1).map(|line| line.trim_start_matches("file://").to_owned()).collect())
    }

    /// Another run finds nothing to do, and does nothing.
    pub(super) fn is_finished(&self) -> Result<(), Failed> {
        let before = self.audit()?;
        let again = self.finish(With::default())?;
        equal("states", again.states(), BATCHES.map(|batch| (batch.to_owned(), "done".to_owned())).into())?;
        equal("what it came past", again.hits, vec!["finish.before_report".to_owned()])?;
        equal("the table", self.audit()?, before)
    }
}

fn ask_about(name: &str, folder: &Path, more: Value) -> Result<Value, Failed> {
    let mut request = json!({"do": name, "folder": folder, "table": "t"});
    for (key, value) in more.as_object().into_iter().flatten() {
        request[key] = value.clone();
    }
    ask(request)
}

/// What may be left in a table's folder when a migration is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// What `remove_orphan_files` finds: somebody wrote it afterwards.
    Named,
}

/// A run under way.
pub(super) struct Going {
    pub(super) started: Started,
    hits: PathBuf,
}

impl Going {
    /// The failpoints that it has come past so far.
    pub(super) fn hits(&self) -> Result<Vec<String>, Failed> {
        hits(&self.hits)
    }

    pub(super) fn wait(self) -> Result<Outcome, Failed> {
        let ran = self.started.wait()?;
        if ran.stderr.contains("panicked at") {
            return Err(format!("it panicked: {}", ran.stderr).into());
        }
        Ok(Outcome { code: ran.code, stdout: ran.stdout, stderr: ran.stderr, hits: hits(&self.hits)? })
    }

    /// Waits until it has stopped at a failpoint with the action `freeze`.
    pub(super) fn freezes(&self) -> Result<(), Failed> {
        wait_until("the process to stop", || Ok(self.started.state()? == 'T'))
    }

    /// Lets a process that stopped go on, to its end.
    pub(super) fn wakes(self) -> Result<Outcome, Failed> {
        self.started.signal("CONT")?;
        self.wait()
    }
}

fn hits(file: &Path) -> Result<Vec<String>, Failed> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Waits at most a minute.
pub(super) fn wait_until(what: &str, done: impl Fn() -> Result<bool, Failed>) -> Result<(), Failed> {
    let start = Instant::now();
    while !done()? {
        if start.elapsed() > Duration::from_secs(60) {
            return Err(format!("waited a minute for {what}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

impl Outcome {
    /// It did all that there was to do.
    pub(super) fn done(self) -> Result<Self, Failed> {
        self.ended(0)
    }

    /// It did not, and the same statement goes on.
    pub(super) fn stopped(self) -> Result<Self, Failed> {
        self.ended(3)
    }

    pub(super) fn ended(self, code: i32) -> Result<Self, Failed> {
        if self.code == code {
            return Ok(self);
        }
        let Self { code: found, stdout, stderr, hits } = &self;
        Err(format!("exit code {found}, expected {code}\n{stdout}{stderr}past {}", hits.join(" ")).into())
    }

    pub(super) fn passed(&self, failpoint: &str) -> bool {
        self.hits.iter().any(|hit| hit == failpoint)
    }

    pub(super) fn says(self, words: &str) -> Result<Self, Failed> {
        if self.stderr.contains(words) { Ok(self) } else { Err(format!("no `{words}` in: {}", self.stderr).into()) }
    }

    /// The batches of the answer and what became of each, in the order of their names.
    pub(super) fn states(&self) -> Vec<(String, String)> {
        let cells = |line: &str| {
            let mut cells = line.split(',').map(str::to_owned);
            Some((cells.next()?, cells.next()?))
        };
        let mut states: Vec<_> = self.stdout.lines().skip(1).filter_map(cells).collect();
        states.sort();
        states
    }
}
