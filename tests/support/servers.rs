//! Real servers on this machine: S3, STS and a REST catalog by SeaweedFS, Glue by moto, the reference REST catalog in Java.
//!
//! There is one of each in a test process, started when the first trial asks for it. All share one S3 server, in which AWS and
//! R2 have a bucket and keys of their own, and neither may touch the other's. In front of what stands for R2 each trial puts
//! its own proxy, which has R2's rules and the faults that the trial wants.

mod process;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use icelift_testkit::r2_proxy::{Keys, R2Proxy, Settings, Upstream};
use icelift_testkit::s3_client::S3Client;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::once::once;
use super::root;
use crate::interop::ask;
pub(crate) use process::Process;

/// The bucket of what stands for AWS.
pub(crate) const AWS_BUCKET: &str = "aws-lake";
/// The bucket of what stands for R2.
pub(crate) const R2_BUCKET: &str = "r2-lake";
/// The account in R2's names.
pub(crate) const R2_ACCOUNT: &str = "account";

const R2_PREFIX: &str = "0b1c2d3e-0000-4000-8000-000000000001";
const FIXTURE_TOKEN: &str = "token-of-the-fixture";

/// As many tables as Glue puts on a page here, so that a trial with a dozen sees pages.
const GLUE_PAGE_ITEMS: &str = "10";

/// A port that is free now may not be when the server gets to it.
const STARTS_MAX: usize = 3;

/// Keys that may do everything in the S3 server.
pub(crate) fn admin_keys() -> Keys {
    Keys::new("test-admin-key", "test-admin-secret")
}

/// Keys that are good for `AWS_BUCKET`, and for Glue.
pub(crate) fn aws_keys() -> Keys {
    Keys::new("test-aws-key", "test-aws-secret")
}

/// A role that `aws_keys` may assume at SeaweedFS's STS, which is where S3 is: it reads `AWS_BUCKET`.
pub(crate) const AWS_ROLE: &str = "arn:aws:iam::000000000000:role/aws-reader";

/// Keys of a session of that role, with which Glue may be called too: `access_key`, `secret_key`, `token`.
pub(crate) fn aws_session() -> Result<Value, Failed> {
    let keys = aws_keys();
    ask(json!({
        "do": "assume_role", "endpoint": &weed()?.s3_endpoint, "role": AWS_ROLE,
        "access_key": keys.access_key, "secret_key": keys.secret_key,
    }))
}

/// Keys that are good for `R2_BUCKET`, which only the servers know: clients have those of the proxy.
fn r2_upstream_keys() -> Keys {
    Keys::new("test-r2-upstream-key", "test-r2-upstream-secret")
}

/// SeaweedFS: S3 that checks signatures, and an Iceberg REST catalog with OAuth2 and vended session keys.
pub(crate) struct Weed {
    pub(crate) s3_endpoint: String,
    pub(crate) catalog_uri: String,
}

impl Weed {
    /// The `warehouse` of its catalog; the client id and secret are `admin_keys`.
    pub(crate) const WAREHOUSE: &str = "s3://warehouse";

    /// Its catalog as `remote.py` attaches it.
    pub(crate) fn catalog(&self) -> Value {
        let keys = admin_keys();
        json!({
            "uri": self.catalog_uri,
            "warehouse": Self::WAREHOUSE,
            "properties": {
                "credential": format!("{}:{}", keys.access_key, keys.secret_key),
                "header.X-Iceberg-Access-Delegation": "vended-credentials",
            },
        })
    }

    /// A look into a bucket.
    pub(crate) fn client(&self) -> Result<S3Client, Failed> {
        S3Client::new(&self.s3_endpoint, admin_keys()).map_err(|error| error.to_string().into())
    }
}

/// Glue and STS. The tables' files are in `AWS_BUCKET`.
pub(crate) struct Glue {
    pub(crate) endpoint: String,
}

/// Apache Iceberg's REST catalog over `R2_BUCKET`, as R2's proxies see it.
pub(crate) struct RestFixture {
    pub(crate) uri: String,
}

static WEED: OnceLock<Result<Weed, String>> = OnceLock::new();
static GLUE: OnceLock<Result<Glue, String>> = OnceLock::new();
static FIXTURE: OnceLock<Result<RestFixture, String>> = OnceLock::new();
static RUNNING: Mutex<Vec<Process>> = Mutex::new(Vec::new());

/// The S3 server.
pub(crate) fn weed() -> Result<&'static Weed, Failed> {
    once(&WEED, || {
        let (process, weed) = start_weed()?;
        running().push(process);
        Ok(weed)
    })
}

/// Glue.
pub(crate) fn glue() -> Result<&'static Glue, Failed> {
    once(&GLUE, || {
        let (process, port) = start_glue()?;
        running().push(process);
        Ok(Glue { endpoint: format!("http://127.0.0.1:{port}") })
    })
}

