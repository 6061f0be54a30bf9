//! Who wrote a metadata file, by its name.
//!
//! A catalog that keeps a pointer to a metadata file has its clients write the files, and a client may die between the file
//! and the pointer, or in the middle of the file. What must hold: who cleans up behind a migration can tell its files from
//! all others without reading them, half-written ones too. So the UUID in the name is one of version 8 (RFC 9562), which
//! says of which migration, table and epoch the file is; 34 bits stay random. Other writers take version 4.

use std::str::FromStr;

use iceberg::MetadataLocation;
use uuid::{Builder, Uuid};

/// Who commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Author {
    pub job: u64,
    pub epoch: u64,
}

impl Author {
    /// The file's name with a UUID that tells of the author.
    pub(super) fn sign(self, location: MetadataLocation, table: Uuid) -> MetadataLocation {
        let text = location.to_string();
        let signed = || {
            let (version, rest) = name(&text)?.split_once('-')?;
            let (folder, rest) = (text.rsplit_once('/')?.0, rest.get(36..)?);
            MetadataLocation::from_str(&format!("{folder}/{version}-{}{rest}", self.uuid(table))).ok()
        };
        signed().unwrap_or(location)
    }

    /// The name of a version of a table, for tests of what becomes of such files.
    #[cfg(test)]
    pub(crate) fn signed(self, location: &str, version: u32, table: Uuid) -> String {
        format!("{location}/metadata/{version:05}-{}.metadata.json", self.uuid(table))
    }

    fn uuid(self, table: Uuid) -> Uuid {
        let mut bytes = *Uuid::new_v4().as_bytes();
        bytes[..4].copy_from_slice(&job_bits(self.job).to_be_bytes());
        bytes[4..6].copy_from_slice(&u16::try_from(self.epoch).unwrap_or(u16::MAX).to_be_bytes());
        let table = table_bits(table);
        bytes[7] = table[0];
        bytes[9..13].copy_from_slice(&table[1..]);
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

fn job_bits(job: u64) -> u32 {
    (job >> 32) as u32
}

/// Bits that are random in the UUIDs of versions 4 and 7.
fn table_bits(table: Uuid) -> [u8; 5] {
    let [.., a, b, c, d, e] = *table.as_bytes();
    [a, b, c, d, e]
}

fn name(location: &str) -> Option<&str> {
    location.rsplit('/').next()
}

/// What the name of a metadata file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signature {
    /// How many versions the table had before.
    pub version: u32,
    job: u32,
    table: [u8; 5],
    /// That of the driver; 0 for a table that is created. Higher ones than a name can tell are endless.
    pub epoch: u64,
}

impl Signature {
    /// The signature in the name of a metadata file, or of one that was begun; `None` if it has none.
    pub fn of(location: &str) -> Option<Self> {
        let name = name(location)?;
        let (name, _) = name.split_once(".metadata.json")?;
        let (version, uuid) = name.strip_suffix(".gz").unwrap_or(name).split_once('-')?;
        let uuid = Uuid::try_parse(uuid).ok().filter(|uuid| uuid.get_version_num() == 8)?;
        let [a, b, c, d, e, f, _, first, _, rest @ .., _, _, _] = *uuid.as_bytes();
        let epoch = u16::from_be_bytes([e, f]);
        Some(Self {
            version: version.parse().ok()?,
            job: u32::from_be_bytes([a, b, c, d]),
            table: [first, rest[0], rest[1], rest[2], rest[3]],
            epoch: if epoch == u16::MAX { u64::MAX } else { u64::from(epoch) },
        })
    }

    pub fn is_of_job(&self, job: u64) -> bool {
        self.job == job_bits(job)
    }

    pub fn is_of_table(&self, table: Uuid) -> bool {
        self.table == table_bits(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSIGNED: &str = "s3://b/t/metadata/00012-00000000-0000-4000-8000-000000000001";

    fn signed(suffix: &str, author: Author, table: Uuid) -> String {
        let location = MetadataLocation::from_str(&format!("{UNSIGNED}{suffix}")).unwrap();
        author.sign(location, table).to_string()
    }

    #[test]
    fn a_name_tells_who_wrote_the_file() {
        let (table, other) = (Uuid::now_v7(), Uuid::now_v7());
        let author = Author { job: 0xfedc_ba98_7654_3210, epoch: 7 };
        for suffix in [".metadata.json", ".gz.metadata.json"] {
            let location = signed(suffix, author, table);
            assert!(location.starts_with("s3://b/t/metadata/00012-") && location.ends_with(suffix), "{location}");
            assert_ne!(location, signed(suffix, author, table), "two commits of one driver have files of their own");
            for location in [location.clone(), format!("{location}#1")] {
                let found = Signature::of(&location).unwrap();
                assert_eq!((found.version, found.epoch), (12, 7), "{location}");
                assert!(found.is_of_job(author.job) && !found.is_of_job(0x1edc_ba98_7654_3210));
                assert!(found.is_of_table(table) && !found.is_of_table(other));
            }
        }
    }

    #[test]
    fn an_epoch_that_a_name_cannot_tell_is_never_over() {
        let epoch =
            |epoch| Signature::of(&signed(".metadata.json", Author { job: 1, epoch }, Uuid::nil())).unwrap().epoch;
        assert_eq!([epoch(0), epoch(65_534), epoch(65_535), epoch(1 << 40)], [0, 65_534, u64::MAX, u64::MAX]);
    }

    #[test]
    fn other_names_tell_nothing() {
        assert_eq!(Signature::of(&format!("{UNSIGNED}.metadata.json")), None);
        for name in ["v1.metadata.json", "00001-x.metadata.json", "icelift-1-2-3-x.json", "snap-1-1-x.avro", ""] {
            assert_eq!(Signature::of(&format!("s3://b/t/metadata/{name}")), None, "{name}");
        }
    }
}
