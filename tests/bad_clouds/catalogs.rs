//! Catalogs over HTTP that refuse, are elsewhere, are something else, or never answer.

use std::net::TcpListener;

use icelift_testkit::r2_proxy::{Keys, R2Proxy, Settings, Upstream};
use libtest_mimic::{Failed, Trial};

use super::{TOKEN, attach_r2, refused, scripted_catalog, trial};
use crate::support::scripted::{self, Reply};

/// What somebody finds who gives the address of a website.
const PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title><style>p { margin: 0 }</style></head>\
                    <body><h1>Sign in to continue</h1><script>let token = 1;</script></body></html>";

pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("wrong_token", wrong_token),
        trial("token_without_the_right", token_without_the_right),
        trial("warehouse_of_another_account", warehouse_of_another_account),
        trial("oauth_secret_is_wrong", oauth_secret_is_wrong),
        trial("oauth_server_says_no_token", oauth_server_says_no_token),
        trial("missing_namespace", missing_namespace),
        trial("missing_table", missing_table),
        trial("table_list_denied", table_list_denied),
        trial("catalog_is_a_web_page", catalog_is_a_web_page),
        trial("catalog_is_elsewhere", catalog_is_elsewhere),
        trial("catalog_port_is_closed", catalog_port_is_closed),
        trial("catalog_name_is_unknown", catalog_name_is_unknown),
        trial("catalog_hangs", catalog_hangs),
        trial("catalog_hangs_later", catalog_hangs_later),
        trial("catalog_fails", catalog_fails),
        trial("catalog_has_no_tls", catalog_has_no_tls),
        trial("catalog_certificate_is_unknown", catalog_certificate_is_unknown),
    ]
}

/// Statements that attach R2 at a scripted catalog fail.
fn attach_fails(reply: fn() -> Reply, code: i32, words: &[&str]) -> Result<(), Failed> {
    let uri = scripted::start(move |_| reply())?;
    refused(&[&attach_r2(&uri, "")], code, &[&["`r2`", "getConfig", "R2 Data Catalog"], words].concat())
}

fn wrong_token() -> Result<(), Failed> {
    attach_fails(|| Reply::text(401, "Unauthorized"), 1, &["401", "check TOKEN", "Admin Read & Write"])
}

fn token_without_the_right() -> Result<(), Failed> {
    attach_fails(|| Reply::text(403, "Forbidden"), 1, &["403", "<account>_<bucket>", "Admin Read & Write"])
}

fn warehouse_of_another_account() -> Result<(), Failed> {
    let reply = || Reply::iceberg(404, "NoSuchWarehouseException", "there is no warehouse `account_lake`");
    attach_fails(reply, 1, &["account_lake", "404", "warehouse"])
}

/// The answer repeats the request, as many a debug page does.
fn oauth_secret_is_wrong() -> Result<(), Failed> {
    let uri = scripted::start(|asked| {
        let description = format!("no such client: {}", asked.echo());
        Reply::json(401, serde_json::json!({"error": "invalid_client", "error_description": description}))
    })?;
    let attach = format!("ATTACH 'w' AS lake (TYPE rest, URI '{uri}', CREDENTIAL 'someone:{TOKEN}')");
    refused(&[&attach], 1, &["`lake`", "token server", "/v1/oauth/tokens", "401 `invalid_client`", "check CREDENTIAL"])
}

fn oauth_server_says_no_token() -> Result<(), Failed> {
    let uri = scripted::start(|_| Reply::html(200, PAGE))?;
    let attach = format!("ATTACH 'w' AS lake (TYPE rest, URI '{uri}', CREDENTIAL 'someone:{TOKEN}')");
    refused(&[&attach], 2, &["`lake`", "token server", "something else than a token", "OAUTH2-SERVER-URI"])
}

fn missing_namespace() -> Result<(), Failed> {
    let uri =
        scripted_catalog(|_| Reply::iceberg(404, "NoSuchNamespaceException", "Namespace does not exist: nowhere"))?;
    refused(&[&attach_r2(&uri, ""), "CREATE TABLE r2.nowhere.t (id BIGINT)"], 1, &["r2.nowhere", "CREATE SCHEMA"])
}

