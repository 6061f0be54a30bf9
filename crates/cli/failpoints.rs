//! Failpoints of the library, armed by the environment: for tests that stop a migration at a step of its protocol.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;

use icelift::{Error, ErrorKind, Failpoints};

/// `name:kill|error|stall|freeze[:nth]`, several separated by commas.
const ARMED: &str = "ICELIFT_FAILPOINTS";
/// A file that gets the name of each failpoint that is reached, one a line, before it acts.
const HIT: &str = "ICELIFT_FAILPOINTS_HIT";

/// The failpoints of the session, if there is a variable about them.
pub fn armed(environment: &BTreeMap<String, String>) -> Result<Option<Failpoints>, Error> {
    let (points, file) = (environment.get(ARMED), environment.get(HIT));
    if points.is_none() && file.is_none() {
        return Ok(None);
    }
    let file = file
        .map(|file| OpenOptions::new().create(true).append(true).open(file))
        .transpose()
        .map_err(|error| Error::new(ErrorKind::Config, format!("the file of {HIT} cannot be written")).source(error))?;
    // One write and no buffer: a process that ends at once has told.
    let told = move |name: &str| {
        if let Some(mut file) = file.as_ref()
            && let Err(error) = file.write_all(format!("{name}\n").as_bytes())
        {
            tracing::warn!(%error, name, "a failpoint that was reached could not be noted");
        }
    };
    let points = points.map(String::as_str).unwrap_or_default();
    Failpoints::parse(points, told).map(Some)
}
