//! S3 and R2 refuse what holds the rows, before and while they are written: the catalogs behind are real.

use std::time::Duration;

use icelift_testkit::r2_proxy::{Fault, FaultRule, R2Proxy, Side};
use libtest_mimic::{Failed, Trial};

use super::terminal::{Expected, Terminal};
use super::{SOON, TOKEN, trial};
use crate::support;
use crate::support::scripted::s3_error;
use crate::support::servers::{AWS_BUCKET, R2_BUCKET, aws_keys, glue, r2, weed};

/// What the S3 side of R2 says to every upload, and what the message must say beside what each must.
const UPLOADS: [(&str, u16, &str, &str, &[&str]); 7] = [
    ("store_denies", 403, "AccessDenied", "", &["access is denied", "s3:PutObject"]),
    (
        "store_does_not_know_the_key",
        403,
        "InvalidAccessKeyId",
        "",
        &["does not know the access key", "s3.access-key-id"],
    ),
    ("store_secret_is_wrong", 403, "SignatureDoesNotMatch", "", &["signature is wrong", "s3.secret-access-key"]),
    (
        "store_region_is_wrong",
        400,
        "AuthorizationHeaderMalformed",
        "<Region>eu-west-3</Region>",
        &["region `eu-west-3`", "for `auto`", "`s3.region` 'eu-west-3'"],
    ),
    ("store_is_elsewhere", 301, "PermanentRedirect", "", &["not in the region", "s3.endpoint"]),
    (
        "store_clock_is_wrong",
        403,
        "RequestTimeTooSkewed",
        "<ServerTime>2026-11-22T11:15:00Z</ServerTime>",
        &["clock", "2026-11-22T11:15:00Z", "NTP"],
    ),
    ("store_bucket_is_missing", 404, "NoSuchBucket", "", &["bucket `r2-lake` does not exist", "s3.endpoint"]),
];

pub(super) fn trials() -> Vec<Trial> {
    let uploads = UPLOADS.into_iter().map(|(name, code, s3_code, more, words)| {
        trial(name, move || {
            let body = s3_error(s3_code, "injected", more);
            let fault = Fault::Status { code, body, retry_after_seconds: None };
            let rule = FaultRule::before(Side::S3, fault).method("PUT").always();
            let exit_code =
                if ["AuthorizationHeaderMalformed", "PermanentRedirect"].contains(&s3_code) { 2 } else { 1 };
            insert_fails(name, rule, exit_code, &[&["sink", s3_code], words].concat())
        })
    });
    let others = [
        trial("store_session_has_expired", store_session_has_expired),
        trial("store_hangs", store_hangs),
        trial("token_expires_before_the_commit", token_expires_before_the_commit),
        trial("commit_is_denied", commit_is_denied),
        trial("aws_secret_is_wrong", aws_secret_is_wrong),
        trial("aws_bucket_is_of_another_account", aws_bucket_is_of_another_account),
        trial("aws_store_port_is_closed", aws_store_port_is_closed),
        trial("blocked_property_is_left_out", blocked_property_is_left_out),
    ];
    uploads.chain(others).collect()
}

/// R2 with an empty table of two partitions, and whoever writes to it.
struct Target {
    proxy: R2Proxy,
    terminal: Terminal,
    namespace: String,
    attach: String,
}

impl Target {
    fn new(name: &str) -> Result<Self, Failed> {
        let proxy = r2(|settings| settings.token = TOKEN.to_owned())?;
        let terminal = Terminal::new()?;
        std::fs::write(terminal.folder().join("ca.pem"), proxy.ca_pem())?;
        let attach = format!(
            "ATTACH '{}' AS r2 (TYPE r2, URI '{}', TOKEN '{TOKEN}', \"ssl.cabundle\" 'ca.pem', \
             \"s3.request-timeout\" 2, \"s3.retry.num-retries\" 1)",
            proxy.warehouse(),
            proxy.catalog_uri()
        );
        let target = Self { proxy, terminal, namespace: format!("bad_{name}"), attach };
        let create = format!("CREATE TABLE {} (id BIGINT, part BIGINT) PARTITIONED BY (part)", target.table());
        target.terminal.succeeds(&[&target.attach, &format!("CREATE SCHEMA r2.{}", target.namespace), &create])?;
        Ok(target)
    }

    fn table(&self) -> String {
        format!("r2.{}.t", self.namespace)
    }

    /// Rows that fail on their way leave no snapshot and no data.
    fn insert_fails(&self, code: i32, words: &[&str]) -> Result<(), Failed> {
        let files = self.files()?;
        let insert = format!("INSERT INTO {} SELECT value, value % 2 FROM generate_series(1, 1000)", self.table());
        let words = [words, &[self.namespace.as_str()]].concat();
        let expected = Expected { code, words: &words, secrets: &[TOKEN], within: SOON };
        self.terminal.fails(&[&self.attach, &insert], &expected)?;
        let found = self.files()?;
        if found != files { Err(format!("it left {found:?}, expected {files:?}").into()) } else { Ok(()) }
    }

    fn is_empty(&self) -> Result<(), Failed> {
        let count = format!("SELECT count(*) AS n FROM {}", self.table());
        let found = self.terminal.succeeds(&[&self.attach, &count])?;
        if found == "n\n0\n" { Ok(()) } else { Err(format!("the table has {found}").into()) }
    }

