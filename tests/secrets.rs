//! Secrets are planted wherever a user or a server can put them; then everything that icelift prints, logs and writes is
//! searched for them, in all forms that a secret takes on its way.
//!
//! Access key ids are no secrets: AWS and Cloudflare show them, and errors about them would be of no use without.

mod good;
mod hunt;
mod library;
mod parrots;
mod places;
mod shell;

use libtest_mimic::{Failed, Trial};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![trial("every_form_is_found", every_form_is_found)];
    trials.extend(good::trials());
    trials.extend(parrots::trials());
    trials.extend(library::trials());
    trials.extend(shell::trials());
    trials
}

fn trial(name: &str, run: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(format!("secrets::{name}"), run)
}

/// A secret that is unlike all others from its first letter on, and that no encoding leaves as it is.
fn planted(place: &str) -> String {
    format!("{}/+={place}", &hunt::sha256_hex(place)[..20])
}

/// The hunt itself must not be blind: what it looks for it finds, wherever that stands.
fn every_form_is_found() -> Result<(), Failed> {
    let secret = planted("control");
    let mut hunt = hunt::Hunt::new();
    hunt.plant(&secret);
    let quiet = ("stderr".to_owned(), b"error: catalog of `r2`: 401: Bearer *** is refused".to_vec());
    hunt.none(&[quiet])?;
    let bearers = [
        secret.clone(),
        hunt::base64(format!("id:{secret}").as_bytes()),
        hunt::base64(format!("an id:{secret}\n").as_bytes()),
        hunt::base64(format!("the id:{secret}, more").as_bytes()),
        hunt::percent_encoded(&secret),
        hunt::sha256_hex(&secret),
        format!("{:?}", secret.as_bytes()),
        serde_json::json!({"token": secret}).to_string().replace('/', "\\/"),
        secret[..secret.len() - 2].to_owned(),
    ];
    for bearer in bearers {
        let mut bytes = b"PAR1\xff\x00".to_vec();
        bytes.extend(bearer.as_bytes());
        bytes.extend(b"\xff\xfe");
        if hunt.find("a file", &bytes).is_empty() {
            return Err(format!("`{secret}` is not found in `{bearer}`").into());
        }
    }
    Ok(())
}
