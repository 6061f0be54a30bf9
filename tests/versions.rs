//! Tables as they were: time travel, and the rows that came since, over a table whose past PyIceberg wrote.

mod migrate;

use std::fs::File;
use std::path::Path;

use arrow::ipc::writer::FileWriter;
use icelift::{Engine, ErrorKind};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clouds::world::{equal, failure};
use crate::interop::ask;
use crate::support;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("versions::every_snapshot_is_what_pyiceberg_reads", every_snapshot),
        Trial::test("versions::times_are_looked_up_in_the_history", times),
        Trial::test("versions::branches_and_tags", branches_and_tags),
        Trial::test("versions::wherever_a_table_stands", wherever_a_table_stands),
        Trial::test("versions::views_of_a_snapshot", views),
        Trial::test("versions::added_rows", added_rows),
        Trial::test("versions::added_rows_refused", added_rows_refused),
        Trial::test("versions::unknown_ones", unknown_ones),
        Trial::test("versions::expired_ones", expired_ones),
        Trial::test("versions::metadata_tables", metadata_tables),
        Trial::test("versions::metadata_alone_is_read", metadata_alone_is_read),
    ];
    trials.extend(migrate::trials());
    trials
}

/// The table `glue.default.t` of `tests/python/versions.py`, and an empty catalog `r2`.
struct World {
    folder: TempDir,
    target: TempDir,
    engine: Engine,
    made: Value,
}

impl World {
    async fn new() -> Result<Self, Failed> {
        let (folder, target) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let made = ask(json!({"do": "write_versions", "folder": folder.path()}))?;
        let engine = support::engine(&[("glue", folder.path()), ("r2", target.path())]).await?;
        support::run(&engine, "CREATE SCHEMA r2.default").await?;
        Ok(Self { folder, target, engine, made })
    }

    /// The id of a snapshot by what it is.
    fn id(&self, name: &str) -> String {
        self.made[name].to_string()
    }

    /// A statement in which `{name}` stands for the id of a snapshot.
    fn sql(&self, text: &str) -> String {
        let made = self.made.as_object().into_iter().flatten();
        made.fold(text.to_string(), |text, (name, id)| text.replace(&format!("{{{name}}}"), &id.to_string()))
    }

    /// The rows of a statement, each in one text.
    async fn rows(&self, text: &str) -> Result<Vec<String>, Failed> {
        let rows = support::rows(&self.engine, &self.sql(text)).await?;
        Ok(rows.into_iter().map(|row| row.join(" ")).collect())
    }

    async fn gives(&self, text: &str, expected: &[&str]) -> Result<(), Failed> {
        equal(text, self.rows(text).await?, expected.iter().map(ToString::to_string).collect())
    }

    async fn fails(&self, text: &str, kind: ErrorKind, told: &str) -> Result<(), Failed> {
        let (found, message) = failure(&self.engine, &self.sql(text)).await?;
        let told = self.sql(told);
        if found == kind && message.contains(&told) {
            return Ok(());
        }
        Err(format!("{text}\nfails with {found:?}: {message}\nexpected {kind:?}: {told}").into())
    }

    /// Stores the answer to a statement in an Arrow file.
    async fn store(&self, text: &str, file: &Path) -> Result<(), Failed> {
        store(&self.engine, &self.sql(text), file).await
    }
}

/// Stores the answer to a statement in an Arrow file.
pub(crate) async fn store(engine: &Engine, sql: &str, file: &Path) -> Result<(), Failed> {
    let (schema, batches) = support::run(engine, sql).await?;
    let mut writer = FileWriter::try_new(File::create(file)?, &schema)?;
    for batch in &batches {
        writer.write(batch)?;
    }
    Ok(writer.finish()?)
}

fn every_snapshot() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        for (name, id) in world.made.as_object().into_iter().flatten() {
            let file = world.target.path().join("rows.arrow");
            world.store(&format!("SELECT * FROM glue.default.t FOR VERSION AS OF {id}"), &file).await?;
            let folder = world.folder.path();
            let asked =
                json!({"do": "compare_version", "folder": folder, "table": "t", "snapshot_id": id, "file": file});
            equal(name, ask(asked)?, json!(""))?;
        }
        world.gives("SELECT * FROM glue.default.t VERSION AS OF {two} ORDER BY id", &["1 row 1", "2 row 2"]).await?;
        world.gives("SELECT * FROM glue.default.t VERSION AS OF '{wide}' WHERE id > 2", &["4 row 4 40"]).await?;
        world.gives("SELECT count(*), max(id) FROM glue.default.t VERSION AS OF {deleted}", &["2 4"]).await
    })
}

