//! The servers that stand for AWS and Cloudflare do what other trials rely on, and other clients than ours get along with them.

use icelift_testkit::r2_proxy::{Class, Fault, FaultRule, R2Proxy, Side};
use icelift_testkit::s3_client::S3Client;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::interop::ask;
use crate::support;
use crate::support::servers::{
    AWS_BUCKET, Process, R2_BUCKET, aws_keys, aws_session, glue, r2, start_glue, start_rest_fixture, start_weed, weed,
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("doubles::s3_keys_are_good_for_one_bucket", s3_keys_are_good_for_one_bucket),
        Trial::test("doubles::glue_is_as_strict_as_aws", glue_is_as_strict_as_aws),
        Trial::test("doubles::seaweedfs_has_a_catalog", seaweedfs_has_a_catalog),
        Trial::test("doubles::r2_takes_other_clients", r2_takes_other_clients),
        Trial::test("doubles::r2_loses_an_answer", r2_loses_an_answer),
        Trial::test("doubles::r2_keeps_what_was_not_completed", r2_keeps_what_was_not_completed),
        Trial::test("doubles::r2_vends_keys_that_end", r2_vends_keys_that_end),
        Trial::test("doubles::servers_end_with_their_input", servers_end_with_their_input),
    ]
}

fn equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}").into()) }
}

fn s3_keys_are_good_for_one_bucket() -> Result<(), Failed> {
    let (endpoint, admin) = (&weed()?.s3_endpoint, weed()?.client()?);
    let told = |error: icelift_testkit::s3_client::Error| Failed::from(error.to_string());
    support::block_on(async {
        let aws = S3Client::new(endpoint, aws_keys()).map_err(told)?;
        aws.put(AWS_BUCKET, "doubles/a", "content").await.map_err(told)?;
        equal(&aws.get(AWS_BUCKET, "doubles/a").await.map_err(told)?[..], &b"content"[..])?;
        equal(aws.list(AWS_BUCKET, "doubles/").await.map_err(told)?, vec!["doubles/a".to_owned()])?;
        admin.create_bucket("doubles").await.map_err(told)?;
        equal(admin.list("doubles", "").await.map_err(told)?, vec![])?;
        let mut wrong = aws_keys();
        wrong.secret_key.push('x');
        let wrong = S3Client::new(endpoint, wrong).map_err(told)?;
        for (client, bucket) in [(&aws, R2_BUCKET), (&aws, "doubles"), (&wrong, AWS_BUCKET)] {
            match client.put(bucket, "doubles/b", "content").await {
                Err(refused) if refused.to_string().contains("403") => {}
                other => return Err(format!("{bucket}: {other:?}, expected 403").into()),
            }
        }
        Ok(())
    })
}

fn glue_is_as_strict_as_aws() -> Result<(), Failed> {
    let keys = aws_keys();
    let found = ask(json!({
        "do": "glue_answers", "endpoint": &glue()?.endpoint, "access_key": keys.access_key, "secret_key": keys.secret_key,
        "session": aws_session()?,
    }))?;
    let expected = json!({
        "right version": "taken",
        "stale version": "ConcurrentModificationException",
        "missing table": "EntityNotFoundException",
        "existing table": "AlreadyExistsException",
        "other key": "UnrecognizedClientException",
        "session": "taken",
        "session without its token": "UnrecognizedClientException",
        "token of no session": "UnrecognizedClientException",
        "token with another key": "UnrecognizedClientException",
        "pages of 12 tables": [10, 2],
    });
    equal(found, expected)
}

fn seaweedfs_has_a_catalog() -> Result<(), Failed> {
    let catalog = weed()?.catalog();
    ask(json!({"do": "pyiceberg_append", "catalog": &catalog, "table": "doubles.t", "rows": 1000}))?;
    equal(
        ask(json!({"do": "pyiceberg_count", "catalog": catalog, "table": "doubles.t"}))?,
        json!([1000, ["id", "name"]]),
    )
}

/// What a client is told about a proxy.
fn catalog_of(proxy: &R2Proxy, ca: &std::path::Path) -> Result<Value, Failed> {
    std::fs::write(ca, proxy.ca_pem())?;
    Ok(json!({"uri": proxy.catalog_uri(), "warehouse": proxy.warehouse(), "token": proxy.token(), "ca": ca}))
}

