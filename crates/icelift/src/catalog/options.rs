//! Options of ATTACH that several types of catalog have.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result, Stage};
use crate::storage::UploadSettings;

const PART_SIZE: &str = "s3.multipart.part-size-bytes";
const PART_CONCURRENCY: &str = "s3.multipart.num-threads";
/// S3 and R2 refuse smaller parts.
const PART_MIN_BYTES: usize = 5 << 20;

/// Fails on options that nothing reads, naming those that are. Values never appear: they may be secrets.
pub(super) fn refuse_unknown(catalog: &str, left: &BTreeMap<String, String>, known: &[&str]) -> Result<()> {
    let Some(unknown) = left.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let known: Vec<_> =
        ["type", PART_SIZE, PART_CONCURRENCY].iter().chain(known).map(|key| format!("`{key}`")).collect();
    Err(Error::new(ErrorKind::Config, format!("the option `{unknown}` is unknown"))
        .stage(Stage::Catalog)
        .subject(format!("`{catalog}`"))
        .hint(format!("this type of catalog takes {}", known.join(", "))))
}

/// How the catalog's store cuts uploads.
pub(super) fn upload_settings(catalog: &str, options: &mut BTreeMap<String, String>) -> Result<UploadSettings> {
    let mut settings = UploadSettings::default();
    let mut take = |key: &str, slot: &mut usize, min: usize| -> Result<()> {
        let Some(value) = options.remove(key) else { return Ok(()) };
        match value.parse() {
            Ok(number) if number >= min => *slot = number,
            _ => {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("the option `{key}` must be a number of at least {min}"),
                )
                .stage(Stage::Catalog)
                .subject(format!("`{catalog}`")));
            }
        }
        Ok(())
    };
    take(PART_SIZE, &mut settings.part_bytes, PART_MIN_BYTES)?;
    take(PART_CONCURRENCY, &mut settings.part_concurrency, 1)?;
    Ok(settings)
}
