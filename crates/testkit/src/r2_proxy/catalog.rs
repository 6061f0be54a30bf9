//! R2 Data Catalog: what it refuses, and how its answers differ from those of the catalog behind.

mod operation;
mod rewrite;
mod rules;

use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Method};
use serde_json::Value;

use super::answer::{self, Answer, Refusal};
use super::call::Call;
use super::settings::Settings;
use super::{State, forward, gzip};
use crate::signature::{insert, text};
use operation::Operation;

/// Tables and namespaces of one page, unless asked otherwise, and at most.
const PAGE_ITEMS: usize = 100;
const PAGE_ITEMS_MAX: usize = 1_000;

/// A request that means something.
struct Target<'a> {
    operation: Operation,
    /// What follows the prefix.
    below: Vec<&'a str>,
}

pub(super) fn operation_name(call: &Call, settings: &Settings) -> &'static str {
    target(call, settings).map_or("unknown", |target| target.operation.name)
}

pub(super) async fn answer(state: &State, call: &Call) -> Answer {
    let answered = match checked(state, call) {
        Ok(target) => ask(state, call, &target).await.map_err(|refusal| (target.operation.name, refusal)),
        Err(refusal) => Err((operation_name(call, &state.settings), refusal)),
    };
    let answer = answered.unwrap_or_else(|(operation, refusal)| {
        if refusal.is_violation {
            state.log.violation(operation, call, &refusal.message);
        }
        refusal.as_iceberg()
    });
    packed(call, answer).await
}

/// Everything that can be said about a request without the upstream.
fn checked<'a>(state: &State, call: &'a Call) -> Result<Target<'a>, Refusal> {
    let settings = &state.settings;
    if call.header("authorization") != Some(&format!("Bearer {}", settings.token)) {
        return Err(Refusal::expected(401, "", "Unauthorized"));
    }
    let target = target(call, settings)?;
    rules::parameters(&target.operation, call)?;
    if target.operation.name == "getConfig" {
        rules::warehouse(call, &settings.warehouse())?;
    }
    rules::body(target.operation.name, call, settings)?;
    let table = target.below.join("/");
    state.rates.admit(target.operation.rate, &table, Instant::now()).map_err(|message| {
        let seconds = settings.limits.retry_after_seconds;
        Refusal::expected(429, "TooManyRequestsException", message).retry_after(seconds)
    })?;
    Ok(target)
}

fn target<'a>(call: &'a Call, settings: &Settings) -> Result<Target<'a>, Refusal> {
    let missing = || Refusal::violation(404, "NotFoundException", format!("there is no path `{}`", call.path));
    let base = format!("/{}/{}/v1/", settings.account, settings.bucket);
    let segments: Vec<_> = call.path.strip_prefix(&base).ok_or_else(missing)?.split('/').collect();
    let below = match segments[..] {
        ["config"] => segments,
        [prefix, ref below @ ..] if prefix == settings.upstream.prefix => below.to_vec(),
        _ => return Err(missing()),
    };
    let operation = operation::find(call.method.as_str(), &below).ok_or_else(missing)?;
    Ok(Target { operation, below })
}

async fn ask(state: &State, call: &Call, target: &Target<'_>) -> Result<Answer, Refusal> {
    let name = target.operation.name;
    match name {
        // Accepted and dropped.
        "reportMetrics" => Ok(answer::empty(204)),
        "loadCredentials" => {
            let table = upstream(state, Method::GET, &path(state, &target.below[..4]), Bytes::new()).await?;
            Ok(rewrite::credentials(state, table))
        }
        _ => {
            let url = format!("{}{}", path(state, &target.below), query(name, call));
            let found = upstream(state, call.method.clone(), &url, call.sent_body()).await?;
            Ok(rewrite::answer(state, target.operation.name, found))
        }
    }
}

fn path(state: &State, below: &[&str]) -> String {
    match below {
        ["config"] => "/v1/config".to_owned(),
        below => format!("/v1/{}/{}", state.settings.upstream.prefix, below.join("/")),
    }
}

/// Lists come in pages even for who does not ask for them; a purge takes days here, so that files stay.
fn query(operation: &str, call: &Call) -> String {
    match operation {
        "listTables" | "listNamespaces" | "listViews" => {
            let asked = call.parameter("pageSize").and_then(|size| size.parse().ok()).unwrap_or(PAGE_ITEMS);
            let others = call.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("pageSize="));
            let mut pairs: Vec<_> = others.map(str::to_owned).collect();
            if call.parameter("pageToken").is_none() {
                pairs.push("pageToken=".to_owned());
            }
            pairs.push(format!("pageSize={}", asked.clamp(1, PAGE_ITEMS_MAX)));
            format!("?{}", pairs.join("&"))
        }
        "dropTable" => "?purgeRequested=false".to_owned(),
        _ if call.query.is_empty() => String::new(),
        _ => format!("?{}", call.query),
    }
}

/// What the upstream answers: status and JSON, or no JSON.
struct Found {
    code: u16,
    body: Option<Value>,
}

/// Only what is needed gets through: no idempotency key, no ETag, none of the client's other headers.
async fn upstream(state: &State, method: Method, url: &str, body: Bytes) -> Result<Found, Refusal> {
    let settings = &state.settings.upstream;
    let mut headers = HeaderMap::new();
    insert(&mut headers, "authorization", &format!("Bearer {}", settings.catalog_token));
    insert(&mut headers, "content-type", "application/json");
    let response = forward::send(&state.client, method, &format!("{}{url}", settings.catalog), headers, body).await?;
    let code = response.status().as_u16();
    let body = response.bytes().await;
    let body = body.map_err(|error| Refusal::expected(502, "BadGateway", format!("the catalog behind: {error:?}")))?;
    Ok(Found { code, body: serde_json::from_slice(&body).ok() })
}

/// Packs an answer for who can unpack it.
async fn packed(call: &Call, answer: Answer) -> Answer {
    let accepts = text(&call.headers, "accept-encoding").is_some_and(|accepted| accepted.contains("gzip"));
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
    let is_packed = accepts && !body.is_empty();
    let body = if is_packed { gzip::packed(&body) } else { body };
    if is_packed {
        insert(&mut parts.headers, "content-encoding", "gzip");
    }
    let mut packed = answer::bytes(parts.status.as_u16(), "", body);
    *packed.headers_mut() = parts.headers;
    packed
}
