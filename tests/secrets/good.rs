//! Statements that succeed, over real servers: S3, Glue, R2 with keys vended for a session, a catalog with OAuth2.

use libtest_mimic::{Failed, Trial};

use super::hunt::{Hunt, sha256_hex};
use super::places::{Places, files, keys, objects, printed};
use super::{planted, trial};
use crate::bad_clouds::terminal::Terminal;
use crate::support::servers::{AWS_BUCKET, Weed, admin_keys, aws_keys, glue, r2, weed};
use icelift_testkit::r2_proxy::R2Proxy;

/// Sessions that a trial may need, at most.
const SESSIONS: u64 = 60;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("good_statements_leave_none", good_statements_leave_none),
        trial("a_leak_would_be_found", a_leak_would_be_found),
    ]
}

/// All servers, and the binary with secrets in its environment, its configuration file and its statements.
struct Clouds {
    /// Ends with the trial.
    _proxy: R2Proxy,
    terminal: Terminal,
    namespace: &'static str,
    hunt: Hunt,
    attach: Vec<String>,
}

impl Clouds {
    fn new(namespace: &'static str) -> Result<Self, Failed> {
        let mut hunt = Hunt::new();
        let token = planted("r2-token");
        let proxy = r2(|settings| {
            settings.token.clone_from(&token);
            settings.session = Some(std::time::Duration::from_secs(600));
        })?;
        hunt.plant(&token);
        plant_sessions(&mut hunt, &token);
        let mut terminal = Terminal::new()?;
        terminal.log();
        std::fs::write(terminal.folder().join("ca.pem"), proxy.ca_pem())?;
        let header = planted("header");
        hunt.plant(&header);
        configure(&mut terminal, &mut hunt, &header, &token)?;
        let attach = vec![
            format!(
                "ATTACH 's3://{AWS_BUCKET}/{namespace}' AS glue (TYPE glue, \"glue.endpoint\" '{}', \"s3.endpoint\" '{}')",
                glue()?.endpoint,
                weed()?.s3_endpoint
            ),
            format!(
                "ATTACH '{}' AS r2 (TYPE r2, URI '{}', TOKEN '${{R2_TOKEN}}', \"ssl.cabundle\" 'ca.pem', \
                 \"header.x-planted\" '{header}')",
                proxy.warehouse(),
                proxy.catalog_uri()
            ),
        ];
        Ok(Self { _proxy: proxy, terminal, namespace, hunt, attach })
    }

    fn run(&self, statements: &[String]) -> Result<Places, Failed> {
        let all: Vec<_> = self.attach.iter().chain(statements).map(|sql| sql.replace("{ns}", self.namespace)).collect();
        let before = keys()?;
        let said = self.terminal.run(&all.iter().map(String::as_str).collect::<Vec<_>>())?;
        if said.code != Some(0) {
            let errors: Vec<_> = said.stderr.lines().filter(|line| !line.starts_with("20")).collect();
            return Err(format!("it ended with {:?}:\n{}", said.code, errors.join("\n")).into());
        }
        let mut places = printed(&said);
        places.extend(files(&self.terminal, &["icelift.toml", "ca.pem"])?);
        places.extend(objects(&before)?);
        Ok(places)
    }
}

/// The environment as AWS has it, a variable for `${…}`, and a catalog in `icelift.toml`.
fn configure(terminal: &mut Terminal, hunt: &mut Hunt, header: &str, token: &str) -> Result<(), Failed> {
    let (aws, admin) = (aws_keys(), admin_keys());
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", aws.access_key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &aws.secret_key),
        ("AWS_REGION", "us-east-1"),
        ("R2_TOKEN", token),
        ("LAKE_SECRET", &admin.secret_key),
    ] {
        terminal.set(name, value);
    }
    hunt.plant(&aws.secret_key);
    hunt.plant(&admin.secret_key);
    let configuration = format!(
        "[catalog.lake]\ntype = 'rest'\nwarehouse = '{}'\nuri = '{}'\ncredential = '{}:${{LAKE_SECRET}}'\n\
         header.x-planted = '{header}'\n",
        Weed::WAREHOUSE,
        weed()?.catalog_uri,
        admin.access_key
    );
    std::fs::write(terminal.folder().join("icelift.toml"), configuration)?;
    Ok(())
}

/// What the proxy will vend, which its own rules make of the token.
fn plant_sessions(hunt: &mut Hunt, token: &str) {
    let secret = sha256_hex(token);
    for session in 1..=SESSIONS {
        hunt.plant(&sha256_hex(&format!("session-key-{session} {secret}")));
        hunt.plant(&format!("session-token-{session}"));
    }
}

fn good_statements_leave_none() -> Result<(), Failed> {
    let clouds = Clouds::new("secrets_good")?;
    let statements = [
        "CREATE SCHEMA glue.{ns}",
        "CREATE SCHEMA r2.{ns}",
        "CREATE SCHEMA lake.{ns}",
        "CREATE TABLE glue.{ns}.t PARTITIONED BY (part) AS SELECT value AS id, value % 3 AS part \
         FROM generate_series(1, 1000)",
        "CREATE TABLE r2.{ns}.t PARTITIONED BY (part) AS SELECT * FROM glue.{ns}.t",
        "CREATE TABLE lake.{ns}.t AS SELECT * FROM r2.{ns}.t",
        "INSERT INTO r2.{ns}.t SELECT * FROM lake.{ns}.t WHERE part = 1",
        "SELECT part, count(*) FROM r2.{ns}.t GROUP BY part",
        "EXPLAIN VERBOSE SELECT * FROM r2.{ns}.t JOIN glue.{ns}.t USING (id) JOIN lake.{ns}.t USING (id)",
        "EXPLAIN ANALYZE SELECT count(*) FROM lake.{ns}.t WHERE id > 7",
        "EXPLAIN VERBOSE INSERT INTO r2.{ns}.t SELECT * FROM glue.{ns}.t",
        "SHOW TABLES",
        "SHOW ALL",
        "SELECT * FROM information_schema.columns WHERE table_schema = '{ns}'",
        "DROP TABLE lake.{ns}.t",
    ];
    let places = clouds.run(&statements.map(str::to_owned))?;
    let objects = places.iter().filter(|(place, _)| place.ends_with(".parquet") || place.ends_with(".avro")).count();
    if objects < 8 {
        return Err(format!("only {objects} data and manifest files were searched").into());
    }
    clouds.hunt.none(&places)
}

/// The same search, of a run that does say what it should not: in its output, in metadata, and in data.
fn a_leak_would_be_found() -> Result<(), Failed> {
    let mut clouds = Clouds::new("secrets_control")?;
    let (property, row) = (planted("property"), planted("row"));
    clouds.hunt.plant(&property);
    clouds.hunt.plant(&row);
    let statements = [
        "CREATE SCHEMA r2.{ns}".to_owned(),
        format!("CREATE TABLE r2.{{ns}}.t TBLPROPERTIES ('note' = '{property}') AS SELECT '{row}' AS said"),
        "SELECT * FROM r2.{ns}.t".to_owned(),
    ];
    let places = clouds.run(&statements)?;
    for (place, secret) in [("stdout", &row), (".metadata.json", &property), (".parquet", &row), (".avro", &row)] {
        let found = |(name, bytes): &(String, Vec<u8>)| {
            name.ends_with(place) && clouds.hunt.find(name, bytes).iter().any(|it| it.contains(&format!("`{secret}`")))
        };
        if !places.iter().any(found) {
            return Err(format!("`{secret}` is not found in any {place}").into());
        }
    }
    Ok(())
}
