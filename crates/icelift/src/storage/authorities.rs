//! Certificate authorities to trust beside those of the system, for servers with certificates of one's own.

use std::fmt;
use std::sync::Arc;

use reqwest::Certificate;

use crate::error::{Error, ErrorKind, Result};

/// The certificates of one PEM file; none by default.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Authorities {
    pem: Arc<[u8]>,
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities").field("pem_bytes", &self.pem.len()).finish()
    }
}

impl Authorities {
    /// Reads the file that the option `ssl.cabundle` names.
    pub async fn read(path: &str) -> Result<Self> {
        let unreadable =
            || Error::new(ErrorKind::Config, format!("the file `{path}` of `ssl.cabundle` holds no PEM certificates"));
        let pem = tokio::fs::read(path).await.map_err(|source| unreadable().source(source))?;
        let found = Certificate::from_pem_bundle(&pem).map_err(|source| unreadable().source(source))?;
        if found.is_empty() { Err(unreadable()) } else { Ok(Self { pem: pem.into() }) }
    }

    /// Adds the certificates to those that a client trusts.
    pub fn add_to(&self, builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        // They were parsed when they were read.
        let found = Certificate::from_pem_bundle(&self.pem).unwrap_or_default();
        found.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate)
    }
}
