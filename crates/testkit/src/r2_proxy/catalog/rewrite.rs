//! The upstream's answers as R2 would give them.

use serde_json::{Value, json};

use super::super::answer::{self, Answer};
use super::super::settings::LostRace;
use super::super::{Settings, State};
use super::Found;

pub(super) fn answer(state: &State, operation: &str, found: Found) -> Answer {
    let Found { code, body } = found;
    match (code, body) {
        // To look into a namespace that is not there is forbidden, in plain text.
        (404, _) if operation == "listTables" => answer::text(403, "Forbidden"),
        // The specification wants 204 where there is nothing to say.
        (200, None) => answer::empty(204),
        (code, None) => answer::empty(code),
        (200, Some(body)) => answer::json(200, &succeeded(state, operation, body)),
        (409, Some(body)) if is_lost_race(&state.settings, operation, &body) => {
            let message = body["error"]["message"].as_str().unwrap_or_default();
            answer::iceberg_error(400, "ConcurrentUpdateError", message)
        }
        (code, Some(body)) => answer::json(code, &body),
    }
}

/// The answer of `loadCredentials`, out of that of `loadTable`.
pub(super) fn credentials(state: &State, table: Found) -> Answer {
    match table {
        Found { code: 200, body: Some(body) } => {
            answer::json(200, &json!({"storage-credentials": storage_credentials(state, &body)}))
        }
        other => answer(state, "loadCredentials", other),
    }
}

fn succeeded(state: &State, operation: &str, mut body: Value) -> Value {
    match operation {
        "loadTable" | "createTable" | "registerTable" => {
            let credentials = storage_credentials(state, &body);
            body["config"] = credentials[0]["config"].clone();
            body["storage-credentials"] = credentials;
        }
        // Only the metadata and where it is.
        "updateTable" => {
            if let Some(fields) = body.as_object_mut() {
                fields.retain(|name, _| ["metadata", "metadata-location"].contains(&name.as_str()));
            }
        }
        _ => {}
    }
    body
}

fn storage_credentials(state: &State, table: &Value) -> Value {
    let config = state.vended.config(&state.s3_endpoint);
    json!([{"prefix": table["metadata"]["location"], "config": config}])
}

/// A branch that has moved on. Other requirements that fail stay 409: the client was wrong about the table itself.
fn is_lost_race(settings: &Settings, operation: &str, body: &Value) -> bool {
    let message = body["error"]["message"].as_str().unwrap_or_default();
    settings.lost_race == LostRace::ConcurrentUpdate
        && ["updateTable", "commitTransaction"].contains(&operation)
        && body["error"]["type"] == "CommitFailedException"
        && message.contains("has changed: expected id")
}
