//! Who AWS takes the caller for.

use std::time::Duration;

use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_sdk_sts::{Client, Config};

use crate::error::{Error, ErrorKind, Result, Stage};

/// A call that needs no right; it is one of many checks.
const PATIENCE: Duration = Duration::from_secs(15);

/// The identity's name and account, as STS tells them.
pub(super) async fn caller(sts: Config) -> Result<String> {
    let failed = |what: String| {
        let hint = "STS is asked at the region's endpoint; where a network keeps it away, the other checks still hold";
        Error::new(ErrorKind::Unavailable, what).stage(Stage::Catalog).hint(hint)
    };
    let asked = tokio::time::timeout(PATIENCE, Client::from_conf(sts).get_caller_identity().send()).await;
    let asked = asked.map_err(|_| failed(format!("STS did not answer within {} s", PATIENCE.as_secs())))?;
    // Not the error itself: it may hold the answer as it came.
    let answer = asked.map_err(|error| match error.code() {
        Some(code) => failed(format!("STS does not tell who is calling: `{code}`")),
        None => failed("STS cannot be asked who is calling".to_string()),
    })?;
    let account = answer.account().map(|account| format!(", account {account}")).unwrap_or_default();
    match answer.arn() {
        Some(arn) => Ok(format!("{arn}{account}")),
        None => Err(failed("the answer of STS names nobody".to_string())),
    }
}
