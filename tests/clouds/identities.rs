//! Where AWS identities come from: each of these runs finds its keys in one place only, and reads a table of Glue with them.
//!
//! What gives the keys is played, as far as no server here has it; the keys themselves are those of real sessions, and Glue and
//! S3 take no others. That role of AWS_ROLE is for reading, so that the table is there before.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::glue::{in_environment, warehouse};
use super::world::equal;
use crate::support::once::once;
use crate::support::process::Binary;
use crate::support::scripted::{self, Asked, Reply};
use crate::support::servers::{AWS_ROLE, aws_keys, aws_session, glue, weed};

const DATABASE: &str = "clouds_identities";

/// What the played services are asked with.
const WEB_IDENTITY: &str = "header.payload.signature-of-the-cluster";
const METADATA_TOKEN: &str = "token-of-the-instance";
const SIGNED_IN: &str = "token-of-the-sign-in";

/// Files of tokens are named by the SHA-1 of `corp`, the name of the SSO session.
const SSO_CACHE: &str = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";

/// A moment that is far away.
const FAR: &str = "2099-01-01T00:00:00Z";

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("clouds::identity::instance_metadata", instance_metadata),
        Trial::test("clouds::identity::web_identity", web_identity),
        Trial::test("clouds::identity::sso", sso),
        Trial::test("clouds::identity::sso_renewed", sso_renewed),
        Trial::test("clouds::identity::profile_that_assumes_a_role", profile_that_assumes_a_role),
        Trial::test("clouds::identity::role_of_attach", role_of_attach),
    ]
}

/// A table for all of them, made with the keys of who owns it.
fn seeded() -> Result<(), Failed> {
    static SEEDED: OnceLock<Result<(), String>> = OnceLock::new();
    let seed = || -> Result<(), Failed> {
        let attach = format!("ATTACH '{}' AS glue (TYPE glue)", warehouse());
        let create = format!("CREATE SCHEMA glue.{DATABASE}; CREATE TABLE glue.{DATABASE}.t AS SELECT 42 AS id");
        in_environment(Binary::new()?)?.sql(&attach).sql(&create).stdout().map(|_| ())
    };
    once(&SEEDED, seed).copied()
}

/// The binary, which knows where Glue and S3 are, and nobody.
fn nobody() -> Result<Binary, Failed> {
    seeded()?;
    let (glue, s3) = (&glue()?.endpoint, &weed()?.s3_endpoint);
    Ok(Binary::new()?.env("AWS_ENDPOINT_URL_GLUE", glue).env("AWS_ENDPOINT_URL_S3", s3))
}

/// Lists and reads by what is found without a word in ATTACH.
fn reads(binary: Binary) -> Result<(), Failed> {
    reads_with(binary, "")
}

fn reads_with(binary: Binary, options: &str) -> Result<(), Failed> {
    let tables = format!("SELECT table_name AS t FROM information_schema.tables WHERE table_schema = '{DATABASE}'");
    let ran = binary
        .sql(&format!("ATTACH AS glue (TYPE glue{options})"))
        .sql(&tables)
        .sql(&format!("SELECT id FROM glue.{DATABASE}.t"))
        .stdout()?;
    equal("what is printed", ran.as_str(), "t\nt\nid\n42\n")
}

/// Counts how often keys are given: once for Glue and S3 together.
#[derive(Clone, Default)]
struct Given(Arc<AtomicUsize>);

