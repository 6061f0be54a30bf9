//! Which migration a statement is: the same words about the same source are the same migration, on any machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::register::Words;
use crate::catalog::{Author, Signature};

/// The name of a migration, in its register and its files: 64 bits of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct JobId(u64);

impl JobId {
    /// The migration of the table `source` by these words.
    pub fn new(source: Uuid, words: &Words) -> Self {
        let mut hash = Sha256::new();
        hash.update(source.as_bytes());
        for part in [&words.select, &words.filter, &words.batch_by] {
            let text = part.as_deref().unwrap_or_default();
            // The length keeps words of one part from counting as those of the next.
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        Self(first_64_bits(hash))
    }
}

impl JobId {
    /// Who commits for the migration in an epoch; 0 before there is a register.
    pub fn author(self, epoch: u64) -> Author {
        Author { job: self.0, epoch }
    }

    /// Whether a metadata file was written for it, as its name tells.
    pub fn has_signed(self, signature: &Signature) -> bool {
        signature.is_of_job(self.0)
    }
}

/// The name of a batch in the names of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BatchId(u64);

impl BatchId {
    pub fn new(key: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(key);
        Self(first_64_bits(hash))
    }
}

/// One beginning of a migration. A table that is dropped and made again at the same place, or renamed, has another one, so
/// that nobody takes the files of the one for those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Birth(u64);

impl Birth {
    /// One that no other migration has.
    pub fn new() -> Self {
        Self(Uuid::new_v4().as_u64_pair().1)
    }

    /// What stands for a birth in the names of files of a first claim. Its register, if it lands, gets a birth that none
    /// before has had (`model`, `BirthsDiffer`); if it does not, nothing tells of that one, and the table tells of itself.
    pub fn of_table(uuid: Uuid) -> Self {
        Self(uuid.as_u64_pair().1)
    }
}

fn first_64_bits(hash: Sha256) -> u64 {
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

macro_rules! hexadecimal {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|()| serde::de::Error::custom("expected 16 hexadecimal digits"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if digits { u64::from_str_radix(text, 16).map(Self).map_err(|_| ()) } else { Err(()) }
            }
        }
    };
}

hexadecimal!(JobId);
hexadecimal!(BatchId);
hexadecimal!(Birth);