fn missing_table() -> Result<(), Failed> {
    let uri = scripted_catalog(|_| Reply::iceberg(404, "NoSuchTableException", "Table does not exist: default.t"))?;
    refused(
        &[&attach_r2(&uri, ""), "SELECT * FROM r2.default.t"],
        1,
        &["r2.default.t", "does not exist", "SHOW TABLES"],
    )
}

/// The token may read the catalog, and not this.
fn table_list_denied() -> Result<(), Failed> {
    let uri = scripted_catalog(|_| Reply::text(403, "Forbidden"))?;
    let words = ["`r2`", "loadTable of `default.t`", "403", "the token lacks a right"];
    refused(&[&attach_r2(&uri, ""), "SELECT * FROM r2.default.t"], 1, &words)
}

fn catalog_is_a_web_page() -> Result<(), Failed> {
    attach_fails(|| Reply::html(200, PAGE), 2, &["not Iceberg's", "check the URI"])
}

fn catalog_is_elsewhere() -> Result<(), Failed> {
    attach_fails(|| Reply::html(404, PAGE), 2, &["404", "Sign in to continue", "check the URI"])
}

fn catalog_port_is_closed() -> Result<(), Failed> {
    // Nobody listens on it once it is closed again.
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let uri = format!("https://127.0.0.1:{port}/account/lake");
    refused(&[&attach_r2(&uri, "")], 1, &["`r2`", "getConfig", &uri, "cannot be reached", "connection refused"])
}

fn catalog_name_is_unknown() -> Result<(), Failed> {
    let uri = "https://catalog.cloudflarestorage.invalid/account/lake";
    refused(&[&attach_r2(uri, "")], 1, &["`r2`", "getConfig", uri, "cannot be reached", "dns error"])
}

fn catalog_hangs() -> Result<(), Failed> {
    let uri = scripted::start(|_| Reply::Hang)?;
    let attach = attach_r2(&uri, ", \"rest.client.socket-timeout-ms\" 500, \"rest.client.max-retries\" 1");
    refused(&[&attach], 1, &["`r2`", "getConfig", "did not answer in time", "rest.client.socket-timeout-ms"])
}

fn catalog_hangs_later() -> Result<(), Failed> {
    let uri = scripted_catalog(|_| Reply::Hang)?;
    let attach = attach_r2(&uri, ", \"rest.client.socket-timeout-ms\" 500, \"rest.client.max-retries\" 1");
    let words = ["`r2`", "loadTable of `default.t`", "did not answer in time"];
    refused(&[&attach, "SELECT * FROM r2.default.t"], 1, &words)
}

/// What a proxy before the catalog says while the catalog is away.
fn catalog_fails() -> Result<(), Failed> {
    let uri = scripted_catalog(|_| Reply::html(503, PAGE))?;
    let attach = attach_r2(&uri, ", \"rest.client.max-retries\" 1");
    let words = ["`r2`", "loadTable of `default.t`", "503", "Sign in to continue", "run the statement again"];
    refused(&[&attach, "SELECT * FROM r2.default.t"], 1, &words)
}

fn catalog_has_no_tls() -> Result<(), Failed> {
    let uri = scripted::start(|_| Reply::text(400, "?"))?.replace("http:", "https:");
    refused(&[&attach_r2(&uri, "")], 1, &["`r2`", "getConfig", &uri, "speaks no TLS"])
}

fn catalog_certificate_is_unknown() -> Result<(), Failed> {
    let nobody = "http://127.0.0.1:1".to_owned();
    let upstream = Upstream {
        catalog: nobody.clone(),
        catalog_token: String::new(),
        prefix: "p".to_owned(),
        s3: nobody,
        s3_keys: Keys::new("a", "b"),
    };
    let proxy = R2Proxy::start(Settings::new("account", "lake", upstream)).map_err(|error| error.to_string())?;
    let words = ["`r2`", "getConfig", "cannot be reached", "unknown authority", "ssl.cabundle"];
    refused(&[&attach_r2(&proxy.catalog_uri(), "")], 1, &words)
}
