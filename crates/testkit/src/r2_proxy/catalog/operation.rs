//! Which operation of the specification a path means, by its name there.

use super::super::rates::Rate;

pub(super) struct Operation {
    pub(super) name: &'static str,
    /// The query parameters that it takes; R2 refuses all others.
    pub(super) parameters: &'static [&'static str],
    pub(super) rate: Rate,
}

const PAGES: &[&str] = &["pageToken", "pageSize"];

/// None for what R2 does not have: tokens, plans of scans, functions, unregistering, registering views.
pub(super) fn find(method: &str, below: &[&str]) -> Option<Operation> {
    let (name, parameters, rate): (_, &[&str], _) = match (method, below) {
        ("GET", ["config"]) => ("getConfig", &["warehouse"], Rate::Read),
        ("GET", ["namespaces"]) => ("listNamespaces", &["pageToken", "pageSize", "parent"], Rate::Read),
        ("POST", ["namespaces"]) => ("createNamespace", &[], Rate::Change),
        ("GET", ["namespaces", _]) => ("loadNamespaceMetadata", &[], Rate::Read),
        ("HEAD", ["namespaces", _]) => ("namespaceExists", &[], Rate::Read),
        ("DELETE", ["namespaces", _]) => ("dropNamespace", &[], Rate::Change),
        ("POST", ["namespaces", _, "properties"]) => ("updateProperties", &[], Rate::Write),
        ("POST", ["namespaces", _, "register"]) => ("registerTable", &[], Rate::Create),
        ("POST", ["transactions", "commit"]) => ("commitTransaction", &[], Rate::Create),
        (_, ["namespaces", _, "tables", ..] | ["tables", "rename"]) => table(method, below)?,
        (_, ["namespaces", _, "views", ..] | ["views", "rename"]) => view(method, below)?,
        _ => return None,
    };
    Some(Operation { name, parameters, rate })
}

fn table(method: &str, below: &[&str]) -> Option<(&'static str, &'static [&'static str], Rate)> {
    Some(match (method, below) {
        ("POST", ["tables", "rename"]) => ("renameTable", &[], Rate::Change),
        ("GET", [_, _, _]) => ("listTables", PAGES, Rate::Read),
        ("POST", [_, _, _]) => ("createTable", &[], Rate::Create),
        ("GET", [_, _, _, _]) => ("loadTable", &["snapshots"], Rate::Read),
        ("HEAD", [_, _, _, _]) => ("tableExists", &[], Rate::Read),
        ("POST", [_, _, _, _]) => ("updateTable", &[], Rate::Update),
        ("DELETE", [_, _, _, _]) => ("dropTable", &["purgeRequested"], Rate::Change),
        ("GET", [_, _, _, _, "credentials"]) => ("loadCredentials", &[], Rate::Read),
        ("POST", [_, _, _, _, "metrics"]) => ("reportMetrics", &[], Rate::Read),
        _ => return None,
    })
}

fn view(method: &str, below: &[&str]) -> Option<(&'static str, &'static [&'static str], Rate)> {
    Some(match (method, below) {
        ("POST", ["views", "rename"]) => ("renameView", &[], Rate::Change),
        ("GET", [_, _, _]) => ("listViews", PAGES, Rate::Read),
        ("POST", [_, _, _]) => ("createView", &[], Rate::Create),
        ("GET", [_, _, _, _]) => ("loadView", &[], Rate::Read),
        ("HEAD", [_, _, _, _]) => ("viewExists", &[], Rate::Read),
        ("POST", [_, _, _, _]) => ("replaceView", &[], Rate::Update),
        ("DELETE", [_, _, _, _]) => ("dropView", &[], Rate::Change),
        _ => return None,
    })
}