/// The REST catalog.
pub(crate) fn rest_fixture() -> Result<&'static RestFixture, Failed> {
    once(&FIXTURE, || {
        let (process, port) = start_rest_fixture(&weed()?.s3_endpoint)?;
        running().push(process);
        Ok(RestFixture { uri: format!("http://127.0.0.1:{port}") })
    })
}

/// R2 for one trial: a proxy of its own in front of the shared servers. Namespaces are shared, so they need names of their own.
pub(crate) fn r2(change: impl FnOnce(&mut Settings)) -> Result<R2Proxy, Failed> {
    let upstream = Upstream {
        catalog: rest_fixture()?.uri.clone(),
        catalog_token: FIXTURE_TOKEN.to_owned(),
        prefix: R2_PREFIX.to_owned(),
        s3: weed()?.s3_endpoint.clone(),
        s3_keys: r2_upstream_keys(),
    };
    let mut settings = Settings::new(R2_ACCOUNT, R2_BUCKET, upstream);
    change(&mut settings);
    R2Proxy::start(settings).map_err(|error| error.to_string().into())
}

/// Ends all servers and removes their data; a static is never dropped.
pub(crate) fn clean_up() {
    running().clear();
}

fn running() -> MutexGuard<'static, Vec<Process>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts SeaweedFS, and once more on other ports if somebody took one of them.
pub(crate) fn start_weed() -> Result<(Process, Weed), Failed> {
    let mut last = Failed::from("never started");
    for _ in 0..STARTS_MAX {
        let [s3, catalog] = free_ports()?;
        let folder = tempfile::Builder::new().prefix("icelift-weed-").tempdir()?;
        let mut command = python_script("weed.py")?;
        command.arg(folder.path()).args([s3.port().to_string(), catalog.port().to_string()]);
        let ready = |log: &str| log.contains("are running and ready").then_some(());
        match Process::start("SeaweedFS", command, folder, ready) {
            Ok((process, ())) => {
                for address in [s3, catalog] {
                    TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
                }
                let (s3_endpoint, catalog_uri) = (format!("http://{s3}"), format!("http://{catalog}"));
                return Ok((process, Weed { s3_endpoint, catalog_uri }));
            }
            Err(failed) => last = failed,
        }
    }
    Err(last)
}

/// Starts Glue, which finds its port itself.
pub(crate) fn start_glue() -> Result<(Process, u16), Failed> {
    let folder = tempfile::Builder::new().prefix("icelift-glue-").tempdir()?;
    let mut command = python_script("glue_strict.py")?;
    command.env("GLUE_ACCESS_KEY", aws_keys().access_key).env("GLUE_PAGE_ITEMS", GLUE_PAGE_ITEMS);
    Process::start("Glue", command, folder, port_of)
}

/// Starts the REST catalog, which finds its port itself.
pub(crate) fn start_rest_fixture(s3_endpoint: &str) -> Result<(Process, u16), Failed> {
    let installed = std::env::var("ICELIFT_REST_FIXTURE").map_err(|_| needs("ICELIFT_REST_FIXTURE"))?;
    let installed = Path::new(&installed);
    let folder = tempfile::Builder::new().prefix("icelift-rest-fixture-").tempdir()?;
    let keys = r2_upstream_keys();
    let mut command = Command::new("java");
    // The three settings trade speed, which nobody needs here, for memory and a quick start.
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
    command.arg(format!("{}:{}", installed.join("classes").display(), installed.join("lib/*").display()));
    command.arg("org.apache.iceberg.rest.RestFixture");
    command.env("FIXTURE_TOKEN", FIXTURE_TOKEN).env("FIXTURE_PREFIX", R2_PREFIX);
    command.env("FIXTURE_WAREHOUSE", format!("{R2_ACCOUNT}_{R2_BUCKET}"));
    command.env("FIXTURE_LOCATION", format!("s3://{R2_BUCKET}/__r2_data_catalog/{R2_PREFIX}"));
    command.env("S3_ENDPOINT", s3_endpoint).env("S3_ACCESS_KEY", keys.access_key).env("S3_SECRET_KEY", keys.secret_key);
    Process::start("RestFixture", command, folder, port_of)
}

fn python_script(name: &str) -> Result<Command, Failed> {
    let python = std::env::var_os("ICELIFT_PYTHON").ok_or_else(|| needs("ICELIFT_PYTHON"))?;
    let mut command = Command::new(python);
    command.arg(root().join("tests/servers").join(name)).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

fn needs(variable: &str) -> Failed {
    format!("{variable} is not set: run `cargo xtask test`, which installs what the servers of these trials need")
        .into()
}

/// The port in the line `ready <port>`.
fn port_of(log: &str) -> Option<u16> {
    log.lines().find_map(|line| line.strip_prefix("ready ")?.trim().parse().ok())
}

fn free_ports() -> Result<[SocketAddr; 2], Failed> {
    let (first, second) = (TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?);
    Ok([first.local_addr()?, second.local_addr()?])
}
