//! Everything that a run leaves: what it prints, the files below its folder, the objects in the buckets.

use std::collections::BTreeSet;

use libtest_mimic::Failed;

use crate::bad_clouds::terminal::{Said, Terminal};
use crate::support;
use crate::support::servers::{AWS_BUCKET, R2_BUCKET, weed};

/// A place and what is in it.
pub(super) type Places = Vec<(String, Vec<u8>)>;

/// What a run has printed.
pub(super) fn printed(said: &Said) -> Places {
    vec![("stdout".to_owned(), said.stdout.clone().into()), ("stderr".to_owned(), said.stderr.clone().into())]
}

/// Every file below the folder but those that the trial itself has put there.
pub(super) fn files(terminal: &Terminal, own: &[&str]) -> Result<Places, Failed> {
    let mut places = Vec::new();
    for path in support::files_below(terminal.folder())? {
        let name = path.strip_prefix(terminal.folder()).unwrap_or(&path).display().to_string();
        if !own.contains(&name.as_str()) {
            places.push((name, std::fs::read(path)?));
        }
    }
    Ok(places)
}

const BUCKETS: [&str; 3] = [AWS_BUCKET, R2_BUCKET, "warehouse"];

/// The objects of all buckets.
pub(super) fn keys() -> Result<BTreeSet<(&'static str, String)>, Failed> {
    let client = weed()?.client()?;
    support::block_on(async {
        let mut found = BTreeSet::new();
        for bucket in BUCKETS {
            let keys = client.list(bucket, "").await.map_err(|error| error.to_string())?;
            found.extend(keys.into_iter().map(|key| (bucket, key)));
        }
        Ok(found)
    })
}

/// Every object that has come since `before`. Other trials may have written some, which does no harm, and removed them again.
pub(super) fn objects(before: &BTreeSet<(&'static str, String)>) -> Result<Places, Failed> {
    let now = keys()?;
    let client = weed()?.client()?;
    support::block_on(async {
        let mut places = Vec::new();
        for (bucket, key) in now.difference(before) {
            if let Ok(bytes) = client.get(bucket, key).await {
                places.push((format!("{bucket}/{key}"), bytes.to_vec()));
            }
        }
        Ok(places)
    })
}
