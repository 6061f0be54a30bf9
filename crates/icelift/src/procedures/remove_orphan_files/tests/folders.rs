//! Whatever is old and nobody's.

use super::{World, age, call, refused, run, table};
use crate::Engine;
use crate::error::ErrorKind;

const NOTHING: [String; 0] = [];

/// A table with two snapshots, all of whose files are old.
async fn aged(world: &World) -> Engine {
    let engine = world.filled().await;
    run(&engine, "CREATE TABLE dst.n.t PARTITIONED BY (\"_p\") AS SELECT 1 AS id, 'a' AS \"_p\"").await.unwrap();
    run(&engine, "INSERT INTO dst.n.t VALUES (2, 'b')").await.unwrap();
    for file in world.files() {
        age(std::path::Path::new(file.strip_prefix("file://").unwrap()), 30);
    }
    engine
}

#[tokio::test]
async fn old_files_that_nothing_refers_to() {
    let world = World::new();
    let engine = aged(&world).await;
    let needed = world.files();
    assert_eq!(call(&engine, "").await.unwrap(), NOTHING);
    let orphans = [
        world.put("n/t/data/_p=c/x.parquet", 4),
        world.put("n/t/data/y.parquet", 4),
        world.put("n/t/data/z.parquet#1", 4),
        world.put("n/t/metadata/snap-1-1-x.avro", 4),
    ];
    // Younger than three days, and what Spark passes over.
    let others = [
        world.put("n/t/data/young.parquet", 2),
        world.put("n/t/data/_temporary/x.parquet", 9),
        world.put("n/t/data/.y.parquet.crc", 9),
        world.put("n/t/metadata/version-hint.text", 9),
    ];
    assert_eq!(call(&engine, "").await.unwrap(), orphans);
    assert_eq!(
        call(&engine, &format!(", location => '{}'", world.path("n/t/metadata").display())).await.unwrap(),
        [world.path("n/t/metadata/snap-1-1-x.avro").display().to_string()]
    );
    let time = |days: i64| {
        let time = chrono::Utc::now() - chrono::TimeDelta::days(days);
        format!(", older_than => TIMESTAMP '{}'", time.format("%Y-%m-%d %H:%M:%S"))
    };
    assert_eq!(call(&engine, &time(5)).await.unwrap(), NOTHING);
    let young = call(&engine, &time(0)).await.unwrap();
    assert_eq!(young.len(), orphans.len() + 1, "the list may be of any age");
    let (kind, message) = refused(&engine, &format!("{}, dry_run => false", time(0))).await;
    assert_eq!((kind, message.as_str()), (ErrorKind::Sql, "objects that are younger than 24 hours are not removed"));
    assert_eq!(call(&engine, ", dry_run => false, max_concurrent_deletes => 2").await.unwrap(), orphans);
    let left = world.files();
    assert!(needed.iter().chain(&others).all(|file| left.contains(file)));
    assert_eq!(left.len(), needed.len() + others.len());
    assert_eq!(run(&engine, "SELECT count(*) FROM dst.n.t").await.unwrap(), ["2"]);
}

#[tokio::test]
async fn files_of_known_migrations_are_for_the_other_form() {
    let world = World::new();
    let engine = world.filled().await;
    let stopped = world.engine("commit.before:error:2").await;
    let migrate = "MIGRATE TABLE src.n.t TO dst.n.t BATCH BY year WITH (verify 'metadata')";
    assert!(run(&stopped, migrate).await.is_err());
    stopped.settle().await;
    for file in world.files() {
        age(std::path::Path::new(file.strip_prefix("file://").unwrap()), 30);
    }
    let unknown = world.put("n/t/data/icelift-00000000000000aa-1-0-x.parquet", 30);
    assert_eq!(call(&engine, ", dry_run => false").await.unwrap(), [unknown]);
    // The listing of the first batch, which would have gone with the second one's commit; the second one's file and listing, and
    // those of the third if it came as far.
    let left = call(&engine, ", job => 'all'").await.unwrap().len();
    assert!(matches!(left, 3 | 5), "{left}");
}

