//! Servers that repeat in their errors everything they were asked, and all they know beside.

use std::ops::RangeInclusive;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::hunt::Hunt;
use super::places::{files, printed};
use super::{planted, trial};
use crate::bad_clouds::terminal::Terminal;
use crate::support::scripted::{self, Asked, Reply};

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("rest_catalogs_that_tell", rest_catalogs_that_tell),
        trial("token_servers_that_tell", token_servers_that_tell),
        trial("stores_that_tell", stores_that_tell),
        trial("glue_that_tells", glue_that_tells),
        trial("sts_that_tells", sts_that_tells),
        trial("logs_of_other_libraries", logs_of_other_libraries),
        trial("passwords_in_addresses", passwords_in_addresses),
        trial("statements_that_do_not_parse", statements_that_do_not_parse),
    ]
}

/// Secrets by name, and the hunt for them.
pub(super) struct Plants {
    names: Vec<String>,
    hunt: Hunt,
}

impl Plants {
    pub(super) fn new(names: &[&str]) -> Self {
        let mut hunt = Hunt::new();
        names.iter().for_each(|name| hunt.plant(&planted(name)));
        Self { names: names.iter().map(|name| (*name).to_owned()).collect(), hunt }
    }

    /// The text with a secret for each `<name>`.
    pub(super) fn fill(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, name| text.replace(&format!("<{name}>"), &planted(name)))
    }

    /// All secrets and the whole request, as text.
    pub(super) fn parrot(&self) -> impl Fn(&Asked) -> String + Send + Sync + Clone + 'static {
        let all = self.names.iter().map(|name| format!("{name}={}", planted(name))).collect::<Vec<_>>().join(" ");
        let all: Arc<str> = all.into();
        move |asked| format!("refused, {all} in {}", asked.echo())
    }

    pub(super) fn hunt(&self) -> &Hunt {
        &self.hunt
    }

    /// Statements that fail, and leave nothing of any secret anywhere.
    fn fail(&self, environment: &[(&str, String)], statements: &[String]) -> Result<(), Failed> {
        self.run(environment, statements, 1..=3)
    }

    fn run(
        &self,
        environment: &[(&str, String)],
        statements: &[String],
        codes: RangeInclusive<i32>,
    ) -> Result<(), Failed> {
        let mut terminal = Terminal::new()?;
        terminal.log();
        environment.iter().for_each(|(name, value)| terminal.set(name, self.fill(value)));
        let statements: Vec<_> = statements.iter().map(|sql| self.fill(sql)).collect();
        let said = terminal.run(&statements.iter().map(String::as_str).collect::<Vec<_>>())?;
        if !said.code.is_some_and(|code| codes.contains(&code)) {
            return Err(format!("it ended with {:?}:\n{}", said.code, said.stderr).into());
        }
        let mut places = printed(&said);
        places.extend(files(&terminal, &[])?);
        let found = self.hunt.none(&places);
        found.map_err(|failed| format!("{statements:?}\n{}", failed.message().unwrap_or_default()).into())
    }
}

/// The shapes of an answer that a catalog may give to who debugs it.
fn shapes(status: u16, text: &str) -> [Reply; 4] {
    let page = text.replace('&', "&amp;").replace('<', "&lt;");
    [
        Reply::iceberg(status, "SomeException", text),
        Reply::iceberg(status, text, ""),
        Reply::text(status, text),
        Reply::html(status, format!("<html><body><pre>{page}</pre></body></html>")),
    ]
}

const REST: &str = "ATTACH 'w' AS lake (TYPE rest, URI '{uri}', TOKEN '<token>', \"header.x-key\" '<header>', \
                    \"s3.access-key-id\" 'AK', \"s3.secret-access-key\" '<secret>', \"s3.session-token\" '<session>', \
                    \"s3.sse.type\" 'custom', \"s3.sse.key\" 'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=')";