/// Whatever the history says of a time is what is read as of that time, also where the table was set back.
fn times() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        let made = "SELECT made_current_at, snapshot_id FROM glue.default.t$history ORDER BY made_current_at";
        let history = support::rows(&world.engine, made).await?;
        let ids: Vec<_> = history.iter().map(|row| row[1].clone()).collect();
        let expected = ["one", "two", "wide", "deleted", "wide", "last"].map(|name| world.id(name));
        equal("the history", ids, expected.to_vec())?;
        for row in &history {
            let (at, id) = (&row[0], &row[1]);
            let count = |version: &str| format!("SELECT count(*), sum(id) FROM glue.default.t FOR {version}");
            let expected = world.rows(&count(&format!("VERSION AS OF {id}"))).await?;
            for version in [format!("TIMESTAMP AS OF '{at}'"), format!("SYSTEM_TIME AS OF TIMESTAMP '{at}'")] {
                equal(at, world.rows(&count(&version)).await?, expected.clone())?;
            }
        }
        world.gives("SELECT count(*) FROM glue.default.t TIMESTAMP AS OF now() AS t", &["4"]).await?;
        let early = "the table had no snapshot at 1999-12-31 23:00:00.000 UTC";
        let before = "SELECT * FROM glue.default.t TIMESTAMP AS OF '2000-01-01T00:00:00+01:00'";
        world.fails(before, ErrorKind::NotFound, early).await?;
        world.fails(before, ErrorKind::NotFound, "UTC with snapshot {one}; SELECT * FROM \"glue\"").await
    })
}

fn branches_and_tags() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        world.gives("SELECT * FROM glue.default.t VERSION AS OF 'tagged' ORDER BY id", &["1 row 1", "2 row 2"]).await?;
        let side = "SELECT * FROM glue.default.t VERSION AS OF 'side' ORDER BY id";
        world.gives(side, &["1 row 1 NULL", "2 row 2 NULL", "3 row 3 NULL"]).await?;
        world.gives("SELECT count(*) FROM glue.default.t FOR SYSTEM_VERSION AS OF 'main'", &["4"]).await?;
        world.gives("SELECT * FROM glue.default.t VERSION AS OF {side} WHERE id = 3", &["3 row 3"]).await
    })
}

fn wherever_a_table_stands() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        let t = "glue.default.t";
        for (text, expected) in [
            (
                format!(
                    "SELECT n.id FROM {t} n LEFT JOIN {t} VERSION AS OF {{two}} AS o ON n.id = o.id WHERE o.id IS NULL ORDER BY 1"
                ),
                &["4", "5"][..],
            ),
            (format!("SELECT id FROM {t} WHERE id NOT IN (SELECT id FROM {t} VERSION AS OF {{wide}})"), &["5"]),
            (format!("WITH q AS (SELECT * FROM {t} VERSION AS OF {{one}}) SELECT q.name FROM q"), &["row 1"]),
            (format!("SELECT (SELECT max(id) FROM {t} VERSION AS OF {{two}}) AS version"), &["2"]),
            (
                format!("SELECT a.id, b.id FROM {t} VERSION AS OF {{one}} a, {t} VERSION AS OF {{two}} b ORDER BY 2"),
                &["1 1", "1 2"],
            ),
            (
                format!("SELECT id FROM {t} VERSION AS OF {{one}} UNION ALL SELECT id FROM {t} VERSION AS OF {{one}}"),
                &["1", "1"],
            ),
            // Columns are found by the table's name, with or without schema and catalog.
            (
                format!("SELECT t.id, default.t.id AS b, glue.default.t.id AS c FROM {t} FOR VERSION AS OF {{one}}"),
                &["1 1 1"],
            ),
            (format!("SELECT version.id FROM {t} AS version WHERE version.id = 1"), &["1"]),
        ] {
            world.gives(&text, expected).await?;
        }
        world.rows(&format!("CREATE TABLE r2.default.copy AS SELECT * FROM {t} VERSION AS OF {{two}}")).await?;
        world
            .rows(&format!("INSERT INTO r2.default.copy SELECT id, name FROM {t} VERSION AS OF 'side' WHERE id = 3"))
            .await?;
        world.gives("SELECT id FROM r2.default.copy ORDER BY id", &["1", "2", "3"]).await?;
        let plan = world.rows(&format!("EXPLAIN SELECT id FROM {t} FOR VERSION AS OF {{two}}")).await?.join("\n");
        let scan = world.sql("IcebergScan: table=`glue.default.t` FOR VERSION AS OF {two}, columns=[id], files=2");
        if !plan.contains(&scan) {
            return Err(format!("{plan}\ndoes not show {scan}").into());
        }
        let cte = "WITH q AS (SELECT 1 AS id) SELECT * FROM q VERSION AS OF 1";
        world.fails(cte, ErrorKind::Sql, "`q` is no table of an attached catalog and has no versions").await?;
        world.fails("SELECT * FROM a.b.c VERSION AS OF 1", ErrorKind::Sql, "`a.b.c` is no table of an attached").await
    })
}

