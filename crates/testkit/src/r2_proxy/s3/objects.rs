//! What has to be remembered of objects: the sizes of parts, and when a key was last written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Instant;

use super::super::answer::Refusal;
use super::super::call::Call;
use super::super::log::locked;
use super::super::settings::Limits;
use crate::s3_client::elements;

const PARTS_MAX: u64 = 10_000;

/// Keys whose last write is remembered before old ones are looked for.
const KEYS_MAX: usize = 10_000;

pub(in super::super) struct Objects {
    limits: Limits,
    /// The sizes of the parts of each upload that is not completed or aborted.
    uploads: Mutex<HashMap<String, BTreeMap<u64, u64>>>,
    written: Mutex<HashMap<String, Instant>>,
}

impl Objects {
    pub(in super::super) fn new(limits: Limits) -> Self {
        Self { limits, uploads: Mutex::default(), written: Mutex::default() }
    }

    pub(super) fn checked(&self, operation: &str, key: &str, call: &Call, now: Instant) -> Result<(), Refusal> {
        match operation {
            "UploadPart" => self.part(call),
            "CompleteMultipartUpload" => {
                self.completed(call)?;
                self.paced(key, now)
            }
            "PutObject" | "CopyObject" => self.paced(key, now),
            _ => Ok(()),
        }
    }

    /// Only what the upstream has done counts.
    pub(super) fn done(&self, operation: &str, key: &str, call: &Call, now: Instant) {
        match operation {
            "AbortMultipartUpload" => self.forget(call),
            "CompleteMultipartUpload" => {
                self.forget(call);
                self.remember(key, now);
            }
            "PutObject" | "CopyObject" => self.remember(key, now),
            _ => {}
        }
    }

    fn part(&self, call: &Call) -> Result<(), Refusal> {
        let number = call.parameter("partNumber").and_then(|number| number.parse().ok()).unwrap_or(0);
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(Refusal::violation(
                400,
                "InvalidArgument",
                format!("part {number}, expected 1 to {PARTS_MAX}"),
            ));
        }
        let mut uploads = locked(&self.uploads);
        uploads.entry(upload_of(call)).or_default().insert(number, call.body.len() as u64);
        Ok(())
    }

    /// R2's rule is checked at the end, over the parts that the client lists.
    fn completed(&self, call: &Call) -> Result<(), Refusal> {
        let uploads = locked(&self.uploads);
        // Completed or aborted before: so it is for who repeats a call whose answer was lost.
        let Some(sizes) = uploads.get(&upload_of(call)) else {
            return Err(Refusal::expected(404, "NoSuchUpload", "The specified multipart upload does not exist."));
        };
        let body = String::from_utf8_lossy(&call.body);
        let listed = elements(&body, "PartNumber").into_iter().map(|number| number.trim().parse().unwrap_or(0));
        let listed: Vec<u64> = listed.collect();
        let found: Option<Vec<_>> = listed.iter().map(|number| sizes.get(number).copied()).collect();
        match found {
            Some(sizes) if !sizes.is_empty() => equal(&sizes, self.limits.part_bytes_min),
            _ => Err(Refusal::violation(400, "InvalidPart", "a part that was not uploaded")),
        }
    }

    fn forget(&self, call: &Call) {
        locked(&self.uploads).remove(&upload_of(call));
    }

    fn paced(&self, key: &str, now: Instant) -> Result<(), Refusal> {
        let last = locked(&self.written).get(key).copied();
        match last.filter(|last| now.duration_since(*last) < self.limits.key_write_interval) {
            Some(_) => Err(Refusal::expected(
                429,
                "TooManyRequests",
                "Reduce your concurrent request rate for the same object.",
            )),
            None => Ok(()),
        }
    }

    fn remember(&self, key: &str, now: Instant) {
        let mut written = locked(&self.written);
        if written.len() >= KEYS_MAX {
            written.retain(|_, last| now.duration_since(*last) < self.limits.key_write_interval);
        }
        written.insert(key.to_owned(), now);
    }
}

fn upload_of(call: &Call) -> String {
    call.parameter("uploadId").unwrap_or_default()
}

/// All parts but the last have one size, the last is no larger, and only the last may be small.
fn equal(sizes: &[u64], part_bytes_min: u64) -> Result<(), Refusal> {
    let Some((last, others)) = sizes.split_last() else {
        return Ok(());
    };
    if let Some(first) = others.first() {
        if others.iter().any(|size| size < &part_bytes_min) {
            let message = "Your proposed upload is smaller than the minimum allowed object size.";
            return Err(Refusal::violation(400, "EntityTooSmall", message));
        }
        if others.iter().any(|size| size != first) || last > first {
            return Err(Refusal::violation(400, "InvalidPart", "All non-trailing parts must have the same length."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::equal;

    const MIB: u64 = 1024 * 1024;

    fn verdict(sizes_mib: &[u64]) -> &'static str {
        let sizes: Vec<_> = sizes_mib.iter().map(|size| size * MIB).collect();
        equal(&sizes, 5 * MIB).map_or_else(|refusal| refusal.name, |()| "complete")
    }

    #[test]
    fn parts_are_equal_but_the_last() {
        assert_eq!(verdict(&[1]), "complete");
        assert_eq!(verdict(&[5, 5, 5]), "complete");
        assert_eq!(verdict(&[8, 8, 1]), "complete");
        assert_eq!(verdict(&[8, 7, 1]), "InvalidPart");
        assert_eq!(verdict(&[8, 8, 9]), "InvalidPart");
        assert_eq!(verdict(&[4, 4, 1]), "EntityTooSmall");
    }
}
