//! Glue as it is found: pages, neighbours of other kinds, other writers, what others keep in an entry.

use std::collections::BTreeMap;

use icelift::{Attach, Engine, ErrorKind};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::world::{equal, failure};
use crate::interop::ask;
use crate::support;
use crate::support::process::Binary;
use crate::support::servers::{AWS_BUCKET, aws_keys, glue, weed};

/// More than the server puts on one page.
const TABLES: usize = 23;
const PROCESSES: usize = 3;
const INSERTS: usize = 3;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("clouds::glue::pages_and_neighbours", pages_and_neighbours),
        Trial::test("clouds::glue::processes_append_to_one_table", processes_append_to_one_table),
        Trial::test("clouds::glue::what_others_keep_stays", what_others_keep_stays),
        Trial::test("clouds::glue::defaults_of_the_environment", defaults_of_the_environment),
    ]
}

/// Glue with everything in its options.
pub(crate) fn attach() -> Result<Attach, Failed> {
    let keys = aws_keys();
    let options = [
        ("type", "glue"),
        ("client.region", "us-east-1"),
        ("client.access-key-id", &keys.access_key),
        ("client.secret-access-key", &keys.secret_key),
        ("glue.endpoint", &glue()?.endpoint),
        ("s3.endpoint", &weed()?.s3_endpoint),
    ];
    Ok(Attach {
        name: "glue".to_owned(),
        warehouse: Some(warehouse()),
        options: options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>(),
        if_not_exists: false,
    })
}

/// Where databases without a location keep their tables.
pub(super) fn warehouse() -> String {
    format!("s3://{AWS_BUCKET}/warehouse")
}

/// The same by what every AWS tool finds in the environment.
pub(super) fn in_environment(binary: Binary) -> Result<Binary, Failed> {
    let keys = aws_keys();
    Ok(binary
        .env("AWS_ACCESS_KEY_ID", keys.access_key)
        .env("AWS_SECRET_ACCESS_KEY", keys.secret_key)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL_GLUE", &glue()?.endpoint)
        .env("AWS_ENDPOINT_URL_S3", &weed()?.s3_endpoint))
}

async fn engine() -> Result<Engine, Failed> {
    let built = Engine::builder().parallelism(2).attach(attach()?).build().await;
    built.map_err(|error| support::told(&error).into())
}

/// A command about the entry of a table, to boto3.
fn about(command: &str, database: &str, table: Option<&str>) -> Result<Value, Failed> {
    let keys = aws_keys();
    let mut request = json!({
        "do": command, "endpoint": &glue()?.endpoint, "access_key": keys.access_key, "secret_key": keys.secret_key,
        "database": database,
    });
    if let Some(table) = table {
        request["table"] = json!(table);
    }
    ask(request)
}

fn pages_and_neighbours() -> Result<(), Failed> {
    let database = "clouds_pages";
    support::block_on(async {
        let engine = engine().await?;
        support::run(&engine, &format!("CREATE SCHEMA glue.{database}")).await?;
        for number in 0..TABLES {
            support::run(&engine, &format!("CREATE TABLE glue.{database}.t{number:02} (id BIGINT)")).await?;
        }
        about("glue_add_others", database, None)?;
        let mut expected: Vec<_> = (0..TABLES).map(|number| vec![format!("t{number:02}")]).collect();
        expected.extend(["other_delta", "other_hive", "other_view"].map(|name| vec![name.to_owned()]));
        expected.sort();
        let of_database = format!("table_catalog = 'glue' AND table_schema = '{database}'");
        let query = format!("SELECT table_name FROM information_schema.tables WHERE {of_database} ORDER BY table_name");
        equal("what is listed", support::rows(&engine, &query).await?, expected)?;
        for (name, words) in [
            ("other_hive", "is a Hive table, not an Iceberg table"),
            ("other_delta", "is a Delta Lake table, not an Iceberg table"),
            ("other_view", "is a view, not an Iceberg table"),
        ] {
            let (kind, message) = failure(&engine, &format!("SELECT * FROM glue.{database}.{name}")).await?;
            let found = (kind, message.contains(words), message.contains("(hint: "), &message);
            equal("what is said", found, (ErrorKind::Unsupported, true, true, &message))?;
        }
        // Beside them, tables are read and written as ever.
        support::run(&engine, &format!("INSERT INTO glue.{database}.t22 VALUES (7)")).await?;
        let found = support::rows(&engine, &format!("SELECT sum(id) FROM glue.{database}.t22")).await?;
        equal("rows", found, vec![vec!["7".to_owned()]])
    })
}