impl Given {
    fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn is_once(&self) -> Result<(), Failed> {
        equal("how often keys were given", self.0.load(Relaxed), 1)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn write(folder: &Path, file: &str, content: impl AsRef<[u8]>) -> Result<(), Failed> {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
    Ok(std::fs::write(path, content)?)
}

/// Region and keys of the instance, for who has fetched a token first.
fn instance_metadata() -> Result<(), Failed> {
    let (session, given) = (aws_session()?, Given::default());
    let counted = given.clone();
    let metadata = scripted::start(move |asked| {
        let target = asked.target.strip_prefix("/latest/").unwrap_or_default();
        if (asked.method.as_str(), target) == ("PUT", "api/token") {
            let seconds = asked.header("x-aws-ec2-metadata-token-ttl-seconds").to_owned();
            return Reply::text(200, METADATA_TOKEN).header("x-aws-ec2-metadata-token-ttl-seconds", seconds);
        }
        match (asked.header("x-aws-ec2-metadata-token"), target) {
            (METADATA_TOKEN, "meta-data/placement/region") => Reply::text(200, "us-east-1"),
            (METADATA_TOKEN, "meta-data/iam/security-credentials/") => Reply::text(200, "mover"),
            (METADATA_TOKEN, "meta-data/iam/security-credentials/mover") => {
                counted.count();
                Reply::json(
                    200,
                    json!({
                        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": FAR,
                        "AccessKeyId": session["access_key"], "SecretAccessKey": session["secret_key"], "Token": session["token"],
                    }),
                )
            }
            (METADATA_TOKEN, _) => Reply::text(404, "Not Found"),
            _ => Reply::text(401, "Unauthorized"),
        }
    })?;
    let binary = nobody()?.env("AWS_EC2_METADATA_DISABLED", "false").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata);
    reads(binary)?;
    given.is_once()
}

/// What STS answers, with the keys of a session.
fn assumed(action: &str, session: &Value) -> Reply {
    let [key, secret, token] = ["access_key", "secret_key", "token"].map(|name| text(&session[name]));
    Reply::xml(
        200,
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
         <Expiration>{FAR}</Expiration></Credentials></{action}Result></{action}Response>"
        ),
    )
}

/// As in a pod of Kubernetes: a file with a token that STS takes, and a role.
fn web_identity() -> Result<(), Failed> {
    let (session, given) = (aws_session()?, Given::default());
    let counted = given.clone();
    let sts = scripted::start(move |asked| {
        let role = "RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Faws-reader";
        let says = |part: &str| asked.body.split('&').any(|found| found == part);
        let is_right = says("Action=AssumeRoleWithWebIdentity")
            && says(&format!("WebIdentityToken={WEB_IDENTITY}"))
            && says("RoleSessionName=night")
            && says(role)
            // The token is all that it knows by then.
            && asked.header("authorization").is_empty();
        if !is_right {
            return Reply::text(400, asked.echo());
        }
        counted.count();
        assumed("AssumeRoleWithWebIdentity", &session)
    })?;
    let binary = nobody()?;
    write(binary.home(), "token", WEB_IDENTITY)?;
    let file = binary.home().join("token");
    let binary = binary
        .env("AWS_REGION", "us-east-1")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", file)
        .env("AWS_ROLE_ARN", AWS_ROLE)
        .env("AWS_ROLE_SESSION_NAME", "night")
        .env("AWS_ENDPOINT_URL_STS", sts);
    reads(binary)?;
    given.is_once()
}

/// A profile with SSO, and the token that `aws sso login` leaves behind.
fn signed_in(binary: &Binary, token: &str, expires_at: &str) -> Result<(), Failed> {
    let profile = "[profile mover]\nsso_session = corp\nsso_account_id = 000000000000\nsso_role_name = Reader\n\
                   region = us-east-1\n[sso-session corp]\nsso_region = us-east-1\n\
                   sso_start_url = https://corp.awsapps.com/start\nsso_registration_scopes = sso:account:access\n";
    write(binary.home(), ".aws/config", profile)?;
    let cached = json!({
        "startUrl": "https://corp.awsapps.com/start", "region": "us-east-1", "accessToken": token, "expiresAt": expires_at,
        "clientId": "client", "clientSecret": "secret-of-the-client", "registrationExpiresAt": FAR, "refreshToken": "refresh",
    });
    write(binary.home(), SSO_CACHE, cached.to_string())
}

