//! What a server's text must be cleaned of before a person sees it.
//!
//! Servers echo tokens, proxies echo headers, and a message may end in the middle of either. So every secret that this
//! client knows is looked for as it is, as it looks in a URL, in JSON and in HTML, and in a truncated form; beside them
//! whatever follows `Bearer` or has the shape of a signed token.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

const MASK: &str = "***";
/// Stands for the mask until all secrets are gone, as a secret might be a part of the mask. Of Unicode's private use.
const BLOT: &str = "\u{e000}";
/// How much of a server's text a message shows.
const EXCERPT_CHARS: usize = 300;
/// Secrets that were vended for a while: keys of the tables loaded last.
const RECENT: usize = 512;
/// A truncated secret is found by its beginning, where that is long enough to mean nothing else.
const BEGINNING_CHARS: usize = 8;

/// The secrets of one catalog.
#[derive(Default)]
pub(crate) struct Secrets {
    lasting: Mutex<Vec<SecretString>>,
    recent: Mutex<VecDeque<SecretString>>,
}

impl Secrets {
    /// Those secrets and no others.
    pub fn of(secrets: impl IntoIterator<Item = impl Into<SecretString>>) -> Self {
        Self { lasting: Mutex::new(secrets.into_iter().map(Into::into).collect()), ..Self::default() }
    }

    /// Keeps a secret of the configuration from sight.
    pub fn keep(&self, secret: &SecretString) {
        let mut lasting = self.lasting.lock().unwrap_or_else(PoisonError::into_inner);
        if !lasting.iter().any(|known| known.expose_secret() == secret.expose_secret()) {
            lasting.push(secret.clone());
        }
    }

    /// Keeps a secret that a server gave for a while from sight, until many others came after it.
    pub fn keep_recent(&self, secret: &str) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.iter().any(|known| known.expose_secret() == secret) {
            return;
        }
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(SecretString::from(secret));
    }

    /// The text without secrets.
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_string();
        for secret in self.known() {
            for written in ways_of_writing(&secret) {
                text = text.replace(&written, BLOT);
            }
            text = without_beginnings(&text, &secret);
        }
        without_signatures(&without_tokens(&text.replace(BLOT, MASK)))
    }

    /// What a message shows of a body: one line, bounded, without secrets and markup.
    pub fn excerpt(&self, body: &[u8]) -> String {
        // Cut only after the secrets are gone: half a secret would not be found.
        let text = self.scrub(&String::from_utf8_lossy(body));
        let text = without_markup(&text);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(EXCERPT_CHARS) {
            Some((end, _)) => format!("{} …", words[..end].trim_end()),
            None => words,
        }
    }

    /// All secrets, the longest first, as one may contain another.
    fn known(&self) -> Vec<String> {
        let lasting = self.lasting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let exposed = lasting.iter().chain(&recent).map(|secret| secret.expose_secret().to_string());
        let mut known: Vec<_> = exposed.filter(|secret| !secret.is_empty()).collect();
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        known
    }
}

/// A secret as it appears in plain text, URLs, forms, JSON and HTML.
fn ways_of_writing(secret: &str) -> Vec<String> {
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let json = serde_json::to_string(secret).unwrap_or_default();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut written = vec![
        secret.to_string(),
        encoded.to_lowercase(),
        encoded,
        secret.replace('/', "\\/"),
        json.trim_matches('"').to_string(),
        html.replace('+', "&#43;"),
        html,
    ];
    // URLs need not encode these.
    let lenient = ["%2D", "%5F", "%2E", "%7E"].iter().zip(["-", "_", ".", "~"]);
    written.push(lenient.fold(written[2].clone(), |text, (from, to)| text.replace(from, to)));
    written.retain(|text| !text.is_empty());
    written
}

/// Masks what begins as a long secret does and ends early.
fn without_beginnings(text: &str, secret: &str) -> String {
    let Some((end, _)) = secret.char_indices().nth(BEGINNING_CHARS).filter(|_| secret.len() >= 2 * BEGINNING_CHARS)
    else {
        return text.to_string();
    };
    let mut pieces = text.split(&secret[..end]);
    let mut cleaned = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let more = piece.chars().zip(secret[end..].chars()).take_while(|(found, known)| found == known);
        let more: usize = more.map(|(found, _)| found.len_utf8()).sum();
        cleaned.push_str(BLOT);
        cleaned.push_str(&piece[more..]);
    }
    cleaned
}

/// Masks credentials that are nobody's we know: what follows `Bearer` or `Basic`, and signed tokens (`eyJ…`).
fn without_tokens(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut after_scheme = false;
    for word in text.split_inclusive(|c: char| c.is_whitespace() || ['"', '\'', ',', '<', '>', '`'].contains(&c)) {
        let bare = word.trim_end_matches(|c: char| !is_token_char(c));
        let scheme = ["bearer", "basic"].iter().any(|scheme| bare.trim_end_matches(':').eq_ignore_ascii_case(scheme));
        let english = bare.chars().skip(1).all(|c| c.is_ascii_lowercase());
        let credential = after_scheme && !english && bare.len() >= BEGINNING_CHARS && bare != MASK;
        let signed = bare.find("eyJ").filter(|start| bare.len() - start >= 2 * BEGINNING_CHARS);
        match signed {
            _ if credential => cleaned.push_str(MASK),
            Some(start) => {
                cleaned.push_str(&bare[..start]);
                cleaned.push_str(MASK);
            }
            None => cleaned.push_str(bare),
        }
        cleaned.push_str(&word[bare.len()..]);
        after_scheme = scheme || (after_scheme && bare.is_empty());
    }
    cleaned
}

