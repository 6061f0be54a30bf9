//! AWS refuses: what Glue says, and what is said without Glue.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use libtest_mimic::{Failed, Trial};

use super::terminal::{Expected, Terminal};
use super::{SOON, TOKEN, trial};
use crate::support::scripted::{self, Reply};

/// What Glue answers to the first call, and what the message must say beside the name of the catalog.
const ANSWERS: [(&str, &str, &str, &[&str]); 8] = [
    (
        "glue_does_not_know_the_key",
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        &["GetTable", "access key", "`client.access-key-id`"],
    ),
    (
        "glue_secret_is_wrong",
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this \
         request should have been\n'POST\n/\n\nx-amz-security-token:{}\n'",
        &["GetTable", "the signature does not match", "`client.secret-access-key`"],
    ),
    (
        "glue_denies",
        "AccessDeniedException",
        "User: arn:aws:iam::111122223333:user/me is not authorized to perform: glue:GetTable on resource: \
         arn:aws:glue:us-east-1:111122223333:catalog",
        &["glue:GetTable", "`db.t`", "111122223333", "in IAM"],
    ),
    (
        "glue_catalog_of_another_account",
        "AccessDeniedException",
        "User: arn:aws:iam::111122223333:user/me is not authorized to perform: glue:GetTable on resource: \
         arn:aws:glue:us-east-1:999988887777:catalog because no resource-based policy allows the glue:GetTable action",
        &["999988887777", "resource-based policy"],
    ),
    (
        "lake_formation_denies",
        "AccessDeniedException",
        "Insufficient Lake Formation permission(s): Required Describe on t",
        &["glue:GetTable", "`db.t`", "Required Describe on t", "have Lake Formation grant", "SELECT"],
    ),
    (
        "glue_session_has_expired",
        "ExpiredTokenException",
        "The security token included in the request is expired",
        &["GetTable", "session", "has expired", "aws sso login"],
    ),
    (
        "glue_clock_is_wrong",
        "InvalidSignatureException",
        "Signature expired: 20261122T100000Z is now earlier than 20261122T111500Z (20261122T112000Z - 5 min.)",
        &["GetTable", "clock", "20261122T111500Z", "NTP"],
    ),
    (
        "glue_database_is_missing",
        "EntityNotFoundException",
        "Entity Not Found",
        &["`g.db`", "does not exist", "`client.region` and `glue.id`"],
    ),
];

pub(super) fn trials() -> Vec<Trial> {
    let answers = ANSWERS.into_iter().map(|(name, code, message, words)| {
        trial(name, move || {
            let endpoint = scripted::start(move |_| Reply::glue(code, &message.replace("{}", TOKEN)))?;
            glue_fails(&endpoint, 1, words)
        })
    });
    let others = [
        trial("glue_is_a_web_page", glue_is_a_web_page),
        trial("glue_port_is_closed", glue_port_is_closed),
        trial("glue_hangs", glue_hangs),
        trial("no_aws_credentials", no_aws_credentials),
        trial("no_aws_region", no_aws_region),
        trial("no_such_aws_profile", no_such_aws_profile),
        trial("no_such_aws_profile_of_the_environment", no_such_aws_profile_of_the_environment),
        trial("hive_table", hive_table),
    ];
    answers.chain(others).collect()
}

/// `more` are further options.
fn attach(endpoint: &str, more: &str) -> String {
    format!("ATTACH 's3://lake/warehouse' AS g (TYPE glue, \"glue.endpoint\" '{endpoint}'{more})")
}

/// With an identity of the environment; the endpoint is not what is wrong.
fn glue_fails(endpoint: &str, code: i32, words: &[&str]) -> Result<(), Failed> {
    attached_glue_fails(&attach(endpoint, ""), code, words)
}

