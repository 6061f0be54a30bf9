//! What a server can do, as its configuration says.

use std::collections::HashSet;

use super::call::Operation;

/// The endpoints of a server.
#[derive(Debug, Clone)]
pub(super) enum Endpoints {
    /// The server does not say: those that the specification had before servers said so.
    Default,
    Listed(HashSet<String>),
}

impl Endpoints {
    pub fn new(listed: Option<Vec<String>>) -> Self {
        match listed {
            Some(listed) if !listed.is_empty() => Self::Listed(listed.iter().map(|it| normal(it)).collect()),
            // Java's client takes an empty list for none, too.
            _ => Self::Default,
        }
    }

    /// Whether the server has what the operation needs.
    pub fn has(&self, operation: Operation) -> bool {
        match (self, endpoint(operation)) {
            (_, None) => true,
            (Self::Default, Some(_)) => !matches!(operation, Operation::LoadCredentials | Operation::ListViews),
            (Self::Listed(listed), Some(endpoint)) => listed.contains(&normal(endpoint)),
        }
    }
}

/// The endpoint by the specification's name.
pub(super) fn endpoint(operation: Operation) -> Option<&'static str> {
    Some(match operation {
        Operation::GetConfig => return None,
        Operation::ListNamespaces => "GET /v1/{prefix}/namespaces",
        Operation::CreateNamespace => "POST /v1/{prefix}/namespaces",
        Operation::DropNamespace => "DELETE /v1/{prefix}/namespaces/{namespace}",
        Operation::ListTables => "GET /v1/{prefix}/namespaces/{namespace}/tables",
        Operation::ListViews => "GET /v1/{prefix}/namespaces/{namespace}/views",
        Operation::StageTable | Operation::CreateTable => "POST /v1/{prefix}/namespaces/{namespace}/tables",
        Operation::RegisterTable => "POST /v1/{prefix}/namespaces/{namespace}/register",
        Operation::LoadTable => "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        Operation::UpdateTable => "POST /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        Operation::DropTable => "DELETE /v1/{prefix}/namespaces/{namespace}/tables/{table}",
        Operation::RenameTable => "POST /v1/{prefix}/tables/rename",
        Operation::LoadCredentials => "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials",
    })
}

/// Some servers leave the prefix out, or name its place otherwise.
fn normal(endpoint: &str) -> String {
    let mut words = endpoint.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_ascii_uppercase(), words.next().unwrap_or_default());
    let segments = path.trim_matches('/').split('/').filter(|segment| *segment != "{prefix}");
    let segments = segments.map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    format!("{method} {}", segments.collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_the_old_endpoints_are_there() {
        let endpoints = Endpoints::new(None);
        assert!(endpoints.has(Operation::UpdateTable) && endpoints.has(Operation::GetConfig));
        assert!(!endpoints.has(Operation::LoadCredentials) && !endpoints.has(Operation::ListViews));
    }

    #[test]
    fn a_list_is_all_there_is() {
        let listed = ["GET /v1/{prefix}/namespaces", "get /v1/namespaces/{ns}/tables/{t}/credentials"];
        let endpoints = Endpoints::new(Some(listed.map(str::to_string).to_vec()));
        assert!(endpoints.has(Operation::ListNamespaces) && endpoints.has(Operation::LoadCredentials));
        assert!(!endpoints.has(Operation::DropTable) && !endpoints.has(Operation::LoadTable));
        assert!(Endpoints::new(Some(Vec::new())).has(Operation::LoadTable));
    }
}