/// Masks the signatures of AWS requests.
fn without_signatures(text: &str) -> String {
    let mut pieces = text.split("Signature=");
    let mut cleaned = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        cleaned.push_str("Signature=");
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        if rest.len() < piece.len() {
            cleaned.push_str(MASK);
        }
        cleaned.push_str(rest);
    }
    cleaned
}

fn is_token_char(c: char) -> bool {
    c.is_alphanumeric() || "-._~+/=*:{}()[]…".contains(c)
}

/// The text between the tags of an HTML page, without its scripts and styles.
fn without_markup(text: &str) -> String {
    let lower = text.trim_start().get(..14).unwrap_or_default().to_ascii_lowercase();
    if !lower.starts_with("<!doctype html") && !lower.starts_with("<html") {
        return text.to_string();
    }
    let mut left = text;
    let mut shown = String::new();
    while let Some(start) = left.find('<') {
        shown.push_str(&left[..start]);
        shown.push(' ');
        let tag = &left[start..];
        let named = |name: &&&str| tag.get(1..=name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
        let skipped = ["script", "style"].iter().find(named);
        let end = match skipped {
            Some(name) => tag.to_ascii_lowercase().find(&format!("</{name}")),
            None => Some(0),
        };
        left = end.and_then(|end| Some(&tag[end + tag[end..].find('>')? + 1..])).unwrap_or_default();
    }
    shown.push_str(left);
    shown
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::Secrets;

    fn knowing(known: &[&str]) -> Secrets {
        let secrets = Secrets::default();
        known.iter().for_each(|secret| secrets.keep(&SecretString::from(*secret)));
        secrets
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let secrets = knowing(&["p+/s=w&ord<1>"]);
        for text in [
            "p+/s=w&ord<1>",
            "p%2B%2Fs%3Dw%26ord%3C1%3E",
            "p%2b%2fs%3dw%26ord%3c1%3e",
            "p+\\/s=w&ord<1>",
            "p+/s=w&amp;ord&lt;1&gt;",
            "p&#43;/s=w&amp;ord&lt;1&gt;",
        ] {
            assert_eq!(secrets.scrub(&format!("a {text} b")), "a *** b");
        }
    }

    #[test]
    fn the_longer_secret_goes_first() {
        assert_eq!(knowing(&["abc", "abcdef"]).scrub("abcdef abc"), "*** ***");
        assert_eq!(knowing(&["x"]).scrub("box"), "bo***");
        assert_eq!(knowing(&["", "*"]).scrub("a*b"), "a***b");
    }

    #[test]
    fn a_truncated_secret_is_found_by_its_beginning() {
        let secrets = knowing(&["cf_0123456789abcdefghij"]);
        assert_eq!(secrets.scrub("token cf_0123456789a… is bad"), "token ***… is bad");
        assert_eq!(secrets.scrub("cf_01234cf_0123456789abcdefghij"), "******");
        assert_eq!(secrets.scrub("cf_0123 is too short to tell"), "cf_0123 is too short to tell");
    }

    #[test]
    fn strangers_credentials_are_masked_by_their_shape() {
        let secrets = Secrets::default();
        assert_eq!(secrets.scrub("Authorization: Bearer abcdefgh123, x"), "Authorization: Bearer ***, x");
        assert_eq!(secrets.scrub("authorization: basic YWxhZGRpbjpvcGVu"), "authorization: basic ***");
        assert_eq!(secrets.scrub("got eyJhbGciOiJIUzI1NiJ9.e30.abc!"), "got ***!");
        let signed = "AWS4-HMAC-SHA256 Credential=AK/20261122/auto/s3/aws4_request, Signature=0a1b2c";
        assert!(secrets.scrub(signed).ends_with(", Signature=***"), "{}", secrets.scrub(signed));
        assert_eq!(secrets.scrub("Bearer authentication required"), "Bearer authentication required");
    }

    #[test]
    fn an_excerpt_is_one_bounded_line_cut_after_the_scrubbing() {
        let secrets = knowing(&["hunter2hunter2hunter2"]);
        let body = format!("{}hunter2hunter2hunter2 {}", "x ".repeat(145), "y".repeat(400));
        let shown = secrets.excerpt(body.as_bytes());
        assert!(shown.ends_with(" …") && shown.contains("***") && !shown.contains("hunter"), "{shown}");
        assert_eq!(shown.chars().count(), 302);
        assert_eq!(secrets.excerpt(b"a\n\t b\xff"), "a b\u{fffd}");
    }

    #[test]
    fn a_page_is_read_without_its_markup() {
        let page = "<!DOCTYPE html><html><head><style>p { color: red }</style></head><body><h1>502 Bad Gateway</h1>\
                    <script>var a = '<b>';</script><p>cloudflare</p></body></html>";
        assert_eq!(Secrets::default().excerpt(page.as_bytes()), "502 Bad Gateway cloudflare");
        assert_eq!(Secrets::default().excerpt(b"<no page> at all"), "<no page> at all");
    }

    #[test]
    fn vended_secrets_are_forgotten_when_many_came_after() {
        let secrets = Secrets::default();
        (0..600).for_each(|number| secrets.keep_recent(&format!("vended-{number:04}")));
        assert_eq!(secrets.scrub("vended-0000 vended-0599"), "vended-0000 ***");
    }
}
