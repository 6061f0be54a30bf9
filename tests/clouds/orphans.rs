//! What a driver leaves in a bucket when it stops, uploads that were never finished among it: listed, and removed.

use std::collections::BTreeSet;

use icelift::{Attach, Engine, Failpoints};
use icelift_testkit::s3_client::S3Client;
use libtest_mimic::{Failed, Trial};

use super::glue;
use super::world::{HASTY, World, equal};
use crate::support;
use crate::support::servers::{AWS_BUCKET, R2_BUCKET, weed};

const ROWS: usize = 20;

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("clouds::orphans::on_r2", on_r2), Trial::test("clouds::orphans::on_aws", on_aws)]
}

/// A migration in two batches that stops before the second one is committed.
struct Stopped {
    target: Attach,
    bucket: &'static str,
    namespace: &'static str,
    source: tempfile::TempDir,
}

fn told(error: icelift_testkit::s3_client::Error) -> Failed {
    error.to_string().into()
}

impl Stopped {
    fn new(target: Attach, bucket: &'static str, namespace: &'static str) -> Result<Self, Failed> {
        Ok(Self { target, bucket, namespace, source: tempfile::tempdir()? })
    }

    async fn engine(&self, failpoints: &str) -> Result<Engine, Failed> {
        let source = Attach {
            name: "src".to_owned(),
            warehouse: Some(self.source.path().display().to_string()),
            options: [("type".to_owned(), "local".to_owned())].into_iter().collect(),
            if_not_exists: false,
        };
        let failpoints = Failpoints::parse(failpoints, |_| {}).map_err(|error| support::told(&error))?;
        let builder = Engine::builder().parallelism(2).attach(source).attach(self.target.clone());
        builder.failpoints(failpoints).build().await.map_err(|error| support::told(&error).into())
    }

    fn table(&self) -> String {
        format!("{}.{}.t", self.target.name, self.namespace)
    }

    fn migrate(&self) -> String {
        format!("MIGRATE TABLE src.n.t TO {} BATCH BY part WITH (verify 'metadata')", self.table())
    }

    async fn call(&self, engine: &Engine, arguments: &str) -> Result<Vec<String>, Failed> {
        let Attach { name, .. } = &self.target;
        let call = format!("CALL {name}.system.remove_orphan_files(table => '{}.t', {arguments})", self.namespace);
        Ok(support::rows(engine, &call).await?.into_iter().map(|row| row.join(" ")).collect())
    }

    fn key<'a>(&self, location: &'a str) -> Result<&'a str, Failed> {
        let key = location.strip_prefix(&format!("s3://{}/", self.bucket));
        key.ok_or_else(|| format!("`{location}` is not in the bucket").into())
    }

    async fn keys(&self, client: &S3Client, prefix: &str) -> Result<BTreeSet<String>, Failed> {
        Ok(client.list(self.bucket, prefix).await.map_err(told)?.into_iter().collect())
    }

    async fn run(&self) -> Result<(), Failed> {
        let (engine, stopped) = (self.engine("").await?, self.engine("commit.before:error:2").await?);
        let select = "SELECT value AS id, 'row' || value AS name, CAST(value % 2 AS INT) AS part";
        let rows = format!("{select} FROM generate_series(0, {})", ROWS - 1);
        for sql in [
            "CREATE SCHEMA src.n".to_owned(),
            format!("CREATE SCHEMA {}.{}", self.target.name, self.namespace),
            format!("CREATE TABLE src.n.t PARTITIONED BY (part) AS {rows}"),
        ] {
            support::run(&engine, &sql).await?;
        }
        let outcome = support::run(&stopped, &self.migrate()).await;
        equal("whether the driver stops", outcome.is_err(), true)?;
        stopped.settle().await;
        let left = self.call(&engine, "job => 'all'").await?;
        let data: Vec<_> = left.iter().filter(|location| location.ends_with(".parquet")).collect();
        // With a listing of its own, and that of the batch before, which a run removes last of all.
        equal("data files and all that is left", (data.len(), left.len()), (1, 3))?;
        self.uploads(&engine, &left, data[0]).await?;
        support::run(&engine, &self.migrate()).await?;
        let count = format!("SELECT count(*), count(DISTINCT id), count(DISTINCT name) FROM {}", self.table());
        let rows = ROWS.to_string();
        equal("rows", support::rows(&engine, &count).await?, vec![vec![rows.clone(), rows.clone(), rows]])?;
        equal("what is left in the end", self.call(&engine, "job => 'all'").await?, vec![])
    }

    /// Begins two uploads in the folder of the table, one of them as the driver would.
    async fn uploads(&self, engine: &Engine, left: &[String], data: &str) -> Result<(), Failed> {
        let client = weed()?.client()?;
        let own = self.key(data)?.replace("-00001.parquet", "-00009.parquet");
        let (root, _) = own.split_once("/data/").ok_or("a data file lies elsewhere")?;
        let (other, root) = (format!("{root}/data/other.parquet"), format!("{root}/"));
        let own_id = client.start_upload(self.bucket, &own).await.map_err(told)?;
        let other_id = client.start_upload(self.bucket, &other).await.map_err(told)?;
        let upload = |key: &str, id: &str| format!("s3://{}/{key} (unfinished upload {id})", self.bucket);
        let mut expected = left.to_vec();
        expected.push(upload(&own, &own_id));
        expected.sort();
        equal("what the migration left", self.call(engine, "job => 'all'").await?, expected.clone())?;
        let by_age = self.call(engine, "older_than => TIMESTAMP '2100-01-01'").await?;
        equal("whatever nobody needs", by_age, vec![upload(&other, &other_id)])?;
        equal("what is by age and old", self.call(engine, "dry_run => true").await?, vec![])?;
        let before = self.keys(&client, &root).await?;
        let removed = self.call(engine, "job => 'all', dry_run => false").await?;
        equal("what is removed", removed, expected)?;
        let after = self.keys(&client, &root).await?;
        let gone: BTreeSet<_> = before.difference(&after).map(|key| format!("s3://{}/{key}", self.bucket)).collect();
        equal("what is gone", gone, left.iter().cloned().collect())?;
        let uploads = client.list_uploads(self.bucket, &root).await.map_err(told)?;
        equal("uploads that are left", uploads, vec![other.clone()])?;
        client.abort_upload(self.bucket, &other, &other_id).await.map_err(told)
    }
}

fn on_r2() -> Result<(), Failed> {
    let world = World::new("clouds_orphans")?;
    support::block_on(Stopped::new(world.attach(&HASTY), R2_BUCKET, "clouds_orphans")?.run())?;
    // Two batches, two claims and a fence.
    world.holds(ROWS, 5)
}

fn on_aws() -> Result<(), Failed> {
    support::block_on(Stopped::new(glue::attach()?, AWS_BUCKET, "clouds_orphans")?.run())
}