fn rest_catalogs_that_tell() -> Result<(), Failed> {
    let plants = Plants::new(&["token", "header", "secret", "session"]);
    for status in [200, 400, 401, 403, 404, 500] {
        for shape in 0..4 {
            for first in ["", "/v1/config"] {
                let parrot = plants.parrot();
                let uri = scripted::start(move |asked| {
                    if !first.is_empty() && asked.target.starts_with(first) {
                        return Reply::json(200, json!({"defaults": {}, "overrides": {}}));
                    }
                    let [one, two, three, four] = shapes(status, &parrot(asked));
                    [one, two, three, four].into_iter().nth(shape).unwrap_or(Reply::Hang)
                })?;
                let statements = [REST.replace("{uri}", &uri), "SELECT * FROM lake.n.t".to_owned()];
                plants.fail(&[], &statements)?;
            }
        }
    }
    Ok(())
}

fn token_servers_that_tell() -> Result<(), Failed> {
    let plants = Plants::new(&["secret", "access"]);
    let attach = "ATTACH 'w' AS lake (TYPE rest, URI '{uri}', CREDENTIAL 'someone:<secret>')";
    let access = planted("access");
    for case in 0..4 {
        let (parrot, access) = (plants.parrot(), access.clone());
        let uri = scripted::start(move |asked| {
            let text = parrot(asked);
            match (asked.target.as_str(), case) {
                ("/v1/oauth/tokens", 0) => {
                    Reply::json(400, json!({"error": "invalid_client", "error_description": text}))
                }
                ("/v1/oauth/tokens", 1) => Reply::text(401, text),
                // A token of the wrong type: what reads it must not quote it.
                ("/v1/oauth/tokens", 2) => Reply::json(200, json!({"access_token": [access], "expires_in": access})),
                ("/v1/oauth/tokens", _) => Reply::json(200, json!({"access_token": access, "expires_in": 3600})),
                _ => Reply::iceberg(403, "ForbiddenException", &text),
            }
        })?;
        plants.fail(&[], &[attach.replace("{uri}", &uri)])?;
    }
    Ok(())
}

/// A table without rows, with keys for its store.
pub(super) fn vending(s3: &str, plants: &Plants) -> String {
    let metadata = json!({
        "format-version": 2, "table-uuid": "0b1c2d3e-0000-4000-8000-000000000002", "location": "s3://lake/t",
        "last-sequence-number": 0, "last-updated-ms": 1_700_000_000_000_u64, "last-column-id": 1,
        "current-schema-id": 0, "default-spec-id": 0, "last-partition-id": 999, "default-sort-order-id": 0,
        "schemas": [{"type": "struct", "schema-id": 0, "fields": [
            {"id": 1, "name": "id", "required": false, "type": "long"},
        ]}],
        "partition-specs": [{"spec-id": 0, "fields": []}], "sort-orders": [{"order-id": 0, "fields": []}],
        "properties": {}, "snapshots": [], "refs": {},
    });
    let config = json!({
        "s3.endpoint": s3, "s3.access-key-id": "AK", "s3.path-style-access": "true", "s3.region": "us-east-1",
        "s3.secret-access-key": plants.fill("<vended>"), "s3.session-token": plants.fill("<session>"),
        "s3.retry.num-retries": "0",
    });
    json!({"metadata-location": "s3://lake/t/metadata/v1.metadata.json", "metadata": metadata, "config": config})
        .to_string()
}

/// A catalog with one table, whose rows are at `s3`.
pub(super) fn catalog_of(s3: &str, plants: &Plants) -> Result<String, Failed> {
    let table = vending(s3, plants);
    scripted::start(move |asked| match asked.target.split('?').next().unwrap_or_default() {
        "/v1/config" => Reply::json(200, json!({"defaults": {}, "overrides": {}})),
        "/v1/namespaces/n/tables/t" => Reply::json(200, &table),
        _ => Reply::iceberg(404, "NoSuchTableException", "nothing here"),
    })
}

