//! What is wrong with the text alone: found before a request is sent.

use libtest_mimic::{Failed, Trial};

use super::{TOKEN, attach_r2, refused, scripted_catalog, trial};
use crate::support::scripted::Reply;

/// Options of ATTACH, and what the message must say beside the name of the catalog. The address is nobody's.
const ATTACHMENTS: [(&str, &str, &[&str]); 14] = [
    ("unknown_type", "'w' AS r2 (TYPE r3, URI 'https://x.invalid', TOKEN '{}')", &["`r3`", "r2", "glue"]),
    ("no_type", "'w' AS r2 (URI 'https://x.invalid', TOKEN '{}')", &["no type", "TYPE r2"]),
    (
        "misspelt_option",
        "'w' AS r2 (TYPE r2, URI 'https://x.invalid', TOKEN 't', TOKKEN '{}')",
        &["`tokken`", "`token`"],
    ),
    ("misspelt_glue_option", "'s3://b' AS r2 (TYPE glue, \"client.secret-acces-key\" '{}')", &["secret-acces-key`"]),
    (
        "no_warehouse",
        "AS r2 (TYPE r2, URI 'https://x.invalid', TOKEN '{}')",
        &["needs its warehouse", "<account>_<bucket>"],
    ),
    ("no_token", "'w' AS r2 (TYPE r2, URI 'https://x.invalid')", &["`token` is missing", "TOKEN '<API token>'"]),
    ("no_uri", "'w' AS r2 (TYPE r2, TOKEN '{}')", &["`uri` is missing"]),
    (
        "http_instead_of_https",
        "'w' AS r2 (TYPE r2, URI 'http://catalog.cloudflarestorage.com/account/lake', TOKEN '{}')",
        &["`uri`", "`https://`"],
    ),
    (
        "http_for_the_store",
        "'w' AS r2 (TYPE r2, URI 'https://x.invalid', TOKEN '{}', \"s3.endpoint\" 'http://account.r2.cloudflarestorage.com')",
        &["`s3.endpoint`", "`https://`"],
    ),
    ("password_in_the_uri", "'w' AS r2 (TYPE rest, URI 'https://me:{}@x.invalid')", &["`uri`", "password", "TOKEN"]),
    ("token_in_the_query", "'w' AS r2 (TYPE rest, URI 'https://x.invalid/?token={}')", &["`uri`", "`?`"]),
    ("half_a_key", "'s3://b' AS r2 (TYPE glue, \"client.secret-access-key\" '{}')", &["`client.access-key-id`"]),
    (
        "oauth_client_for_r2",
        "'w' AS r2 (TYPE r2, URI 'https://x.invalid', CREDENTIAL 'id:{}')",
        &["`credential`", "TOKEN"],
    ),
    ("odd_header", "'w' AS r2 (TYPE rest, URI 'https://x.invalid', \"header.x-key\" '{}\n')", &["`header.x-key`"]),
];

/// What R2 never takes, so that it is not asked to.
const STATEMENTS: [(&str, &str, &[&str]); 6] = [
    ("reserved_namespace", "CREATE SCHEMA r2.system", &["`system` is reserved", "another name"]),
    ("table_in_reserved_namespace", "CREATE TABLE r2.information_schema.t (id BIGINT)", &["information_schema"]),
    (
        "location_on_r2",
        "CREATE TABLE r2.default.t (id BIGINT) LOCATION 's3://lake/here'",
        &["chooses the location", "leave LOCATION out"],
    ),
    (
        "location_on_r2_of_what_may_exist",
        "CREATE TABLE IF NOT EXISTS r2.default.t (id BIGINT) LOCATION 's3://lake/here'",
        &["`r2.default.t`", "chooses the location"],
    ),
    (
        "replacement_in_reserved_namespace",
        "CREATE OR REPLACE TABLE r2.examples.t AS SELECT 1 AS id",
        &["`r2.examples.t`", "`examples` is reserved"],
    ),
    ("deep_namespace", "CREATE SCHEMA r2.a.b.c.d.e.f", &["6 levels", "at most 5"]),
];

pub(super) fn trials() -> Vec<Trial> {
    let attachments = ATTACHMENTS.into_iter().map(|(name, form, words)| {
        trial(name, move || {
            let attach = format!("ATTACH {}", form.replace("{}", TOKEN));
            refused(&[&attach], 2, &[&["r2"], words].concat())
        })
    });
    let statements = STATEMENTS.into_iter().map(|(name, sql, words)| trial(name, move || not_even_asked(sql, words)));
    let migrated = trial("migration_into_reserved_namespace", migration_into_reserved_namespace);
    attachments.chain(statements).chain([migrated]).collect()
}

fn not_even_asked(sql: &str, words: &[&str]) -> Result<(), Failed> {
    let uri = scripted_catalog(|asked| Reply::iceberg(500, "Unexpected", &format!("asked {}", asked.target)))?;
    refused(&[&attach_r2(&uri, ""), sql], 1, &[&["R2 Data Catalog"], words].concat())
}

/// A migration has to look whether its target is there; nothing is asked of what can never be.
fn migration_into_reserved_namespace() -> Result<(), Failed> {
    let uri = scripted_catalog(|asked| match asked.method.as_str() {
        "GET" => Reply::iceberg(404, "NoSuchTableException", "no such table"),
        _ => Reply::iceberg(500, "Unexpected", &format!("asked {} {}", asked.method, asked.target)),
    })?;
    let source =
        ["ATTACH 'here' AS here (TYPE local)", "CREATE SCHEMA here.n", "CREATE TABLE here.n.t AS SELECT 1 AS id"];
    let target = [&attach_r2(&uri, ""), "MIGRATE TABLE here.n.t TO r2.system.t"];
    refused(&[&source[..], &target].concat(), 1, &["`r2.system.t`", "`system` is reserved", "another name"])
}
