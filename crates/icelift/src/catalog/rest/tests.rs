//! The client against a server that answers what a test tells it to. Every test has a server of its own.

mod auth;
mod commit;
mod config;
mod create;
mod errors;
mod lists;
mod r2;
mod vended;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use iceberg::spec::{
    NestedField, PrimitiveType, Schema, SortOrder, TableMetadata, Transform, Type, UnboundPartitionSpec,
};
use iceberg::{NamespaceIdent, TableIdent};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::Rest;
use crate::catalog::NewTable;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::scripted_server::{Asked, Reply, Server};

/// The answer to getConfig of a server that says nothing.
const SILENT: &str = r#"{"defaults":{},"overrides":{}}"#;

/// Attaches the server as `r`, with few and quick repetitions.
async fn attach(server: &Server, given: &[(&str, &str)]) -> Result<Rest> {
    let mut options = BTreeMap::from([("uri", server.url.as_str()), ("rest.client.max-retries", "1")]);
    options.extend(given.iter().copied());
    let options = options.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Rest::open(Some("w".to_string()), Options::new("r", options), &TaskTracker::new()).await
}

/// Attaches a server that answers getConfig with [`SILENT`] and everything else as `answers` says.
async fn attached(answers: impl FnMut(&Asked) -> Reply + Send + 'static) -> (Server, Rest) {
    let server = serving(SILENT, answers).await;
    let rest = attach(&server, &[]).await.unwrap();
    (server, rest)
}

/// A server that answers getConfig with `config`.
async fn serving(config: &str, mut answers: impl FnMut(&Asked) -> Reply + Send + 'static) -> Server {
    let config = config.to_string();
    Server::start(move |asked| if path(asked) == "/v1/config" { body(&config) } else { answers(asked) }).await
}

/// The path without its query.
fn path(asked: &Asked) -> &str {
    asked.target.split('?').next().unwrap()
}

/// The requests after getConfig, as method and target.
fn calls(server: &Server) -> Vec<String> {
    let asked = server.asked().into_iter().filter(|asked| path(asked) != "/v1/config");
    asked.map(|asked| format!("{} {}", asked.method, asked.target)).collect()
}

fn body(json: &str) -> Reply {
    Reply::with(200, &[("content-type", "application/json")], json.as_bytes())
}

fn answer(json: &Value) -> Reply {
    body(&json.to_string())
}

/// The specification's error.
fn refuse(status: u16, named: &str, message: &str) -> Reply {
    let error = json!({"error": {"message": message, "type": named, "code": status}});
    Reply::with(status, &[("content-type", "application/json")], error.to_string().as_bytes())
}

/// Answers in turn, the last one for ever.
fn in_turn(replies: Vec<Reply>) -> impl FnMut(&Asked) -> Reply + Send + 'static {
    let next = Arc::new(AtomicUsize::new(0));
    move |_| replies[next.fetch_add(1, Ordering::SeqCst).min(replies.len() - 1)].clone()
}

fn ident() -> TableIdent {
    TableIdent::from_strs(["n", "t"]).unwrap()
}

fn namespace() -> NamespaceIdent {
    NamespaceIdent::new("n".to_string())
}

/// A table to create: columns `a` with id 7 and `b` with id 3, partitioned by `b`.
fn new_table(keep_field_ids: bool) -> NewTable {
    let field = |id, name| Arc::new(NestedField::optional(id, name, Type::Primitive(PrimitiveType::Int)));
    let spec = UnboundPartitionSpec::builder().add_partition_field(3, "b", Transform::Identity).unwrap().build();
    NewTable {
        ident: ident(),
        schema: Schema::builder().with_fields([field(7, "a"), field(3, "b")]).build().unwrap(),
        partition_spec: spec,
        properties: BTreeMap::from([("k".to_string(), "v".to_string())]),
        sort_order: SortOrder::unsorted_order(),
        location: None,
        keep_field_ids,
    }
}

/// Metadata of a table at `s3://b/t`.
fn metadata() -> TableMetadata {
    new_table(false).metadata("s3://b/t".to_string()).unwrap()
}

/// The answer to loadTable.
fn loaded(config: Value, credentials: Value) -> Value {
    json!({
        "metadata-location": "s3://b/t/metadata/0.json",
        "metadata": metadata(),
        "config": config,
        "storage-credentials": credentials,
    })
}

/// The error and all its causes.
fn chain(error: &Error) -> String {
    let mut text = format!("{error} {} {error:?}", error.advice().unwrap_or_default());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

fn no_properties() -> HashMap<String, String> {
    HashMap::new()
}
