//! The one form of a request that both sides compute, whatever the way it was written.

use std::collections::BTreeSet;

use hyper::HeaderMap;

use super::Signable;

pub(super) fn canonical_request(request: &Signable<'_>, signed_headers: &BTreeSet<String>, payload: &str) -> String {
    let names = signed_headers.iter().map(String::as_str).collect::<Vec<_>>().join(";");
    let headers: String =
        signed_headers.iter().map(|name| format!("{name}:{}\n", canonical_header(request.headers, name))).collect();
    let path = encoded(&decoded(request.path), true);
    let query = canonical_query(request.query);
    format!("{}\n{path}\n{query}\n{headers}\n{names}\n{payload}", request.method)
}

fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded(&decoded(name), false), encoded(&decoded(value), false))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Values without needless spaces; several headers of one name become one.
fn canonical_header(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    values.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(",")
}

/// Undoes percent-encoding; what is none stays as it is.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut found = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                found.push(byte);
                at += 3;
            }
            None => {
                found.push(bytes[at]);
                at += 1;
            }
        }
    }
    found
}

fn encoded(bytes: &[u8], is_path: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (is_path && byte == b'/');
    bytes.iter().map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