/// A snapshot never changes, so that a view of it may be kept.
fn views() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        world.rows("CREATE VIEW old AS SELECT * FROM glue.default.t VERSION AS OF {two}").await?;
        world.rows("INSERT INTO glue.default.t VALUES (6, 'row 6', 60)").await?;
        world.gives("SELECT count(*) FROM old", &["2"]).await?;
        for version in ["", "VERSION AS OF 'tagged'", "TIMESTAMP AS OF now()"] {
            let view = format!("CREATE VIEW stale AS SELECT * FROM glue.default.t {version}");
            world.fails(&view, ErrorKind::Unsupported, "would go stale").await?;
        }
        Ok(())
    })
}

fn added_rows() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        for (arguments, expected) in [
            ("{one}, {two}", &["2"][..]),
            ("{one}, {wide}", &["2", "4"]),
            ("{two}", &["4", "5"]),
            ("'tagged'", &["4", "5"]),
            ("'tagged', 'side'", &["3"]),
            ("{two}, {two}", &[]),
        ] {
            world
                .gives(&format!("SELECT id FROM added_rows('glue.default.t', {arguments}) ORDER BY id"), expected)
                .await?;
        }
        let named = "SELECT a.* FROM added_rows(table => 'glue.default.t', start_snapshot_id => {one}, end_snapshot_id => {wide}) a \
                     JOIN glue.default.t t ON a.id = t.id WHERE t.id > 2";
        world.gives(named, &["4 row 4 40"]).await?;
        // The columns are those of the later snapshot.
        world.gives("SELECT * FROM added_rows('glue.default.t', {one}, {two})", &["2 row 2"]).await?;
        world.rows("CREATE TABLE r2.default.new AS SELECT * FROM added_rows('glue.default.t', {two})").await?;
        world.gives("SELECT count(*), sum(extra) FROM r2.default.new", &["2 90"]).await
    })
}

fn added_rows_refused() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        for (arguments, kind, told) in [
            (
                "{one}, {deleted}",
                ErrorKind::Unsupported,
                "1 of the snapshots between changed or removed rows: {deleted} (",
            ),
            ("{two}, {one}", ErrorKind::Sql, "the snapshot {two} does not come before the snapshot {one}"),
            ("'side'", ErrorKind::Sql, "the snapshot {side} does not come before the snapshot {last}"),
            ("1", ErrorKind::NotFound, "the table has no snapshot 1"),
            ("{one}, 'nothing'", ErrorKind::NotFound, "the table has no branch or tag `nothing`"),
        ] {
            world.fails(&format!("SELECT * FROM added_rows('glue.default.t', {arguments})"), kind, told).await?;
        }
        world.fails("SELECT * FROM added_rows('glue.default.no', 1)", ErrorKind::NotFound, "does not exist").await?;
        let files = "SELECT * FROM added_rows('glue.default.t$files', {one})";
        world.fails(files, ErrorKind::Unsupported, "`files` is a metadata table and has no added rows").await
    })
}

fn unknown_ones() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        for (version, told) in [
            ("VERSION AS OF 77", "the table has no snapshot 77 (hint: the newest of 6 are {last} of "),
            (
                "VERSION AS OF 'none'",
                "no branch or tag `none` (hint: it has the branch `main`, the branch `side`, the tag `tagged`;",
            ),
        ] {
            world.fails(&format!("SELECT * FROM glue.default.t {version}"), ErrorKind::NotFound, told).await?;
        }
        world.rows("CREATE TABLE r2.default.empty (id BIGINT)").await?;
        world.gives("SELECT count(*) FROM r2.default.empty VERSION AS OF 'main'", &["0"]).await?;
        let none = "SELECT * FROM r2.default.empty VERSION AS OF 1";
        world.fails(none, ErrorKind::NotFound, "the table has no snapshot 1 (hint: it has none yet;").await?;
        let never = "SELECT * FROM r2.default.empty TIMESTAMP AS OF now()";
        world.fails(never, ErrorKind::NotFound, "it has no snapshot yet").await
    })
}

