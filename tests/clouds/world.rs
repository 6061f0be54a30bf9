//! R2 as one trial has it: a proxy, a namespace, a table with rows whose ids count from zero.

use std::path::PathBuf;

use icelift::{Attach, Engine, ErrorKind};
use icelift_testkit::r2_proxy::{Class, FaultRule, R2Proxy, Recorded, Settings};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::interop::ask;
use crate::support;
use crate::support::servers::{R2_BUCKET, r2, weed};

/// The rows that the table has before anything goes wrong.
pub(super) const SEED_ROWS: usize = 10;

/// Waits that a test can wait for.
pub(crate) const HASTY: [(&str, &str); 3] =
    [("s3.retry.min-wait-ms", "20"), ("s3.retry.max-wait-ms", "700"), ("rest.client.retry-timeout-ms", "20000")];

/// A fault that a table of trials makes when its trial comes.
pub(crate) type MakeRule = fn() -> FaultRule;

pub(crate) struct World {
    pub(crate) proxy: R2Proxy,
    pub(crate) namespace: String,
    folder: TempDir,
}

pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}").into()) }
}

impl World {
    /// Namespaces are shared with all other trials, so each needs a name of its own.
    pub(crate) fn new(namespace: impl Into<String>) -> Result<Self, Failed> {
        Self::with(namespace, |_| {})
    }

    pub(crate) fn with(namespace: impl Into<String>, change: impl FnOnce(&mut Settings)) -> Result<Self, Failed> {
        let (proxy, folder) = (r2(change)?, tempfile::tempdir()?);
        std::fs::write(folder.path().join("ca.pem"), proxy.ca_pem())?;
        Ok(Self { proxy, namespace: namespace.into(), folder })
    }

