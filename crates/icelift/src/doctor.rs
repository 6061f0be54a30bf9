//! What may be wrong with a catalog, found before a migration finds it.
//!
//! What must hold: what was not seen to work is never called ok; nothing is written unless that is asked for, and what is
//! written is removed; no finding holds a secret.

mod probe;
mod tables;

use std::fmt;

use crate::catalog::{Catalog, is_loopback};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::sql::Attach;

/// From here on signatures and times are in danger: AWS refuses 15 minutes.
const SKEW_WARN_SECONDS: u64 = 60;
const SKEW_FAIL_SECONDS: u64 = 600;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It was seen to be as it should.
    Ok,
    /// It could not be looked at, or there is nothing to look at.
    Skipped,
    /// It works, and will not always.
    Warn,
    /// It does not work.
    Fail,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the check.
    pub check: &'static str,
    pub health: Health,
    pub found: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Finding {
    fn new(check: &'static str, health: Health, found: impl Into<String>) -> Self {
        Self { check, health, found: found.into(), advice: None }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// What went wrong, with its causes.
    fn failed(check: &'static str, error: &Error) -> Self {
        let health = match error.kind() {
            ErrorKind::Unsupported => Health::Skipped,
            _ => Health::Fail,
        };
        let advice = error.advice().map(str::to_string);
        Self { check, health, found: error.with_causes(), advice }
    }
}

impl Engine {
    /// Attaches a catalog and examines it: connection, identity, clock, lists, tables, objects; with `writes` also whether
    /// a table and a large object can be written, read and removed, in a schema of its own.
    pub async fn examine(&self, attach: Attach, writes: bool) -> Vec<Finding> {
        let (name, kind) = (attach.name.clone(), attach.options.get("type").map(|kind| kind.to_ascii_lowercase()));
        let kind = kind.unwrap_or_default();
        let addresses = addresses(&attach);
        let attached = self.attach(attach).await;
        let mut findings = Vec::new();
        let catalog = match (attached, self.catalogs.get(&name)) {
            (Ok(()), Some(catalog)) => catalog,
            (Ok(()), None) => return vec![Finding::new("attach", Health::Fail, "the catalog was detached meanwhile")],
            (Err(error), _) => {
                findings.push(Finding::failed(blamed(&error), &error));
                findings.push(Finding::new("rest", Health::Skipped, "the catalog could not be attached"));
                return findings;
            }
        };
        let listed = tables::list(catalog.as_ref()).await;
        let is_reached = listed.is_ok();
        findings.push(reached(&kind, &listed));
        findings.push(tls(&kind, &addresses, is_reached));
        findings.push(identity(&kind, catalog.as_ref(), is_reached).await);
        findings.push(clock(&kind, catalog.as_ref()));
        match listed {
            Ok(listed) => {
                findings.push(listed.finding());
                findings.extend(tables::examine(catalog.as_ref(), &name, &kind, &listed).await);
            }
            Err(error) => findings.push(Finding::failed("list", &error)),
        }
        match writes {
            true => findings.extend(probe::write(self, catalog.as_ref(), &name).await),
            false => findings.extend(probe::not_written(catalog.as_ref())),
        }
        findings
    }
}

/// The check that a failed attempt to attach belongs to.
fn blamed(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Config | ErrorKind::Unsupported | ErrorKind::AlreadyExists => "configuration",
        ErrorKind::Denied => "authenticated",
        _ => "reachable",
    }
}

fn reached(kind: &str, listed: &Result<tables::Listing, Error>) -> Finding {
    match listed {
        Ok(_) if kind == "local" => Finding::new("reachable", Health::Ok, "the database is open"),
        Ok(_) => Finding::new("reachable", Health::Ok, "the catalog answers"),
        // A server that refuses was reached.
        Err(error) if error.kind() == ErrorKind::Denied => {
            Finding::new("reachable", Health::Ok, "the catalog answers, and refuses")
        }
        Err(error) => Finding::failed("reachable", error),
    }
}

