//! What a proxy is told when it starts.

use std::time::Duration;

use crate::signature::{Keys, sha256_hex};

/// Who the client is, where the data is, and which of R2's limits apply.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's id, first part of the catalog's path.
    pub account: String,
    /// The one bucket that the catalog and the token are for.
    pub bucket: String,
    /// The API token's id, which is also the access key.
    pub token_id: String,
    /// The API token, whose SHA-256 is also the secret key.
    pub token: String,
    /// The servers behind.
    pub upstream: Upstream,
    /// How much is allowed.
    pub limits: Limits,
    /// How a commit that came too late is told.
    pub lost_race: LostRace,
    /// With a duration, each answer of `loadTable` vends keys of its own with a session token, which are good for so long.
    /// R2 has been seen to vend the token's own keys, without end.
    pub session: Option<Duration>,
}

/// The servers behind the proxy.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The catalog's address without `/v1`.
    pub catalog: String,
    /// Its bearer token.
    pub catalog_token: String,
    /// The path prefix that it gives, on R2 a UUID.
    pub prefix: String,
    /// The S3 endpoint.
    pub s3: String,
    /// Its keys, in region `us-east-1`.
    pub s3_keys: Keys,
}

/// How much R2 allows; [`Limits::default`] is what is published.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The time over which writes to the catalog are counted.
    pub window: Duration,
    /// All writes to the catalog in one window.
    pub writes: usize,
    /// `createTable`, `registerTable`, `commitTransaction` and `createView` in one window.
    pub creates: usize,
    /// Creating and dropping namespaces, dropping and renaming tables and views, in one window.
    pub changes: usize,
    /// `updateTable` and `replaceView` of one table or view in one window.
    pub updates_per_table: usize,
    /// What `Retry-After` says to who was too fast.
    pub retry_after_seconds: u64,
    /// The time between two writes to one key of S3.
    pub key_write_interval: Duration,
    /// The least size of all parts of an upload but the last.
    pub part_bytes_min: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            writes: 120,
            creates: 10,
            changes: 20,
            updates_per_table: 20,
            retry_after_seconds: 60,
            key_write_interval: Duration::from_secs(1),
            part_bytes_min: 5 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// No limit on how often; the rules for parts stay.
    pub fn unhurried() -> Self {
        Self {
            writes: usize::MAX,
            creates: usize::MAX,
            changes: usize::MAX,
            updates_per_table: usize::MAX,
            key_write_interval: Duration::ZERO,
            ..Self::default()
        }
    }
}

/// How a commit is refused whose branch has moved on. R2 uses both, depending on where it notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostRace {
    /// Status 409 with `CommitFailedException`, as the specification has it.
    CommitFailed,
    /// Status 400 with `ConcurrentUpdateError`.
    ConcurrentUpdate,
}

impl Settings {
    /// A made-up token, the published limits, `ConcurrentUpdateError` for lost races, keys without end.
    pub fn new(account: impl Into<String>, bucket: impl Into<String>, upstream: Upstream) -> Self {
        Self {
            account: account.into(),
            bucket: bucket.into(),
            token_id: "f00dfeedf00dfeedf00dfeedf00dfeed".to_owned(),
            token: "r2-token-of-the-tests".to_owned(),
            upstream,
            limits: Limits::default(),
            lost_race: LostRace::ConcurrentUpdate,
            session: None,
        }
    }

    /// The name of the warehouse.
    pub fn warehouse(&self) -> String {
        format!("{}_{}", self.account, self.bucket)
    }

    /// The S3 keys that belong to the token.
    pub fn s3_keys(&self) -> Keys {
        Keys::new(&self.token_id, sha256_hex(self.token.as_bytes()))
    }
}