fn stores_that_tell() -> Result<(), Failed> {
    let plants = Plants::new(&["vended", "session"]);
    let answers: [(u16, &str); 12] = [
        (403, "AccessDenied"),
        (403, "SignatureDoesNotMatch"),
        (403, "InvalidAccessKeyId"),
        (400, "InvalidToken"),
        (400, "ExpiredToken"),
        (400, "AuthorizationHeaderMalformed"),
        (403, "RequestTimeTooSkewed"),
        (404, "NoSuchBucket"),
        (400, "SomethingElse"),
        (301, "PermanentRedirect"),
        (500, "InternalError"),
        (503, "SlowDown"),
    ];
    for (status, code) in answers {
        let parrot = plants.parrot();
        let s3 = scripted::start(move |asked| {
            let text = parrot(asked);
            let more = format!(
                "<StringToSign>{text}</StringToSign><Region>{text}</Region><ServerTime>{text}</ServerTime>\
                 <HostId>{text}</HostId>"
            );
            Reply::s3(status, code, &text, &more)
        })?;
        let attach = "ATTACH 'w' AS lake (TYPE rest, URI '{uri}', \"s3.retry.num-retries\" 1)";
        let attach = attach.replace("{uri}", &catalog_of(&s3, &plants)?);
        plants.fail(&[], &[attach, "INSERT INTO lake.n.t SELECT 1 AS id".to_owned()])?;
    }
    Ok(())
}

fn glue_that_tells() -> Result<(), Failed> {
    let plants = Plants::new(&["secret", "session"]);
    let codes = [
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "ExpiredTokenException",
        "InvalidInputException",
        "OperationTimeoutException",
        "SomethingElse",
        "",
    ];
    for code in codes {
        let parrot = plants.parrot();
        let glue = scripted::start(move |asked| match code {
            "" => Reply::text(403, parrot(asked)),
            _ => Reply::glue(code, &parrot(asked)),
        })?;
        let keys = "\"client.access-key-id\" 'AK', \"client.secret-access-key\" '<secret>', \
                    \"client.session-token\" '<session>'";
        let attach =
            format!("ATTACH AS g (TYPE glue, \"client.region\" 'us-east-1', \"glue.endpoint\" '{glue}', {keys})");
        plants.fail(&[], &[attach, "SELECT * FROM g.n.t".to_owned()])?;
        let attach = format!("ATTACH AS g (TYPE glue, \"glue.endpoint\" '{glue}')");
        let environment = [
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AK".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "<secret>".to_owned()),
            ("AWS_SESSION_TOKEN", "<session>".to_owned()),
        ];
        plants.fail(&environment, &[attach, "CREATE SCHEMA g.n".to_owned()])?;
    }
    Ok(())
}

fn sts_that_tells() -> Result<(), Failed> {
    let plants = Plants::new(&["secret", "session"]);
    let parrot = plants.parrot();
    let sts = scripted::start(move |asked| {
        let message = parrot(asked).replace('&', "&amp;").replace('<', "&lt;");
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        Reply::xml(403, body)
    })?;
    let environment = [("AWS_ENDPOINT_URL_STS", sts), ("AWS_SESSION_TOKEN", "<session>".to_owned())];
    let attach = "ATTACH AS g (TYPE glue, \"client.region\" 'us-east-1', \"client.access-key-id\" 'AK', \
                  \"client.secret-access-key\" '<secret>', \"client.session-token\" '<session>', \
                  \"client.role-arn\" 'arn:aws:iam::111122223333:role/r', \"client.assume-role.external-id\" 'external')";
    plants.fail(&environment, &[attach.to_owned()])
}

/// All goes well, and who signs requests logs what it signs: a session's token is in there.
fn logs_of_other_libraries() -> Result<(), Failed> {
    let plants = Plants::new(&["secret", "session", "client", "access", "header"]);
    let glue = scripted::start(|_| Reply::json(200, json!({"DatabaseList": []})))?;
    let access = planted("access");
    let uri = scripted::start(move |asked| match asked.target.split('?').next().unwrap_or_default() {
        "/v1/oauth/tokens" => {
            Reply::json(200, json!({"access_token": access, "token_type": "bearer", "expires_in": 60}))
        }
        "/v1/config" => Reply::json(200, json!({"defaults": {}, "overrides": {}})),
        _ => Reply::json(200, json!({"namespaces": []})),
    })?;
    let statements = [
        format!("ATTACH AS g (TYPE glue, \"glue.endpoint\" '{glue}')"),
        format!("ATTACH 'w' AS lake (TYPE rest, URI '{uri}', CREDENTIAL 'me:<client>', \"header.x-key\" '<header>')"),
        "SELECT * FROM information_schema.tables".to_owned(),
    ];
    let environment = [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AK".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "<secret>".to_owned()),
        ("AWS_SESSION_TOKEN", "<session>".to_owned()),
    ];
    plants.run(&environment, &statements, 0..=0)
}

