//! Addresses: the paths of the specification, with names of any letters.

use iceberg::{NamespaceIdent, TableIdent};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::error::{Error, ErrorKind, Result};

/// All but RFC 3986's unreserved characters. A space is `%20`: `+` means a space to some servers only.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The unit separator, which joins the levels of a namespace.
pub(super) const SEPARATOR: &str = "%1F";

/// Makes the paths of one catalog.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    /// `/v1` or `/v1/<prefix>`.
    root: String,
    /// Percent-encoded.
    separator: String,
}

impl Paths {
    pub fn new(prefix: Option<&str>, separator: Option<&str>) -> Self {
        let prefix = prefix.map(|prefix| prefix.trim_matches('/')).filter(|prefix| !prefix.is_empty());
        // A prefix may have several levels, such as `catalogs/123`.
        let levels = prefix.into_iter().flat_map(|prefix| prefix.split('/')).map(encoded);
        let root = std::iter::once("/v1".to_string()).chain(levels).collect::<Vec<_>>().join("/");
        let separator = separator.filter(|separator| !separator.is_empty()).unwrap_or(SEPARATOR);
        let separator = if separator.contains('%') { separator.to_string() } else { encoded(separator) };
        Self { root, separator }
    }

    pub fn config(warehouse: Option<&str>) -> String {
        match warehouse {
            Some(warehouse) => format!("/v1/config?warehouse={}", encoded(warehouse)),
            None => "/v1/config".to_string(),
        }
    }

    pub fn namespaces(&self) -> String {
        format!("{}/namespaces", self.root)
    }

    pub fn namespace(&self, namespace: &NamespaceIdent) -> Result<String> {
        Ok(format!("{}/namespaces/{}", self.root, self.joined(namespace)?))
    }

    pub fn tables(&self, namespace: &NamespaceIdent) -> Result<String> {
        Ok(format!("{}/tables", self.namespace(namespace)?))
    }

    pub fn views(&self, namespace: &NamespaceIdent) -> Result<String> {
        Ok(format!("{}/views", self.namespace(namespace)?))
    }

    pub fn table(&self, table: &TableIdent) -> Result<String> {
        Ok(format!("{}/{}", self.tables(&table.namespace)?, segment(&table.name)?))
    }

    pub fn register(&self, namespace: &NamespaceIdent) -> Result<String> {
        Ok(format!("{}/register", self.namespace(namespace)?))
    }

    pub fn rename(&self) -> String {
        format!("{}/tables/rename", self.root)
    }

    pub fn credentials(&self, table: &TableIdent) -> Result<String> {
        Ok(format!("{}/credentials", self.table(table)?))
    }

    /// A page of a list. The first one is asked for with an empty token, which tells the server that this client pages.
    pub fn page(&self, list: &str, parent: Option<&NamespaceIdent>, size: Option<u32>, token: &str) -> Result<String> {
        let mut path = format!("{list}?pageToken={}", encoded(token));
        if let Some(size) = size {
            path.push_str(&format!("&pageSize={size}"));
        }
        if let Some(parent) = parent {
            path.push_str(&format!("&parent={}", self.joined(parent)?));
        }
        Ok(path)
    }

    fn joined(&self, namespace: &NamespaceIdent) -> Result<String> {
        let levels: Result<Vec<_>> = namespace.iter().map(|level| segment(level)).collect();
        Ok(levels?.join(&self.separator))
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A name as one segment of a path. URLs know no segment `.` or `..`, however it is written.
fn segment(name: &str) -> Result<String> {
    if [".", "..", ""].contains(&name) {
        let message = format!("`{name}` cannot be the name of a namespace or table in a REST catalog");
        return Err(Error::new(ErrorKind::Sql, message));
    }
    Ok(encoded(name))
}

/// An address of the catalog's server as it was given, without `/` at its end.
pub(super) fn base(uri: &str) -> Result<String, String> {
    let url = Url::parse(uri).map_err(|_| "it is no address".to_string())?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(format!("it begins with `{}:`, not with `https:`", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a name or password; give TOKEN or CREDENTIAL".to_string());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a `?` or `#`".to_string());
    }
    Ok(uri.trim_end_matches('/').to_string())
}

/// An address as messages show it: without what may be secret.
pub(super) fn shown(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let path = url.path().trim_end_matches('/');
            format!("{}://{}{port}{path}", url.scheme(), url.host_str().unwrap_or_default())
        }
        Err(_) => "the URI".to_string(),
    }
}

/// Whether what is sent to the address can be read on the way.
pub(super) fn is_in_the_clear(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| url.scheme() == "http")
}

/// Whether the address is on this machine.
pub(in crate::catalog) fn is_loopback(uri: &str) -> bool {
    match Url::parse(uri).ok().as_ref().and_then(Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use iceberg::{NamespaceIdent, TableIdent};

    use super::*;

    #[test]
    fn names_of_any_letters_are_one_segment() {
        let paths = Paths::new(Some("catalogs/a b"), None);
        let namespace = NamespaceIdent::from_strs(["a/b", "ü.c"]).unwrap();
        let table = TableIdent::new(namespace.clone(), "t+1 %".to_string());
        let expected = "/v1/catalogs/a%20b/namespaces/a%2Fb%1F%C3%BC.c/tables/t%2B1%20%25";
        assert_eq!(paths.table(&table).unwrap(), expected);
        assert_eq!(paths.credentials(&table).unwrap(), format!("{expected}/credentials"));
        let page = paths.page(&paths.namespaces(), Some(&namespace), Some(7), "a=b").unwrap();
        assert_eq!(page, "/v1/catalogs/a%20b/namespaces?pageToken=a%3Db&pageSize=7&parent=a%2Fb%1F%C3%BC.c");
        assert_eq!(Paths::config(Some("a_b c")), "/v1/config?warehouse=a_b%20c");
    }

    #[test]
    fn the_server_may_choose_the_separator() {
        let namespace = NamespaceIdent::from_strs(["a", "b"]).unwrap();
        for (given, expected) in [(None, "a%1Fb"), (Some("%2E"), "a%2Eb"), (Some("."), "a.b"), (Some(":"), "a%3Ab")] {
            let path = Paths::new(None, given).namespace(&namespace).unwrap();
            assert_eq!(path, format!("/v1/namespaces/{expected}"));
        }
    }

    #[test]
    fn a_name_that_no_path_can_hold_is_refused() {
        let table = TableIdent::from_strs(["n", ".."]).unwrap();
        let error = Paths::new(None, None).table(&table).unwrap_err();
        assert_eq!(error.to_string(), "`..` cannot be the name of a namespace or table in a REST catalog");
    }

    #[test]
    fn addresses_are_checked_and_shown_without_secrets() {
        assert_eq!(base("https://x/a/b/").unwrap(), "https://x/a/b");
        assert_eq!(base("ftp://x").unwrap_err(), "it begins with `ftp:`, not with `https:`");
        assert!(base("https://me:hunter2@x").unwrap_err().contains("TOKEN"));
        assert!(base("https://x?token=hunter2").is_err() && base("x").is_err());
        assert_eq!(shown("https://me:hunter2@x:8443/a/?t=hunter2"), "https://x:8443/a");
        for (uri, expected) in [("http://127.0.0.1:1", true), ("http://[::1]", true), ("https://a.localhost/x", true)] {
            assert_eq!(is_loopback(uri), expected, "{uri}");
        }
        assert!(is_in_the_clear("HTTP://x") && !is_in_the_clear("https://x") && !is_in_the_clear("x"));
        assert!(!is_loopback("http://localhost.example.com") && !is_loopback("http://10.0.0.1"));
    }
}
