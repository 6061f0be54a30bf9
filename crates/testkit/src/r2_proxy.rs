//! Cloudflare R2 as far as its published rules go: a proxy in front of an Iceberg REST catalog and an S3 server.
//!
//! Two listeners with TLS, one for the catalog and one for S3, with certificates of an authority of their own. What R2 refuses
//! is refused here, with R2's status codes; what passes goes to the upstream servers, under other keys. Each request is
//! written down, so that a test can count, and [`Fault`]s come when a test asks for them.
//!
//! What must hold: only R2's keys open the S3 side, and their signatures are checked here; the keys of the upstream never get
//! out; a request that breaks one of the rules is a violation, even if the client recovers from it.
//!
//! ```no_run
//! use icelift_testkit::r2_proxy::{Fault, FaultRule, R2Proxy, Settings, Side};
//!
//! # fn upstream() -> icelift_testkit::r2_proxy::Upstream { unimplemented!() }
//! let proxy = R2Proxy::start(Settings::new("account", "bucket", upstream()))?;
//! let lost = proxy.fault(FaultRule::after(Side::Catalog, Fault::Reset).operation("updateTable"));
//! // … a client that trusts `proxy.ca_pem()` commits at `proxy.catalog_uri()` …
//! assert_eq!(lost.hits(), 1);
//! assert_eq!(proxy.violations(), [""; 0]);
//! # Ok::<(), icelift_testkit::r2_proxy::Error>(())
//! ```

mod answer;
mod call;
mod catalog;
mod certificates;
mod faults;
mod forward;
mod gzip;
mod listen;
mod log;
mod rates;
mod s3;
mod settings;
mod shape;
mod vended;

use std::net::TcpListener;
use std::sync::Arc;

use tokio::runtime::Runtime;

pub use crate::s3_client::Error;
pub use crate::signature::Keys;
use certificates::Certificates;
pub use faults::{Fault, FaultHandle, FaultRule, When};
use listen::Listener;
pub use log::{Class, Counts, Recorded, Side};
pub use settings::{Limits, LostRace, Settings, Upstream};

/// A running proxy, which ends when it is dropped. It has a runtime of its own: the test may have one or none.
pub struct R2Proxy {
    state: Arc<State>,
    catalog_address: String,
    ca_pem: String,
    /// None only while it is being dropped.
    runtime: Option<Runtime>,
}

/// What all requests share.
struct State {
    settings: Settings,
    /// Where clients find the S3 side: `https://127.0.0.1:<port>`.
    s3_endpoint: String,
    client: reqwest::Client,
    log: log::Log,
    faults: faults::Faults,
    rates: rates::Rates,
    objects: s3::Objects,
    vended: vended::Vended,
}

impl R2Proxy {
    /// Makes certificates, opens both listeners on free ports of 127.0.0.1 and serves.
    ///
    /// # Errors
    /// If the machine has no port, thread or random number left.
    pub fn start(settings: Settings) -> Result<Self, Error> {
        let certificates = Certificates::make()?;
        let (catalog, s3) = (listener()?, listener()?);
        let state = Arc::new(State {
            s3_endpoint: format!("https://{}", s3.local_addr()?),
            client: crate::s3_client::plain_client()?,
            log: log::Log::default(),
            faults: faults::Faults::default(),
            rates: rates::Rates::new(settings.limits.clone()),
            objects: s3::Objects::new(settings.limits.clone()),
            vended: vended::Vended::new(&settings),
            settings,
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("r2-proxy")
            .enable_all()
            .build()?;
        let catalog_address = format!("https://{}", catalog.local_addr()?);
        for (side, socket) in [(Side::Catalog, catalog), (Side::S3, s3)] {
            let listener = Listener { side, state: Arc::clone(&state), tls: certificates.acceptor() };
            runtime.spawn(listener.serve(socket));
        }
        Ok(Self { state, catalog_address, ca_pem: certificates.ca_pem, runtime: Some(runtime) })
    }

    /// The `uri` of the catalog: `https://127.0.0.1:<port>/<account>/<bucket>`.
    pub fn catalog_uri(&self) -> String {
        let Settings { account, bucket, .. } = &self.state.settings;
        format!("{}/{account}/{bucket}", self.catalog_address)
    }

    /// The `warehouse` of the catalog: `<account>_<bucket>`.
    pub fn warehouse(&self) -> String {
        self.state.settings.warehouse()
    }

    /// The token that opens the catalog.
    pub fn token(&self) -> &str {
        &self.state.settings.token
    }

    /// The endpoint of the S3 side, which the catalog vends too.
    pub fn s3_endpoint(&self) -> &str {
        &self.state.s3_endpoint
    }

    /// The S3 keys that belong to the token, as R2 derives them.
    pub fn s3_keys(&self) -> Keys {
        self.state.settings.s3_keys()
    }

    /// The authority's certificate, to be trusted by the client.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// From now on, requests that the rule matches meet its fault. Earlier rules come first.
    pub fn fault(&self, rule: FaultRule) -> FaultHandle {
        self.state.faults.add(rule)
    }

    /// Every request so far, in the order of arrival; at most the last 100,000.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.log.requests()
    }

    /// Sums over all requests so far.
    pub fn counts(&self) -> Counts {
        self.state.log.counts()
    }

    /// What clients did that no client of R2 may do, one line each.
    pub fn violations(&self) -> Vec<String> {
        self.state.log.violations()
    }

    /// Makes all keys vended so far expire, if [`Settings::session`] lets them.
    pub fn expire_sessions(&self) {
        self.state.vended.expire();
    }
}

impl Drop for R2Proxy {
    fn drop(&mut self) {
        // Waiting is not allowed where a test drops it in async code; nothing here needs to be finished.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn listener() -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests;
