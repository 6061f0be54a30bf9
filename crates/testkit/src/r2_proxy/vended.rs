//! The keys that open the S3 side: those of the token, and those vended with a session.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::answer::Refusal;
use super::log::locked;
use super::settings::Settings;
use crate::signature::{Keys, sha256_hex};

/// Sessions that are remembered; who comes with an older one is told that it has expired.
const SESSIONS_MAX: usize = 1_000;

pub(super) struct Vended {
    of_the_token: Keys,
    duration: Option<Duration>,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    issued: u64,
    valid: VecDeque<Session>,
}

struct Session {
    keys: Keys,
    token: String,
    ends: SystemTime,
}

impl Vended {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { of_the_token: settings.s3_keys(), duration: settings.session, sessions: Mutex::default() }
    }

    /// The `config` of a table as clients get it.
    pub(super) fn config(&self, endpoint: &str) -> Map<String, Value> {
        let (keys, session) = self.next();
        let mut config = vec![
            ("s3.endpoint", endpoint.to_owned()),
            ("s3.access-key-id", keys.access_key),
            ("s3.secret-access-key", keys.secret_key),
            ("s3.path-style-access", "true".to_owned()),
            ("s3.region", "auto".to_owned()),
            ("client.region", "auto".to_owned()),
            ("s3.remote-signing-enabled", "false".to_owned()),
        ];
        if let Some((token, ends)) = session {
            let ends_ms = ends.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            config.push(("s3.session-token", token));
            config.push(("s3.session-token-expires-at-ms", ends_ms.to_string()));
        }
        config.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
    }

    fn next(&self) -> (Keys, Option<(String, SystemTime)>) {
        let Some(duration) = self.duration else {
            return (self.of_the_token.clone(), None);
        };
        let mut sessions = locked(&self.sessions);
        sessions.issued += 1;
        let access_key = format!("session-key-{}", sessions.issued);
        let keys =
            Keys::new(&access_key, sha256_hex(format!("{access_key} {}", self.of_the_token.secret_key).as_bytes()));
        let (token, ends) = (format!("session-token-{}", sessions.issued), SystemTime::now() + duration);
        if sessions.valid.len() == SESSIONS_MAX {
            sessions.valid.pop_front();
        }
        sessions.valid.push_back(Session { keys: keys.clone(), token: token.clone(), ends });
        (keys, Some((token, ends)))
    }

    /// The secret that a request must be signed with.
    pub(super) fn secret_of(&self, access_key: &str, token: Option<&str>) -> Result<String, Refusal> {
        if access_key == self.of_the_token.access_key {
            return match token {
                None => Ok(self.of_the_token.secret_key.clone()),
                Some(_) => Err(Refusal::violation(403, "InvalidToken", "a session token that R2 has not vended")),
            };
        }
        if self.duration.is_none() || !access_key.starts_with("session-key-") {
            let message = format!("the access key `{access_key}` is none of R2's");
            return Err(Refusal::violation(403, "InvalidAccessKeyId", message));
        }
        let now = SystemTime::now();
        let sessions = locked(&self.sessions);
        let found = sessions.valid.iter().find(|session| session.keys.access_key == access_key && now < session.ends);
        match found {
            Some(session) if token == Some(session.token.as_str()) => Ok(session.keys.secret_key.clone()),
            Some(_) => Err(Refusal::violation(403, "InvalidToken", "keys of one session with the token of another")),
            None => Err(Refusal::expected(400, "ExpiredToken", "The provided token has expired.")),
        }
    }

    pub(super) fn expire(&self) {
        locked(&self.sessions).valid.clear();
    }
}