fn r2_takes_other_clients() -> Result<(), Failed> {
    let scratch = tempfile::tempdir()?;
    let proxy = r2(|_| {})?;
    let catalog = catalog_of(&proxy, &scratch.path().join("ca.pem"))?;
    let table = "doubles_clients.t";
    for _ in 0..2 {
        ask(json!({"do": "pyiceberg_append", "catalog": &catalog, "table": table, "rows": 1000}))?;
    }
    equal(ask(json!({"do": "pyiceberg_count", "catalog": &catalog, "table": table}))?, json!([2000, ["id", "name"]]))?;
    let query = format!("SELECT count(*), min(id), max(name) FROM r2.{table}");
    let answer = ask(json!({"do": "duckdb_queries", "catalog": &catalog, "queries": [query]}))?;
    equal(answer, json!([[["2000", "0", "row999"]]]))?;

    equal(proxy.violations(), vec![])?;
    let requests = proxy.requests();
    let count = |operation| requests.iter().filter(|request| request.operation == operation).count();
    equal((count("createTable"), count("updateTable")), (1, 2))?;
    let read = requests.iter().any(|request| request.class == Class::B && request.bytes_out > 0);
    equal(("objects are read", read), ("objects are read", true))?;
    // Everything lies where the catalog put it, in R2's bucket.
    let own = format!("/{R2_BUCKET}/__r2_data_catalog/");
    let written = requests.iter().filter(|request| request.class == Class::A && request.bytes_in > 0);
    let (own, others): (Vec<_>, Vec<_>) = written.map(|request| &request.path).partition(|path| path.starts_with(&own));
    equal((own.is_empty(), others), (false, vec![]))
}

/// The commit has landed, the client does not know, and the table shows it.
fn r2_loses_an_answer() -> Result<(), Failed> {
    let scratch = tempfile::tempdir()?;
    let proxy = r2(|_| {})?;
    let catalog = catalog_of(&proxy, &scratch.path().join("ca.pem"))?;
    let table = "doubles_lost.t";
    ask(json!({"do": "pyiceberg_append", "catalog": &catalog, "table": table, "rows": 10}))?;
    let lost = proxy.fault(FaultRule::after(Side::Catalog, Fault::Reset).operation("updateTable"));
    let answer = ask(json!({"do": "pyiceberg_append", "catalog": &catalog, "table": table, "rows": 10}));
    equal((answer.is_err(), lost.hits()), (true, 1))?;
    equal(ask(json!({"do": "pyiceberg_count", "catalog": &catalog, "table": table}))?, json!([20, ["id", "name"]]))
}

/// What trials look at when they want to know whether an upload was aborted.
fn r2_keeps_what_was_not_completed() -> Result<(), Failed> {
    let scratch = tempfile::tempdir()?;
    let proxy = r2(|_| {})?;
    let catalog = catalog_of(&proxy, &scratch.path().join("ca.pem"))?;
    let [completed, aborted] = ["CompleteMultipartUpload", "AbortMultipartUpload"].map(|operation| {
        proxy.fault(FaultRule::before(Side::S3, Fault::s3_error(403, "AccessDenied")).operation(operation).always())
    });
    let append = json!({"do": "pyiceberg_append", "catalog": &catalog, "table": "doubles_uploads.t", "rows": 10});
    equal((ask(append).is_err(), completed.hits()), (true, 1))?;
    let key =
        proxy.requests().into_iter().find(|request| request.operation == "UploadPart").map(|request| request.path);
    let key = key.and_then(|path| Some(path.strip_prefix(&format!("/{R2_BUCKET}/"))?.to_owned()));
    let key = key.ok_or(format!("no part was uploaded; {} uploads were aborted", aborted.hits()))?;
    support::block_on(async {
        let told = |error: icelift_testkit::s3_client::Error| Failed::from(error.to_string());
        let client = weed()?.client()?;
        let (uploads, objects) = (client.list_uploads(R2_BUCKET, &key).await, client.list(R2_BUCKET, &key).await);
        equal((uploads.map_err(told)?, objects.map_err(told)?), (vec![key.clone()], vec![]))
    })
}

fn r2_vends_keys_that_end() -> Result<(), Failed> {
    let scratch = tempfile::tempdir()?;
    let proxy = r2(|settings| settings.session = Some(std::time::Duration::from_secs(600)))?;
    let catalog = catalog_of(&proxy, &scratch.path().join("ca.pem"))?;
    let table = "doubles_sessions.t";
    ask(json!({"do": "pyiceberg_append", "catalog": &catalog, "table": table, "rows": 10}))?;
    equal(ask(json!({"do": "pyiceberg_count", "catalog": &catalog, "table": table}))?, json!([10, ["id", "name"]]))?;
    equal(proxy.violations(), vec![])
}

/// Also those that are killed with us, or whose trial panics, must not live on.
fn servers_end_with_their_input() -> Result<(), Failed> {
    let (weed_process, weed) = start_weed()?;
    let (glue_process, glue_port) = start_glue()?;
    let (fixture_process, fixture_port) = start_rest_fixture(&weed.s3_endpoint)?;
    let port = |url: &str| url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let servers: [(&str, Process, u16); 3] = [
        ("RestFixture", fixture_process, fixture_port),
        ("Glue", glue_process, glue_port),
        ("SeaweedFS", weed_process, port(&weed.s3_endpoint)),
    ];
    for (name, mut process, port) in servers {
        let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let before = listens();
        let ended = process.ends_with_input();
        equal((name, before, ended, listens()), (name, true, true, false))?;
    }
    Ok(())
}
