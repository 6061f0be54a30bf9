//! What a user of two clouds can get wrong, and what the clouds can: each case ends within seconds with one message on stderr
//! that names the catalog, the call and the remedy, and no secret; nothing is committed and no file left behind.
//!
//! Most servers here are scripted, because no real one can be made to say these things; `stores` needs real ones.

mod aws;
mod catalogs;
mod mistakes;
mod stores;
/// The binary in an environment of its own; also for `secrets`.
pub(crate) mod terminal;

use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use crate::support::scripted::{self, Asked, Reply};
use terminal::{Expected, Terminal};

/// On a busy machine a process alone takes seconds.
const SOON: Duration = Duration::from_secs(30);

/// A token that no message may show.
const TOKEN: &str = "cf-token-0123456789-nobody-sees";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = mistakes::trials();
    trials.extend(catalogs::trials());
    trials.extend(aws::trials());
    trials.extend(stores::trials());
    trials
}

fn trial(name: &str, run: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(format!("bad_clouds::{name}"), run)
}

/// Runs statements that must fail with `code` and a message that has all words.
fn refused(statements: &[&str], code: i32, words: &[&str]) -> Result<(), Failed> {
    Terminal::new()?.fails(statements, &Expected { code, words, secrets: &[TOKEN], within: SOON })
}

/// A statement that attaches R2 at an address; `more` are further options.
fn attach_r2(uri: &str, more: &str) -> String {
    format!("ATTACH 'account_lake' AS r2 (TYPE r2, URI '{uri}', TOKEN '{TOKEN}'{more})")
}

/// A catalog that can be attached, and answers all else as it is told.
fn scripted_catalog(answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Result<String, Failed> {
    scripted::start(move |asked| match asked.target.split('?').next() {
        Some("/v1/config") => Reply::json(200, r#"{"defaults": {}, "overrides": {"prefix": "p"}}"#),
        _ => answers(asked),
    })
}