/// The portal gives keys for the role to who brings the token of the sign-in.
fn portal(given: &Given) -> Result<String, Failed> {
    let (session, counted) = (aws_session()?, given.clone());
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    let tomorrow_millis = tomorrow.duration_since(UNIX_EPOCH)?.as_millis() as u64;
    scripted::start(move |asked| {
        let (path, query) = asked.target.split_once('?').unwrap_or_default();
        let says = |part: &str| query.split('&').any(|found| found == part);
        let is_right = path == "/federation/credentials"
            && says("role_name=Reader")
            && says("account_id=000000000000")
            && asked.header("x-amz-sso_bearer_token") == SIGNED_IN;
        if !is_right {
            return Reply::json(401, json!({"message": "Session token not found or invalid"}));
        }
        counted.count();
        Reply::json(
            200,
            json!({"roleCredentials": {
                "accessKeyId": session["access_key"], "secretAccessKey": session["secret_key"],
                "sessionToken": session["token"], "expiration": tomorrow_millis,
            }}),
        )
    })
}

fn sso() -> Result<(), Failed> {
    let (binary, given) = (nobody()?, Given::default());
    signed_in(&binary, SIGNED_IN, FAR)?;
    reads(binary.env("AWS_PROFILE", "mover").env("AWS_ENDPOINT_URL_SSO", portal(&given)?))?;
    given.is_once()
}

/// The token has ended: it is renewed before it is used, and the next run finds the new one.
fn sso_renewed() -> Result<(), Failed> {
    let (binary, given, renewed) = (nobody()?, Given::default(), Given::default());
    signed_in(&binary, "token-of-yesterday", "2026-01-01T00:00:00Z")?;
    let counted = renewed.clone();
    let sign_in = scripted::start(move |asked: &Asked| {
        let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let known = json!({
            "clientId": "client", "clientSecret": "secret-of-the-client", "refreshToken": "refresh",
            "grantType": "refresh_token",
        });
        if asked.target != "/token" || body != known {
            return Reply::json(400, json!({"error": "invalid_grant", "error_description": asked.echo()}));
        }
        counted.count();
        let given =
            json!({"accessToken": SIGNED_IN, "tokenType": "Bearer", "expiresIn": 3600, "refreshToken": "refresh-2"});
        Reply::json(200, given)
    })?;
    let home = binary.keep_home();
    let binary = binary.env("AWS_ENDPOINT_URL_SSO", portal(&given)?).env("AWS_ENDPOINT_URL_SSO_OIDC", sign_in);
    reads_with(binary, ", \"client.profile-name\" 'mover'")?;
    given.is_once()?;
    renewed.is_once()?;
    let cached: Value = serde_json::from_slice(&std::fs::read(home.path().join(SSO_CACHE))?)?;
    equal("what is kept", (&cached["accessToken"], &cached["refreshToken"]), (&json!(SIGNED_IN), &json!("refresh-2")))
}

/// The role of a profile, assumed by the keys of another. SeaweedFS's STS checks the signature, and is where S3 is.
fn profile_that_assumes_a_role() -> Result<(), Failed> {
    let binary = nobody()?;
    let keys = aws_keys();
    let config = format!(
        "[profile mover]\nrole_arn = {AWS_ROLE}\nsource_profile = base\nrole_session_name = night\nregion = us-east-1\n"
    );
    let credentials =
        format!("[base]\naws_access_key_id = {}\naws_secret_access_key = {}\n", keys.access_key, keys.secret_key);
    write(binary.home(), ".aws/config", config)?;
    write(binary.home(), ".aws/credentials", credentials)?;
    reads(binary.env("AWS_PROFILE", "mover").env("AWS_ENDPOINT_URL_STS", &weed()?.s3_endpoint))
}

/// The same by ATTACH: the keys of the environment assume the role. They may write, and the role may not.
fn role_of_attach() -> Result<(), Failed> {
    let assumes = || -> Result<Binary, Failed> {
        Ok(in_environment(nobody()?)?.env("AWS_ENDPOINT_URL_STS", &weed()?.s3_endpoint))
    };
    let role = format!(", \"client.role-arn\" '{AWS_ROLE}', \"client.role-session-name\" 'night'");
    reads_with(assumes()?, &role)?;
    let attach = format!("ATTACH AS glue (TYPE glue{role}, \"s3.retry.num-retries\" 0)");
    let ran = assumes()?.sql(&attach).sql(&format!("INSERT INTO glue.{DATABASE}.t VALUES (1)")).run()?;
    let found = (ran.code, ran.stderr.contains("access is denied"), &ran.stderr);
    equal("what is said", found, (1, true, &ran.stderr))
}
