//! Lists, creates and drops namespaces.

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt};
use iceberg::NamespaceIdent;

use super::Rest;
use super::call::{Call, Operation};
use super::failure::Failure;
use super::pages::Pages;
use super::wire::{CreateNamespaceBody, NamespacesReply};
use crate::error::{Error, ErrorKind, Result, Stage};

/// Namespaces whose children are listed at once.
const AT_ONCE: usize = 8;
/// Deeper than any catalog goes.
const LEVELS: usize = 32;

impl Rest {
    /// All namespaces, level by level.
    pub async fn namespaces(&self) -> Result<Vec<NamespaceIdent>> {
        let mut found: BTreeSet<NamespaceIdent> = BTreeSet::new();
        let mut level = self.children(None).await?;
        for _ in 0..LEVELS {
            let parents: Vec<_> = level.into_iter().filter(|namespace| found.insert(namespace.clone())).collect();
            let listed = futures::stream::iter(parents).map(|parent| async move { self.children(Some(&parent)).await });
            level = listed.buffered(AT_ONCE).try_concat().await?;
            if level.is_empty() {
                break;
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The namespaces directly below `parent`.
    async fn children(&self, parent: Option<&NamespaceIdent>) -> Result<Vec<NamespaceIdent>> {
        let list = self.client.paths.namespaces();
        let mut pages = Pages::default();
        let mut children = Vec::new();
        while let Some(token) = pages.next_token() {
            let path = self.client.paths.page(&list, parent, self.page_size, token)?;
            let mut call = Call::new(Operation::ListNamespaces, path);
            if let Some(parent) = parent {
                call = call.about(parent);
            }
            let page: NamespacesReply = match self.client.json(&call).await {
                Ok(page) => page,
                // Dropped meanwhile, or a server without nested namespaces.
                Err(failure) if parent.is_some() && has_no_children(&failure) => return Ok(Vec::new()),
                Err(failure) => return Err(self.client.error(failure)),
            };
            let listed = page.namespaces.into_iter().filter_map(|levels| NamespaceIdent::from_vec(levels).ok());
            // A server that does not know `parent` answers with the top level again.
            children.extend(listed.filter(|child| is_child(child, parent)));
            pages.turn(page.next_page_token).map_err(|found| self.broken(&call, &found))?;
        }
        Ok(children)
    }

    /// Creates a namespace; it is an error if it exists.
    pub async fn add_namespace(&self, namespace: &NamespaceIdent, properties: HashMap<String, String>) -> Result<()> {
        let client = &self.client;
        let checked = client.rules.check_new_namespace(namespace, &properties);
        checked.map_err(|error| error.subject(format!("`{}`", client.catalog)))?;
        let body = CreateNamespaceBody { namespace, properties: &properties };
        let body = serde_json::to_vec(&body).map_err(unwritable)?;
        let call = Call::new(Operation::CreateNamespace, client.paths.namespaces()).about(namespace).body(body);
        let Err(failure) = client.done(&call).await else { return Ok(()) };
        if failure.cause.refusal().is_some_and(|refusal| refusal.status == 409) {
            let message = format!("the namespace `{}.{namespace}` exists already", client.catalog);
            return Err(
                Error::new(ErrorKind::AlreadyExists, message).hint("CREATE SCHEMA IF NOT EXISTS leaves it as it is")
            );
        }
        Err(self.of_namespace(failure, namespace))
    }

    /// Drops an empty namespace.
    pub async fn remove_namespace(&self, namespace: &NamespaceIdent) -> Result<()> {
        let call = Call::new(Operation::DropNamespace, self.client.paths.namespace(namespace)?).about(namespace);
        match self.client.done(&call).await {
            Ok(()) => Ok(()),
            // The answer to the first attempt was lost.
            Err(failure) if failure.is_doubtful && failure.is_not_found() => Ok(()),
            Err(failure) => Err(self.of_namespace(failure, namespace)),
        }
    }

    /// The error of a call about a namespace. That it does not exist has no stage: callers tell it from failures.
    pub(super) fn of_namespace(&self, failure: Failure, namespace: &NamespaceIdent) -> Error {
        if failure.is_not_found() {
            return namespace_not_found(&self.client.catalog, namespace);
        }
        self.client.error(failure)
    }
}

fn is_child(child: &NamespaceIdent, parent: Option<&NamespaceIdent>) -> bool {
    let above: &[String] = parent.map(|parent| parent.as_ref().as_slice()).unwrap_or_default();
    child.as_ref().len() == above.len() + 1 && child.as_ref().starts_with(above)
}

fn has_no_children(failure: &Failure) -> bool {
    let refused = failure.cause.refusal().is_some_and(|refusal| [400, 405, 406, 501].contains(&refusal.status));
    refused || failure.is_not_found()
}

pub(super) fn namespace_not_found(catalog: &str, namespace: &NamespaceIdent) -> Error {
    Error::new(ErrorKind::NotFound, format!("the namespace `{catalog}.{namespace}` does not exist"))
        .hint(format!("CREATE SCHEMA {catalog}.{namespace}; if it should be there, check the warehouse"))
}

pub(super) fn unwritable(source: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "the request cannot be written").stage(Stage::Catalog).source(source)
}
