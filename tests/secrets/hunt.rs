//! Looks for planted secrets in bytes, however they are written there.

use icelift_testkit::r2_proxy::{Keys, Settings, Upstream};
use libtest_mimic::Failed;

/// Enough of a long secret to know it by.
const BEGINNING_CHARS: usize = 16;

/// What no place may hold.
#[derive(Default)]
pub(super) struct Hunt {
    wanted: Vec<Wanted>,
}

struct Wanted {
    secret: String,
    form: &'static str,
    text: String,
}

impl Hunt {
    /// A hunt for what no place may hold whatever was planted.
    pub(super) fn new() -> Self {
        let mut hunt = Self::default();
        for digit in "0123456789abcdef".chars() {
            hunt.want("any signature", "header", format!("Signature={digit}"));
        }
        hunt
    }

    /// From here on this secret is looked for, in all its forms.
    pub(super) fn plant(&mut self, secret: &str) {
        for (form, text) in forms(secret) {
            self.want(secret, form, text);
        }
    }

    fn want(&mut self, secret: &str, form: &'static str, text: String) {
        self.wanted.push(Wanted { secret: secret.to_owned(), form, text });
    }

    /// What is found, one line each.
    pub(super) fn find(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        let found = self.wanted.iter().filter_map(|wanted| {
            let at = text.find(&wanted.text)?;
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            let shown: String = text[line..].chars().take(400).collect();
            Some(format!(
                "{place}: `{}` as {}: {}",
                wanted.secret,
                wanted.form,
                shown.lines().next().unwrap_or_default()
            ))
        });
        found.collect()
    }

    /// Fails if anything is found.
    pub(super) fn none(&self, places: &[(String, Vec<u8>)]) -> Result<(), Failed> {
        let found: Vec<_> = places.iter().flat_map(|(place, bytes)| self.find(place, bytes)).collect();
        if found.is_empty() {
            Ok(())
        } else {
            Err(format!("{} found:\n{}", found.len(), found[..found.len().min(4)].join("\n")).into())
        }
    }
}

/// The ways of writing a secret.
pub(super) fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let mut forms = vec![
        ("it is", secret.to_owned()),
        ("percent-encoded", percent_encoded(secret)),
        ("percent-encoded in lower case", percent_encoded(secret).to_lowercase()),
        ("in JSON with escaped slashes", secret.replace('/', "\\/")),
        ("its SHA-256", sha256_hex(secret)),
        ("a list of bytes", byte_list(secret)),
    ];
    if secret.len() >= BEGINNING_CHARS + 4 {
        forms.push(("its beginning", secret[..BEGINNING_CHARS].to_owned()));
    }
    forms.extend((0..3).flat_map(|shift| in_base64(secret, shift)));
    forms.sort_by(|one, other| one.1.cmp(&other.1));
    forms.dedup_by(|one, other| one.1 == other.1);
    forms
}

/// As R2 makes a secret key of a token.
pub(super) fn sha256_hex(text: &str) -> String {
    let (nothing, keys) = (String::new, Keys::new("", ""));
    let upstream =
        Upstream { catalog: nothing(), catalog_token: nothing(), prefix: nothing(), s3: nothing(), s3_keys: keys };
    let mut settings = Settings::new("", "", upstream);
    text.clone_into(&mut settings.token);
    settings.s3_keys().secret_key
}

pub(super) fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// As `Debug` prints bytes.
fn byte_list(text: &str) -> String {
    text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ")
}

/// What base64 of a text contains in which the secret begins `shift` bytes after a multiple of three, such as `id:secret`.
fn in_base64(secret: &str, shift: usize) -> [(&'static str, String); 2] {
    let encoded = base64(&[&vec![b'x'; shift], secret.as_bytes()].concat());
    // Characters that hold bits of what surrounds the secret are no part of it.
    let start = (shift * 8).div_ceil(6);
    let end = (shift + secret.len()) * 8 / 6;
    let inner = encoded[start..end].to_owned();
    [("base64", inner.clone()), ("base64 for URLs", inner.replace('+', "-").replace('/', "_"))]
}

/// Base64 without padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let letters = (0..=chunk.len()).map(|index| ALPHABET[(word >> (18 - 6 * index)) as usize & 63]);
        text.extend(letters.map(char::from));
    }
    text
}