    /// What of all that came through the proxy is still there.
    fn files(&self) -> Result<Vec<String>, Failed> {
        let client = weed()?.client()?;
        let all = support::block_on(async { client.list(R2_BUCKET, "").await.map_err(|it| it.to_string().into()) })?;
        let put = self.proxy.requests().into_iter().filter(|it| it.side == Side::S3 && it.method == "PUT");
        let put: Vec<_> = put.map(|it| it.path).collect();
        Ok(all.into_iter().filter(|key| put.iter().any(|path| path.ends_with(key.as_str()))).collect())
    }
}

fn insert_fails(name: &str, rule: FaultRule, code: i32, words: &[&str]) -> Result<(), Failed> {
    let target = Target::new(name)?;
    let fault = target.proxy.fault(rule);
    target.insert_fails(code, words)?;
    if fault.hits() == 0 {
        return Err("the fault never came".into());
    }
    fault.remove();
    target.is_empty()
}

fn store_session_has_expired() -> Result<(), Failed> {
    let rule = FaultRule::before(Side::S3, Fault::ExpiredToken).method("PUT").always();
    insert_fails("store_session_has_expired", rule, 1, &["sink", "has expired", "ExpiredToken"])
}

fn store_hangs() -> Result<(), Failed> {
    let rule = FaultRule::before(Side::S3, Fault::Hang).method("PUT").always();
    insert_fails("store_hangs", rule, 1, &["sink", "did not answer within 2", "s3.request-timeout"])
}

/// All rows are written; what they are worth without the commit is nothing.
fn token_expires_before_the_commit() -> Result<(), Failed> {
    let rule = FaultRule::before(Side::Catalog, Fault::ExpiredToken).operation("updateTable").always();
    insert_fails("token_expires", rule, 1, &["updateTable", "401", "check TOKEN"])
}

fn commit_is_denied() -> Result<(), Failed> {
    let fault = Fault::Status { code: 403, body: "Forbidden".to_owned(), retry_after_seconds: None };
    let rule = FaultRule::before(Side::Catalog, fault).operation("updateTable").always();
    insert_fails("commit_is_denied", rule, 1, &["updateTable", "403", "Admin Read & Write"])
}

/// A source in Glue whose files are asked for with `secret`.
fn attach_glue(s3: &str, secret: &str, warehouse: &str) -> Result<String, Failed> {
    let keys = aws_keys();
    Ok(format!(
        "ATTACH 's3://{warehouse}' AS g (TYPE glue, \"client.region\" 'us-east-1', \"glue.endpoint\" '{}', \
         \"s3.endpoint\" '{s3}', \"client.access-key-id\" '{}', \"client.secret-access-key\" '{secret}', \
         \"s3.retry.num-retries\" 1)",
        glue()?.endpoint,
        keys.access_key
    ))
}

fn glue_create_fails(namespace: &str, attach: &str, words: &[&str]) -> Result<(), Failed> {
    let create = format!("CREATE TABLE g.{namespace}.t AS SELECT 1 AS id");
    let schema = format!("CREATE SCHEMA g.{namespace}");
    let expected = Expected { code: 1, words, secrets: &[TOKEN], within: Duration::from_secs(60) };
    let terminal = Terminal::new()?;
    terminal.fails(&[attach, &schema, &create], &expected)?;
    let attach = attach_glue(&weed()?.s3_endpoint, &aws_keys().secret_key, &format!("{AWS_BUCKET}/bad"))?;
    let tables = format!("SELECT table_name FROM information_schema.tables WHERE table_schema = '{namespace}'");
    let found = terminal.succeeds(&[&attach, &tables])?;
    if found.trim() == "table_name" { Ok(()) } else { Err(format!("it left {found}").into()) }
}

fn aws_secret_is_wrong() -> Result<(), Failed> {
    let attach = attach_glue(&weed()?.s3_endpoint, TOKEN, &format!("{AWS_BUCKET}/bad"))?;
    let words = ["s3://aws-lake/bad", "signature is wrong", "SignatureDoesNotMatch", "secret-access-key"];
    glue_create_fails("bad_aws_secret", &attach, &words)
}

fn aws_bucket_is_of_another_account() -> Result<(), Failed> {
    let attach = attach_glue(&weed()?.s3_endpoint, &aws_keys().secret_key, &format!("{R2_BUCKET}/bad"))?;
    glue_create_fails("bad_aws_bucket", &attach, &["s3://r2-lake/bad", "access is denied", "s3:PutObject"])
}

fn aws_store_port_is_closed() -> Result<(), Failed> {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let attach = attach_glue(&endpoint, &aws_keys().secret_key, &format!("{AWS_BUCKET}/bad"))?;
    let words = ["s3://aws-lake/bad", "cannot be reached", &endpoint["http://".len()..], "s3.endpoint"];
    glue_create_fails("bad_aws_port", &attach, &words)
}

/// The table is made without it, and who made it is told.
fn blocked_property_is_left_out() -> Result<(), Failed> {
    let target = Target::new("property")?;
    let create = format!(
        "CREATE TABLE r2.{}.u (id BIGINT) TBLPROPERTIES ('write.data.path' = 's3://elsewhere/here', 'owner' = 'me')",
        target.namespace
    );
    let said = target.terminal.run(&[&target.attach, &create])?;
    if said.code != Some(0) {
        return Err(said.stderr.into());
    }
    let words = ["warning: ", "write.data.path", "left out", "R2 Data Catalog", target.namespace.as_str()];
    match words.iter().find(|word| !said.stderr.contains(**word)) {
        Some(word) => Err(format!("stderr does not say `{word}`:\n{}", said.stderr).into()),
        None if said.stderr.lines().count() != 1 => Err(format!("more than one line:\n{}", said.stderr).into()),
        None => Ok(()),
    }
}
