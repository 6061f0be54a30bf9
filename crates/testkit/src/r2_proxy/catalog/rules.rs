//! What R2 refuses by the request alone.

use serde_json::Value;

use super::super::answer::Refusal;
use super::super::call::Call;
use super::super::settings::Settings;
use super::operation::Operation;

const RESERVED_NAMESPACES: [&str; 3] = ["system", "examples", "information_schema"];
const NAMESPACE_DEPTH_MAX: usize = 5;
const FORMAT_VERSION_MAX: u64 = 3;
const TRANSACTION_TABLES_MAX: usize = 7_500;

/// The properties below `write.metadata` that may be set.
const METADATA_PROPERTIES: [&str; 3] = [
    "write.metadata.compression-codec",
    "write.metadata.delete-after-commit.enabled",
    "write.metadata.previous-versions-max",
];

type Checked = Result<(), Refusal>;

fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal::violation(400, "BadRequestException", message)
}

pub(super) fn parameters(operation: &Operation, call: &Call) -> Checked {
    match call.parameters().find(|(name, _)| !operation.parameters.contains(&name.as_str())) {
        Some((name, _)) => Err(bad_request(format!("unknown query parameter `{name}`"))),
        None => Ok(()),
    }
}

/// A missing one is refused as if it were somebody else's.
pub(super) fn warehouse(call: &Call, own: &str) -> Checked {
    match call.parameter("warehouse") {
        None => Err(Refusal::violation(403, "", "Forbidden")),
        Some(found) if found == own => Ok(()),
        Some(found) => {
            Err(Refusal::expected(404, "NoSuchWarehouseException", format!("there is no warehouse `{found}`")))
        }
    }
}

pub(super) fn body(operation: &str, call: &Call, settings: &Settings) -> Checked {
    let with_rules = ["createNamespace", "updateProperties", "createTable", "registerTable", "updateTable"];
    if !with_rules.contains(&operation) && operation != "commitTransaction" {
        return Ok(());
    }
    let body: Value = serde_json::from_slice(&call.body).map_err(|error| bad_request(format!("no JSON: {error}")))?;
    match operation {
        "createNamespace" => namespace(&body),
        "updateProperties" => namespace_properties(&body["updates"]),
        "createTable" => new_table(&body),
        "registerTable" => registered(&body, &settings.bucket),
        "updateTable" => changes(&body, settings),
        _ => {
            let tables = body["table-changes"].as_array().map(Vec::as_slice).unwrap_or_default();
            if tables.len() > TRANSACTION_TABLES_MAX {
                return Err(bad_request(format!("{} tables, at most {TRANSACTION_TABLES_MAX}", tables.len())));
            }
            tables.iter().try_for_each(|table| changes(table, settings))
        }
    }
}

fn namespace(body: &Value) -> Checked {
    let levels: Vec<_> = body["namespace"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if levels.first().is_some_and(|first| RESERVED_NAMESPACES.contains(first)) {
        return Err(bad_request(format!("the namespace `{}` is reserved", levels[0])));
    }
    if levels.is_empty() || levels.len() > NAMESPACE_DEPTH_MAX {
        return Err(bad_request(format!("{} levels, expected 1 to {NAMESPACE_DEPTH_MAX}", levels.len())));
    }
    if let Some(level) = levels.iter().find(|level| level.is_empty() || level.contains('.')) {
        return Err(bad_request(format!("`{level}` cannot be part of a namespace")));
    }
    namespace_properties(&body["properties"])
}

fn namespace_properties(properties: &Value) -> Checked {
    let mut names = properties.as_object().into_iter().flatten().map(|(name, _)| name);
    match names.find(|name| name.as_str() == "location" || name.chars().any(char::is_uppercase)) {
        Some(name) => Err(bad_request(format!("the namespace property `{name}` cannot be set"))),
        None => Ok(()),
    }
}

/// Tables lie where the server puts them.
fn new_table(body: &Value) -> Checked {
    if let Some(location) = body["location"].as_str() {
        return Err(bad_request(format!("the location `{location}` cannot be chosen")));
    }
    let version = body["properties"]["format-version"].as_str().and_then(|version| version.parse().ok());
    format_version(version)?;
    table_properties(&body["properties"])
}

fn registered(body: &Value, bucket: &str) -> Checked {
    let location = body["metadata-location"].as_str().unwrap_or_default();
    if location.starts_with(&format!("s3://{bucket}/")) {
        Ok(())
    } else {
        Err(bad_request(format!("`{location}` is not in the bucket of the catalog")))
    }
}

fn changes(body: &Value, settings: &Settings) -> Checked {
    let is_new =
        body["requirements"].as_array().into_iter().flatten().any(|requirement| requirement["type"] == "assert-create");
    let own = format!("s3://{}/__r2_data_catalog/", settings.bucket);
    for update in body["updates"].as_array().into_iter().flatten() {
        match update["action"].as_str().unwrap_or_default() {
            "set-properties" => table_properties(&update["updates"])?,
            "upgrade-format-version" => format_version(update["format-version"].as_u64())?,
            "set-location" if !is_new || !update["location"].as_str().unwrap_or_default().starts_with(&own) => {
                return Err(bad_request("the location of a table cannot be changed"));
            }
            "add-encryption-key" | "remove-encryption-key" => {
                return Err(Refusal::violation(501, "NotImplementedException", "tables cannot be encrypted"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn format_version(version: Option<u64>) -> Checked {
    match version.filter(|version| !(1..=FORMAT_VERSION_MAX).contains(version)) {
        Some(version) => Err(Refusal::violation(400, "InvalidFormatVersion", format!("format version {version}"))),
        None => Ok(()),
    }
}

/// What would send data or metadata elsewhere. The status says conflict, and yet trying again is of no use.
fn table_properties(properties: &Value) -> Checked {
    let is_blocked = |name: &str| {
        name.starts_with("write.data.path")
            || (name.starts_with("write.metadata") && !METADATA_PROPERTIES.contains(&name))
    };
    let mut names = properties.as_object().into_iter().flatten().map(|(name, _)| name);
    match names.find(|name| is_blocked(name)) {
        Some(name) => Err(Refusal::violation(409, "FailedToSetProperties", format!("`{name}` cannot be set"))),
        None => Ok(()),
    }
}