fn processes_append_to_one_table() -> Result<(), Failed> {
    let table = "glue.clouds_processes.t";
    let retries = "TBLPROPERTIES ('commit.retry.num-retries' = '50', 'commit.retry.max-wait-ms' = '500')";
    let create =
        format!("CREATE SCHEMA glue.clouds_processes; CREATE TABLE {table} (writer INT, number INT) {retries}");
    Binary::new()?.attached(&attach()?).sql(&create).stdout()?;
    let start = |writer| {
        let insert = |number| format!("INSERT INTO {table} VALUES ({writer}, {number})");
        let inserts: Vec<_> = (0..INSERTS).map(insert).collect();
        Binary::new()?.attached(&attach()?).sql(&inserts.join(";")).start()
    };
    let started = (0..PROCESSES).map(start).collect::<Result<Vec<_>, _>>()?;
    for process in started {
        process.wait()?.stdout()?;
    }
    let count = format!("SELECT count(*) AS n, count(DISTINCT writer * 100 + number) AS different FROM {table}");
    let found = Binary::new()?.attached(&attach()?).sql(&count).stdout()?;
    let all = PROCESSES * INSERTS;
    equal("rows", found, format!("n,different\n{all},{all}\n"))?;
    // One version for each commit: none of them overwrote another.
    let version = about("glue_entry", "clouds_processes", Some("t"))?["VersionId"].clone();
    let keys = listed("warehouse/clouds_processes.db/t/metadata/")?;
    let count = |part: &str| keys.iter().filter(|key| key.contains(part)).count();
    let found = (count("-m0.avro"), count("snap-"), count(".metadata.json"));
    equal("manifests, lists, metadata files", (found, version), ((all, all, all + 1), json!((all + 1).to_string())))
}

fn listed(prefix: &str) -> Result<Vec<String>, Failed> {
    let client = weed()?.client()?;
    support::block_on(async { client.list(AWS_BUCKET, prefix).await.map_err(|error| error.to_string().into()) })
}

fn what_others_keep_stays() -> Result<(), Failed> {
    let database = "clouds_kept";
    support::block_on(async {
        let engine = engine().await?;
        support::run(&engine, &format!("CREATE SCHEMA glue.{database}")).await?;
        support::run(&engine, &format!("CREATE TABLE glue.{database}.t (id BIGINT)")).await?;
        about("glue_annotate", database, Some("t"))?;
        let before = about("glue_entry", database, Some("t"))?;
        support::run(&engine, &format!("INSERT INTO glue.{database}.t VALUES (1)")).await?;
        let after = about("glue_entry", database, Some("t"))?;
        for key in ["Description", "Owner", "TableType"] {
            equal(key, &after[key], &before[key])?;
        }
        for (key, value) in [("projection.enabled", "true"), ("team", "storage"), ("table_type", "ICEBERG")] {
            equal(key, after["Parameters"][key].as_str(), Some(value))?;
        }
        let (old, new) = (&before["Parameters"]["metadata_location"], &after["Parameters"]["metadata_location"]);
        equal(
            "whether the entry moved on",
            (old != new, &after["Parameters"]["previous_metadata_location"]),
            (true, old),
        )
    })
}

/// Nothing but the region stands in ATTACH: keys, and where Glue and S3 are, come from the environment.
fn defaults_of_the_environment() -> Result<(), Failed> {
    let attach = format!("ATTACH '{}' AS glue (TYPE glue, \"client.region\" 'us-east-1')", warehouse());
    let found = in_environment(Binary::new()?)?
        .sql(&attach)
        .sql("CREATE SCHEMA glue.clouds_environment; CREATE TABLE glue.clouds_environment.t AS SELECT 42 AS id")
        .sql("SELECT id FROM glue.clouds_environment.t")
        .stdout()?;
    equal("what is printed", found.ends_with("id\n42\n"), true)
}
