//! Everything that a run leaves: what it prints, the files below its folder, the objects in the buckets.

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

/// Every object of a namespace, in both buckets.
pub(super) fn objects(namespace: &str) -> Result<Places, Failed> {
    let client = weed()?.client()?;
    support::block_on(async {
        let told = |error: icelift_testkit::s3_client::Error| Failed::from(error.to_string());
        let mut places = Vec::new();
        for bucket in [AWS_BUCKET, R2_BUCKET, "warehouse"] {
            for key in client.list(bucket, "").await.map_err(told)? {
                if key.contains(namespace) {
                    places.push((format!("{bucket}/{key}"), client.get(bucket, &key).await.map_err(told)?.to_vec()));
                }
            }
        }
        Ok(places)
    })
}