    /// The file of the authority that the proxy's certificates are from.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn table(&self) -> String {
        format!("r2.{}.t", self.namespace)
    }

    /// What PyIceberg and DuckDB are told.
    pub(crate) fn catalog(&self) -> Value {
        let proxy = &self.proxy;
        json!({"uri": proxy.catalog_uri(), "warehouse": proxy.warehouse(), "token": proxy.token(), "ca": self.ca()})
    }

    pub(crate) fn attach(&self, options: &[(&str, &str)]) -> Attach {
        let (uri, ca) = (self.proxy.catalog_uri(), self.ca().display().to_string());
        let own = [("type", "r2"), ("uri", &uri), ("token", self.proxy.token()), ("ssl.cabundle", &ca)];
        let options = own.iter().chain(options).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Attach {
            name: "r2".to_owned(),
            warehouse: Some(self.proxy.warehouse()),
            options: options.collect(),
            if_not_exists: false,
        }
    }

    pub(super) async fn engine(&self, options: &[(&str, &str)]) -> Result<Engine, Failed> {
        let options: Vec<_> = HASTY.iter().chain(options).copied().collect();
        let built = Engine::builder().parallelism(2).attach(self.attach(&options)).build().await;
        built.map_err(|error| support::told(&error).into())
    }

    /// An engine, and the table with its first rows.
    pub(super) async fn seeded(&self, options: &[(&str, &str)]) -> Result<Engine, Failed> {
        let engine = self.engine(options).await?;
        let table = self.table();
        support::run(&engine, &format!("CREATE SCHEMA r2.{}", self.namespace)).await?;
        support::run(&engine, &format!("CREATE TABLE {table} (id BIGINT, name STRING)")).await?;
        support::run(&engine, &self.insert(0, SEED_ROWS)).await?;
        Ok(engine)
    }

    /// Rows with the ids from `start` to before `end`.
    pub(super) fn insert(&self, start: usize, end: usize) -> String {
        let rows = format!("generate_series({start}, {})", end - 1);
        format!("INSERT INTO {} SELECT value AS id, 'row' || value AS name FROM {rows}", self.table())
    }

    /// What the engine reads: rows, different ids, their sum.
    pub(super) async fn read(&self, engine: &Engine) -> Result<(), Failed> {
        self.read_rows(engine, 2 * SEED_ROWS).await
    }

    pub(super) async fn read_rows(&self, engine: &Engine, rows: usize) -> Result<(), Failed> {
        let columns = "count(id), count(DISTINCT id), sum(id), count(DISTINCT name)";
        let found = support::rows(engine, &format!("SELECT {columns} FROM {}", self.table())).await?;
        let sum = sum_below(rows);
        equal("rows that we read", found, vec![[rows, rows, sum, rows].map(|figure| figure.to_string()).to_vec()])
    }

    /// Looks past the proxy of the trial: the ids from 0 on once each, so many snapshots, no object too many or too few.
    pub(super) fn holds(&self, rows: usize, snapshots: usize) -> Result<(), Failed> {
        let found = self.audit()?;
        let expected = (json!([rows, rows, sum_below(rows)]), json!(snapshots));
        equal("rows and snapshots", (found["ids"].clone(), found["snapshots"].clone()), expected)?;
        let known: Vec<_> = found["objects"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let there = self.objects(&found)?;
        // Metadata files are the server's: where two commits meet there, it keeps that of the loser.
        let is_ours = |object: &&String| !object.ends_with(".metadata.json");
        let left: Vec<_> = there.iter().filter(is_ours).filter(|object| !known.contains(&object.as_str())).collect();
        let gone: Vec<_> = known.iter().filter(|object| !there.iter().any(|there| there == *object)).collect();
        equal("objects that are left over, and that are gone", (left, gone), (vec![], vec![]))?;
        equal("unfinished uploads", self.uploads(&found)?, vec![])?;
        equal("violations", self.proxy.violations(), vec![])
    }

    pub(super) fn audit(&self) -> Result<Value, Failed> {
        let past = World::new(&self.namespace)?;
        ask(json!({"do": "pyiceberg_audit", "catalog": past.catalog(), "table": format!("{}.t", self.namespace)}))
    }

    /// Everything in the table's folder.
    pub(crate) fn objects(&self, audit: &Value) -> Result<Vec<String>, Failed> {
        let prefix = prefix(audit)?;
        let keys = listed(weed()?.client()?.list(R2_BUCKET, &prefix))?;
        Ok(keys.into_iter().map(|key| format!("s3://{R2_BUCKET}/{key}")).collect())
    }

    fn uploads(&self, audit: &Value) -> Result<Vec<String>, Failed> {
        let prefix = prefix(audit)?;
        listed(weed()?.client()?.list_uploads(R2_BUCKET, &prefix))
    }

    /// The requests of one operation so far.
    pub(crate) fn requests(&self, operation: &str) -> Vec<Recorded> {
        self.proxy.requests().into_iter().filter(|request| request.operation == operation).collect()
    }

    pub(crate) fn count(&self, operation: &str) -> usize {
        self.requests(operation).len()
    }

    /// Requests for free, that is: deletions.
    pub(crate) fn deletions(&self) -> usize {
        self.proxy.requests().iter().filter(|request| request.class == Class::Free).count()
    }
}

/// The sum of all ids of a table with so many rows.
fn sum_below(rows: usize) -> usize {
    (0..rows).sum()
}

fn prefix(audit: &Value) -> Result<String, Failed> {
    let location = audit["location"].as_str().unwrap_or_default();
    let key = location.strip_prefix(&format!("s3://{R2_BUCKET}/")).ok_or_else(|| format!("location `{location}`"))?;
    Ok(format!("{}/", key.trim_end_matches('/')))
}

fn listed(
    listing: impl Future<Output = Result<Vec<String>, icelift_testkit::s3_client::Error>>,
) -> Result<Vec<String>, Failed> {
    support::block_on(async { listing.await.map_err(|error| error.to_string().into()) })
}

/// A statement that must fail: its kind of error and its message with causes and advice.
pub(crate) async fn failure(engine: &Engine, sql: &str) -> Result<(ErrorKind, String), Failed> {
    let outcome = match engine.run(sql).await {
        Ok(stream) => stream.collect().await.map(|batches| batches.iter().map(|batch| batch.num_rows()).sum::<usize>()),
        Err(error) => Err(error),
    };
    match outcome {
        Err(error) => Ok((error.kind(), support::told(&error))),
        Ok(rows) => Err(format!("{sql}\nsucceeded with {rows} rows, an error was expected").into()),
    }
}