fn passwords_in_addresses() -> Result<(), Failed> {
    let plants = Plants::new(&["password", "secret"]);
    let keys = "\"client.region\" 'us-east-1', \"client.access-key-id\" 'AK', \"client.secret-access-key\" '<secret>'";
    let statements = [
        "ATTACH 'w' AS a (TYPE rest, URI 'http://me:<password>@127.0.0.1:1')".to_owned(),
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1/?token=<password>')".to_owned(),
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', CREDENTIAL 'i:<secret>', \"oauth2-server-uri\" \
         'http://me:<password>@127.0.0.1:1')"
            .to_owned(),
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', \"s3.endpoint\" 'http://me:<password>@127.0.0.1:1')"
            .to_owned(),
        "ATTACH 'me:<password>@w' AS a (TYPE local, URI '/no/such/folder/<password>')".to_owned(),
        format!("ATTACH AS a (TYPE glue, {keys}, \"glue.endpoint\" 'http://me:<password>@127.0.0.1:1')"),
        format!("ATTACH AS a (TYPE glue, {keys}, \"s3.endpoint\" 'http://me:<password>@127.0.0.1:1')"),
        format!("ATTACH 'https://me:<password>@w' AS a (TYPE glue, {keys})"),
        format!("ATTACH 's3://me:<password>@w' AS a (TYPE glue, {keys}, \"glue.endpoint\" 'http://127.0.0.1:1')"),
    ];
    for statement in statements {
        plants.fail(&[], &[statement, "SELECT * FROM a.n.t".to_owned()])?;
    }
    // What the AWS tools read from the environment.
    for (name, statement) in [
        ("AWS_ENDPOINT_URL", format!("ATTACH AS a (TYPE glue, {keys})")),
        ("HTTPS_PROXY", format!("ATTACH AS a (TYPE glue, {keys})")),
    ] {
        let environment = [(name, "http://me:<password>@127.0.0.1:1".to_owned())];
        plants.fail(&environment, &[statement, "SELECT * FROM a.n.t".to_owned()])?;
    }
    Ok(())
}

/// What stands in the wrong place is not repeated, whatever it is.
fn statements_that_do_not_parse() -> Result<(), Failed> {
    let plants = Plants::new(&["secret"]);
    for statement in [
        "ATTACH 'w' AS a (TYPE rest TOKEN '<secret>')",
        "ATTACH 'w' AS a (TYPE rest, TOKEN '<secret>', TOKEN '<secret>')",
        "ATTACH 'w' AS a (TYPE rest, '<secret>')",
        "ATTACH 'w' AS a (TYPE '<secret>' '<secret>')",
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', TOKEN '<secret>'",
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', TOKEN '<secret>\n')",
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', TOKEN '${NO_SUCH}<secret>')",
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', \"s3.retry.num-retries\" '<secret>')",
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', \"s3.sse.type\" '<secret>')",
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', \"s3.sse.type\" custom, \"s3.sse.key\" '<secret>')",
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', \"s3.region\" '<secret>')",
        "ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', \"rest-page-size\" '<secret>')",
        "ATTACH 'w' AS a (TYPE glue, \"client.region\" '<secret>')",
        "EXPLAIN ATTACH 'w' AS a (TYPE rest, URI 'http://127.0.0.1:1', TOKEN '<secret>')",
        "COPY (SELECT 1) TO 'x' STORED AS CSV; ATTACH 'w' AS a (TOKEN '<secret>')",
    ] {
        plants.fail(&[], &[statement.to_owned()])?;
    }
    Ok(())
}