/// A snapshot that has expired is gone, whatever still names it.
fn expired_ones() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        world.rows("CREATE TABLE r2.default.t AS SELECT 1 AS id").await?;
        world.rows("INSERT INTO r2.default.t VALUES (2)").await?;
        world.rows("INSERT INTO r2.default.t VALUES (3)").await?;
        let ids = world
            .rows("SELECT snapshot_id FROM r2.default.t$snapshots ORDER BY committed_at, parent_id NULLS FIRST")
            .await?;
        let folder = world.target.path();
        equal("expired", ask(json!({"do": "expire_snapshots", "folder": folder, "table": "t"}))?, json!(2))?;
        let first = format!("SELECT * FROM r2.default.t VERSION AS OF {}", ids[0]);
        world
            .fails(&first, ErrorKind::NotFound, &format!("has no snapshot {} (hint: it has {} of", ids[0], ids[2]))
            .await?;
        world.gives(&format!("SELECT count(*) FROM r2.default.t VERSION AS OF {}", ids[2]), &["3"]).await?;
        let broken = format!("SELECT * FROM added_rows('r2.default.t', {})", ids[1]);
        world.fails(&broken, ErrorKind::NotFound, &format!("has no snapshot {}", ids[1])).await
    })
}

fn metadata_tables() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        for (text, expected) in [
            ("SELECT count(*) FROM glue.default.t$files", &["4"][..]),
            ("SELECT count(*) FROM glue.default.\"t$files\" FOR VERSION AS OF {two}", &["2"]),
            ("SELECT count(*) FROM glue.default.t.files VERSION AS OF 'side'", &["3"]),
            ("SELECT sum(record_count) FROM glue.default.t$partitions VERSION AS OF {one}", &["1"]),
            ("SELECT count(*) FROM glue.default.t$entries VERSION AS OF {deleted} WHERE status = 2", &["1"]),
            ("SELECT count(*), count(DISTINCT reference_snapshot_id) FROM glue.default.t$all_manifests", &["16 6"]),
            ("SELECT name, type FROM glue.default.t$refs ORDER BY 1", &["main BRANCH", "side BRANCH", "tagged TAG"]),
            ("SELECT is_current_ancestor FROM glue.default.t$history WHERE snapshot_id = {deleted}", &["false"]),
            (
                "SELECT readable_metrics['extra']['lower_bound'] FROM glue.default.t$files ORDER BY 1 LIMIT 2",
                &["40", "50"],
            ),
            (
                "SELECT s.operation, count(*) FROM glue.default.t$entries e JOIN glue.default.t$snapshots s USING (snapshot_id) \
                 GROUP BY 1",
                &["append 4"],
            ),
        ] {
            world.gives(text, expected).await?;
        }
        let history = "SELECT * FROM glue.default.t$history VERSION AS OF {one}";
        world.fails(history, ErrorKind::Unsupported, "`history` tells of the whole table").await?;
        let unknown = "SELECT * FROM glue.default.t$things";
        world.fails(unknown, ErrorKind::NotFound, "metadata tables of a table are $snapshots, $history,").await?;
        world
            .fails("SELECT * FROM glue.default.no$files", ErrorKind::NotFound, "`glue.default.no` does not exist")
            .await?;
        world.fails("INSERT INTO glue.default.t$files SELECT 1", ErrorKind::NotFound, "t$files").await?;
        let names =
            "SELECT count(*) FROM information_schema.tables WHERE table_catalog = 'glue' AND table_schema = 'default'";
        world.gives(names, &["1"]).await?;
        // A table may really have such a name.
        world.rows("CREATE TABLE r2.default.\"u$files\" (id BIGINT)").await?;
        world.gives("SELECT count(id) FROM r2.default.u$files", &["0"]).await
    })
}

/// What was removed cannot have been read: first the data, then the manifests, then the lists.
fn metadata_alone_is_read() -> Result<(), Failed> {
    support::block_on(async {
        let world = World::new().await?;
        let remove = |is: fn(&str) -> bool| {
            let mut removed = 0;
            for file in support::files_below(world.folder.path())? {
                if is(&file.file_name().unwrap_or_default().to_string_lossy()) {
                    std::fs::remove_file(file)?;
                    removed += 1;
                }
            }
            if removed == 0 { Err(Failed::from("nothing was removed")) } else { Ok(()) }
        };
        let read = async |tables: &[&str]| {
            for table in tables {
                world.rows(&format!("SELECT * FROM glue.default.t${table}")).await?;
            }
            Ok::<_, Failed>(())
        };
        remove(|name| name.ends_with(".parquet"))?;
        read(&["files", "data_files", "delete_files", "entries", "partitions"]).await?;
        world.fails("SELECT * FROM glue.default.t", ErrorKind::NotFound, "parquet").await?;
        remove(|name| name.ends_with(".avro") && !name.starts_with("snap-"))?;
        read(&["manifests", "all_manifests"]).await?;
        world.fails("SELECT * FROM glue.default.t$files", ErrorKind::NotFound, "avro").await?;
        remove(|name| name.ends_with(".avro"))?;
        read(&["snapshots", "history", "refs", "metadata_log_entries"]).await?;
        world.fails("SELECT * FROM glue.default.t$manifests", ErrorKind::NotFound, "snap-").await
    })
}