#[tokio::test]
async fn folders_of_several_tables_are_refused() {
    let world = World::new();
    let engine = aged(&world).await;
    world.put("n/t/data/y.parquet", 9);
    let (kind, message) = refused(&engine, &format!(", location => '{}'", world.location("n"))).await;
    assert_eq!(kind, ErrorKind::Unsupported, "{message}");
    assert!(message.ends_with("the folder is above the table's own, where other tables may be"), "{message}");
    // One in the folder, of a catalog that is not asked.
    world.put("n/t/sub/metadata/00000-x.metadata.json", 9);
    let (kind, message) = refused(&engine, "").await;
    assert_eq!(
        (kind, message.ends_with("the folder holds files of another table")),
        (ErrorKind::Unsupported, true),
        "{message}"
    );
    std::fs::remove_dir_all(world.path("n/t/sub")).unwrap();
    // One at the same place.
    let create = format!("CREATE TABLE dst.n.twin (id INT) LOCATION '{}'", world.location("n/t"));
    run(&engine, &create).await.unwrap();
    assert_eq!(call(&engine, "").await.unwrap().len(), 1);
    let (kind, message) = refused(&engine, ", dry_run => false").await;
    assert_eq!(kind, ErrorKind::Unsupported, "{message}");
    assert!(message.ends_with("the folder holds files of the table `dst.n.twin`"), "{message}");
    run(&engine, "DROP TABLE dst.n.twin").await.unwrap();
    assert_eq!(call(&engine, ", dry_run => false").await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_goes_if_the_table_cannot_be_read_whole() {
    let world = World::new();
    let engine = aged(&world).await;
    let orphan = world.put("n/t/data/y.parquet", 9);
    let first = table(&engine).await;
    let list = first.metadata.snapshots().map(|snapshot| snapshot.manifest_list().to_string()).min().unwrap();
    std::fs::write(list.strip_prefix("file://").unwrap(), "x").unwrap();
    let (kind, message) = refused(&engine, ", dry_run => false").await;
    assert_eq!((kind, message.contains("the manifest list cannot be read")), (ErrorKind::Read, true), "{message}");
    assert!(world.files().contains(&orphan));
}

#[tokio::test]
async fn tables_that_do_not_own_their_files_are_listed_only() {
    let world = World::new();
    let engine = aged(&world).await;
    run(&engine, "CREATE OR REPLACE TABLE dst.n.t (id INT) TBLPROPERTIES ('gc.enabled' = 'false')").await.unwrap();
    let orphan = world.put("n/t/data/y.parquet", 9);
    assert_eq!(call(&engine, "").await.unwrap(), [orphan]);
    let (kind, message) = refused(&engine, ", dry_run => false").await;
    assert_eq!((kind, message.contains("`gc.enabled` is false")), (ErrorKind::Unsupported, true), "{message}");
    let (kind, _) = refused(&engine, ", max_concurrent_deletes => 0").await;
    assert_eq!(kind, ErrorKind::Sql);
}

#[tokio::test]
async fn names_of_tables() {
    let world = World::new();
    let engine = aged(&world).await;
    run(&engine, "CREATE TABLE dst.n.\"Big\" (id INT)").await.unwrap();
    let call = async |table: &str| run(&engine, &format!("CALL dst.system.remove_orphan_files('{table}')")).await;
    for name in ["n.t", "N.T", "dst.n.t", "n.\"Big\""] {
        assert_eq!(call(name).await.unwrap(), NOTHING, "{name}");
    }
    for (name, kind) in
        [("n.Big", ErrorKind::NotFound), ("t", ErrorKind::Sql), ("n.t x", ErrorKind::Sql), ("", ErrorKind::Sql)]
    {
        assert_eq!(call(name).await.unwrap_err().kind(), kind, "{name}");
    }
    let error = run(&engine, "CALL dst.system.migrate('n.t')").await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::NotFound, "there is no procedure `migrate`"));
    let error = run(&engine, "CALL nowhere.system.remove_orphan_files('n.t')").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// A view lists the objects, also those that are somewhere else; what the same path in another store means is said.
#[tokio::test]
async fn a_view_that_lists_objects() {
    let world = World::new();
    let engine = aged(&world).await;
    let needed = world.files().into_iter().find(|file| file.ends_with(".parquet")).unwrap();
    let (old, young) = (world.put("n/t/data/y.parquet", 9), world.location("n/t/data/young.parquet"));
    let copy = needed.replace("file://", "s3://b");
    let view = format!(
        "CREATE VIEW files AS SELECT * FROM (VALUES ('{needed}', TIMESTAMP '2024-05-01'), ('{old}', TIMESTAMP '2024-05-01'), \
         ('{copy}', TIMESTAMP '2024-05-01'), ('{young}', now()), ('file:///elsewhere', TIMESTAMP '2024-05-01')) \
         AS files(file_path, last_modified)"
    );
    run(&engine, &view).await.unwrap();
    assert_eq!(call(&engine, ", file_list_view => 'files'").await.unwrap(), std::slice::from_ref(&old));
    let there =
        format!(", file_list_view => 'files', location => '{}'", world.location("n/t").replace("file://", "s3://b"));
    let (kind, message) = refused(&engine, &there).await;
    assert_eq!(
        (kind, message.contains("the table refers to the same path")),
        (ErrorKind::Unsupported, true),
        "{message}"
    );
    let mode = |mode: &str| format!("{there}, prefix_mismatch_mode => '{mode}'");
    assert_eq!(call(&engine, &mode("ignore")).await.unwrap(), NOTHING);
    assert_eq!(call(&engine, &mode("DELETE")).await.unwrap(), [copy]);
    let equal = format!("{there}, equal_schemes => map('s3', 'file'), equal_authorities => map('b', '')");
    assert_eq!(call(&engine, &equal).await.unwrap(), NOTHING);
    for (view, kind) in [
        ("SELECT 'x' AS file_path", ErrorKind::Sql),
        ("SELECT 'x' AS file_path, 5 AS last_modified", ErrorKind::SchemaMismatch),
        ("SELECT NULL AS file_path, now() AS last_modified", ErrorKind::SchemaMismatch),
    ] {
        run(&engine, &format!("CREATE OR REPLACE VIEW bad AS {view}")).await.unwrap();
        assert_eq!(refused(&engine, ", file_list_view => 'bad'").await.0, kind, "{view}");
    }
    for argument in ["file_list_view => 'files'", "equal_schemes => map('a', 'b')", "prefix_mismatch_mode => 'ERROR'"] {
        let (kind, message) = refused(&engine, &format!(", job => 'all', {argument}")).await;
        assert_eq!((kind, message.ends_with("does not go with `job`")), (ErrorKind::Sql, true), "{message}");
    }
}