fn attached_glue_fails(attach: &str, code: i32, words: &[&str]) -> Result<(), Failed> {
    let mut terminal = Terminal::new()?;
    for (name, value) in
        [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", TOKEN), ("AWS_REGION", "us-east-1")]
    {
        terminal.set(name, value);
    }
    let words = [&["g"], words].concat();
    let expected = Expected { code, words: &words, secrets: &[TOKEN], within: SOON };
    terminal.fails(&[attach, "SELECT * FROM g.db.t"], &expected)
}

/// Who gives the address of something else.
fn glue_is_a_web_page() -> Result<(), Failed> {
    let endpoint = scripted::start(|_| Reply::html(404, "<html><body>Not here</body></html>"))?;
    glue_fails(&endpoint, 1, &["GetTable", "`db.t`", "404", "`glue.endpoint`"])
}

fn glue_port_is_closed() -> Result<(), Failed> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    glue_fails(&format!("http://127.0.0.1:{port}"), 1, &["GetTable", "`db.t`", "connection refused", "`glue.endpoint`"])
}

/// It takes the call and says nothing: the wait is the one that was asked for, not the two minutes of the default.
fn glue_hangs() -> Result<(), Failed> {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let endpoint = scripted::start(move |_| {
        counted.fetch_add(1, Relaxed);
        Reply::Hang
    })?;
    let limits = ", \"http-client.apache.socket-timeout-ms\" 500, \"glue.max-retries\" 1";
    let words = [
        "GetTable",
        "`db.t`",
        "did not answer",
        "`glue.endpoint`",
        "http-client.apache.socket-timeout-ms",
        "glue.max-retries",
    ];
    attached_glue_fails(&attach(&endpoint, limits), 1, &words)?;
    match calls.load(Relaxed) {
        2 => Ok(()),
        calls => Err(format!("found {calls} calls, expected one and its repetition").into()),
    }
}

fn without_identity(environment: &[(&str, &str)], attach: &str, code: i32, words: &[&str]) -> Result<(), Failed> {
    let mut terminal = Terminal::new()?;
    environment.iter().for_each(|(name, value)| terminal.set(name, *value));
    terminal.fails(&[attach], &Expected { code, words, secrets: &[], within: SOON })
}

fn no_aws_credentials() -> Result<(), Failed> {
    let words = ["`g`", "no AWS credentials", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "client.access-key-id"];
    without_identity(&[("AWS_REGION", "us-east-1")], "ATTACH AS g (TYPE glue)", 1, &words)
}

fn no_aws_region() -> Result<(), Failed> {
    without_identity(&[], "ATTACH AS g (TYPE glue)", 2, &["`g`", "no AWS region", "client.region", "AWS_REGION"])
}

fn no_such_aws_profile() -> Result<(), Failed> {
    let attach = "ATTACH AS g (TYPE glue, \"client.profile-name\" 'nosuch', \"client.region\" 'us-east-1')";
    let words =
        ["`g`", "AWS profile `nosuch`", "`client.profile-name`", "there is none", "aws configure --profile nosuch"];
    without_identity(&[], attach, 2, &words)
}

/// Whether it is missed for its region or for its keys, and whatever other profiles there are.
fn no_such_aws_profile_of_the_environment() -> Result<(), Failed> {
    for region in [None, Some("us-east-1")] {
        for others in [None, Some("[profile other]\nregion = us-east-1\n")] {
            let mut terminal = Terminal::new()?;
            terminal.set("AWS_PROFILE", "nosuch");
            region.iter().for_each(|region| terminal.set("AWS_REGION", *region));
            if let Some(others) = others {
                std::fs::create_dir(terminal.folder().join(".aws"))?;
                std::fs::write(terminal.folder().join(".aws/config"), others)?;
            }
            let known = if others.is_some() { "there are `other`" } else { "there is none" };
            let words = ["`g`", "AWS profile `nosuch`", "AWS_PROFILE names", known, "aws configure --profile nosuch"];
            let expected = Expected { code: 2, words: &words, secrets: &[], within: SOON };
            terminal.fails(&["ATTACH AS g (TYPE glue)"], &expected)?;
        }
    }
    Ok(())
}

fn hive_table() -> Result<(), Failed> {
    let endpoint = scripted::start(|_| {
        let table = serde_json::json!({
            "Name": "t", "DatabaseName": "db", "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {"Location": "s3://lake/t", "SerdeInfo": {"SerializationLibrary": "OpenCSVSerde"}},
        });
        Reply::json(200, serde_json::json!({"Table": table}))
    })?;
    glue_fails(&endpoint, 1, &["g.db.t", "Hive"])
}