/// What the options say of where the catalog and its objects are.
fn addresses(attach: &Attach) -> Vec<(String, String)> {
    let named = ["uri", "oauth2-server-uri", "s3.endpoint", "glue.endpoint"].into_iter();
    let found = named.filter_map(|name| Some((name.to_string(), attach.options.get(name)?.clone())));
    found.filter(|(_, address)| !address.is_empty()).collect()
}

fn tls(kind: &str, addresses: &[(String, String)], is_reached: bool) -> Finding {
    if kind == "local" {
        return Finding::new("tls", Health::Skipped, "nothing goes over a network");
    }
    let plain: Vec<_> = addresses.iter().filter(|(_, address)| !address.starts_with("https://")).collect();
    let far = plain.iter().find(|(_, address)| !is_loopback(address));
    match (far.or(plain.first()), addresses.is_empty()) {
        (Some((name, _)), _) if far.is_some() => {
            Finding::new("tls", Health::Fail, format!("`{name}` is plain HTTP: tokens and rows go unencrypted"))
                .advice("give an address that begins with https://")
        }
        (Some((name, _)), _) => Finding::new("tls", Health::Warn, format!("`{name}` is plain HTTP, on this machine"))
            .advice("that is for tests; give an address that begins with https://"),
        (None, true) => Finding::new(
            "tls",
            Health::Skipped,
            "the options name no address; AWS's own are https, unless AWS_ENDPOINT_URL names another",
        ),
        (None, false) if is_reached => Finding::new("tls", Health::Ok, "https, and the certificate is trusted"),
        (None, false) => Finding::new("tls", Health::Skipped, "https, but there was no answer to look at"),
    }
}

async fn identity(kind: &str, catalog: &dyn Catalog, is_reached: bool) -> Finding {
    if kind == "local" {
        return Finding::new("identity", Health::Skipped, "a local catalog asks nobody who they are");
    }
    match catalog.caller().await {
        Some(Ok(caller)) => Finding::new("identity", Health::Ok, caller),
        Some(Err(error)) => {
            let finding = Finding::failed("identity", &error);
            // Who may list is known, whatever STS says.
            Finding { health: if is_reached { Health::Skipped } else { Health::Fail }, ..finding }
        }
        None if is_reached => {
            let found = "the catalog accepts the credentials; its protocol has no call that tells whose they are";
            Finding::new("identity", Health::Skipped, found)
        }
        None => Finding::new("identity", Health::Skipped, "the catalog did not answer"),
    }
}

fn clock(kind: &str, catalog: &dyn Catalog) -> Finding {
    let check = "clock";
    match catalog.clock_ahead_seconds() {
        None if kind == "local" => Finding::new(check, Health::Skipped, "there is no other clock"),
        None => Finding::new(check, Health::Skipped, "no answer of the server had a date"),
        Some(ahead) => {
            let words = if ahead < 0 { "behind" } else { "ahead of" };
            let found = format!("the server is {} s {words} this machine", ahead.unsigned_abs());
            let health = match ahead.unsigned_abs() {
                0..SKEW_WARN_SECONDS => return Finding::new(check, Health::Ok, found),
                SKEW_WARN_SECONDS..SKEW_FAIL_SECONDS => Health::Warn,
                _ => Health::Fail,
            };
            Finding::new(check, health, found)
                .advice("set this machine's clock (NTP): signatures are refused from 15 minutes on")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_never_ok() {
        let health = |addresses: &[(&str, &str)], reached| {
            let addresses: Vec<_> = addresses.iter().map(|(a, b)| ((*a).to_string(), (*b).to_string())).collect();
            tls("rest", &addresses, reached).health
        };
        assert_eq!(health(&[("uri", "https://x")], true), Health::Ok);
        assert_eq!(health(&[("uri", "https://x")], false), Health::Skipped);
        assert_eq!(health(&[("uri", "https://x"), ("s3.endpoint", "http://127.0.0.1:9")], true), Health::Warn);
        assert_eq!(health(&[("uri", "http://127.0.0.1:9"), ("s3.endpoint", "http://x")], true), Health::Fail);
        assert_eq!(health(&[], true), Health::Skipped);
    }
}
