//! Whose keys sign what: R2 sees R2's, whatever the environment holds.

use icelift_testkit::r2_proxy::{Keys, Side};
use libtest_mimic::{Failed, Trial};

use super::world::{World, equal};
use crate::support::process::Binary;
use crate::support::servers::weed;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("clouds::keys::vended", || only_r2_keys("vended", |_| vec![])),
        Trial::test("clouds::keys::vended_with_a_session", sessions),
        Trial::test("clouds::keys::of_the_user", || {
            only_r2_keys("of_the_user", |Keys { access_key, secret_key }| {
                vec![("s3.access-key-id", access_key), ("s3.secret-access-key", secret_key)]
            })
        }),
        Trial::test("clouds::keys::of_the_token", || {
            only_r2_keys("of_the_token", |keys| vec![("r2.token-id", keys.access_key)])
        }),
    ]
}

/// Everything that AWS's tools look at, all of it good for somewhere else.
fn in_aws(binary: Binary) -> Result<Binary, Failed> {
    let home = binary.home().to_owned();
    let profile = "[default]\naws_access_key_id = aws-profile-key\naws_secret_access_key = aws-profile-secret\n";
    std::fs::create_dir(home.join(".aws"))?;
    std::fs::write(home.join(".aws/credentials"), profile)?;
    std::fs::write(home.join("web-identity"), "web-identity-token")?;
    let endpoint = &weed()?.s3_endpoint;
    Ok(binary
        .env("AWS_ACCESS_KEY_ID", "aws-environment-key")
        .env("AWS_SECRET_ACCESS_KEY", "aws-environment-secret")
        .env("AWS_SESSION_TOKEN", "aws-environment-token")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_DEFAULT_REGION", "eu-central-1")
        .env("AWS_PROFILE", "default")
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/other")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", home.join("web-identity"))
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{endpoint}/credentials"))
        .env("AWS_ENDPOINT", endpoint)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ENDPOINT_URL_S3", endpoint)
        .env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported"))
}

fn only_r2_keys(name: &str, options: impl Fn(Keys) -> Vec<(&'static str, String)>) -> Result<(), Failed> {
    let world = World::new(format!("clouds_keys_{name}"))?;
    let signers = migrate(&world, &options(world.proxy.s3_keys()))?;
    equal("who signed", signers, vec![world.proxy.s3_keys().access_key])?;
    world.holds(20, 2)
}

fn sessions() -> Result<(), Failed> {
    let world =
        World::with("clouds_keys_sessions", |settings| settings.session = Some(std::time::Duration::from_secs(900)))?;
    let signers = migrate(&world, &[])?;
    let foreign: Vec<_> = signers.iter().filter(|signer| !signer.starts_with("session-key-")).collect();
    equal("who signed", (signers.is_empty(), foreign), (false, vec![]))?;
    world.holds(20, 2)
}

/// Writes and reads the table; who signed the requests for objects, each once.
fn migrate(world: &World, options: &[(&'static str, String)]) -> Result<Vec<String>, Failed> {
    let options: Vec<_> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let (namespace, table) = (&world.namespace, world.table());
    let binary = in_aws(Binary::new()?)?.attached(&world.attach(&options));
    let ran = binary
        .sql(&format!("CREATE SCHEMA r2.{namespace}; CREATE TABLE {table} (id BIGINT, name STRING)"))
        .sql(&world.insert(0, 10))
        .sql(&world.insert(10, 20))
        .sql(&format!("SELECT count(id) AS n, sum(id) AS s FROM {table}"))
        .stdout()?;
    equal("what is printed", ran.as_str(), "count\n10\ncount\n10\nn,s\n20,190\n")?;
    let requests = world.proxy.requests();
    let catalog = requests.iter().filter(|request| request.side == Side::Catalog);
    let unexpected: Vec<_> = catalog
        .filter(|request| {
            request.signed_by.as_deref() != Some("Bearer")
                || request.headers.iter().any(|(name, _)| name.starts_with("x-amz-"))
        })
        .collect();
    equal("calls of the catalog without its token, or with AWS's headers", unexpected.len(), 0)?;
    let of_s3 = requests.iter().filter(|request| request.side == Side::S3);
    let mut signers: Vec<_> = of_s3.map(|request| request.signed_by.clone().unwrap_or_default()).collect();
    signers.sort();
    signers.dedup();
    Ok(signers)
}
