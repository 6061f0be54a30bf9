//! The fingerprint of a set of rows: their number and the sum of their hashes.
//!
//! A sum, so that it does not depend on the order of the rows and parts add up, whichever task, file or machine they come
//! from. Not an exclusive or, which cannot tell a doubled row from none. `content.rs` makes the hashes.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// What hash of what bytes is summed. Recorded with every fingerprint; any change to `content` is a new version.
pub(crate) const VERSION: &str = "content1";

/// The rows of a batch, file or table. Empty by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub rows: u64,
    /// Modulo 2¹²⁸.
    pub sum: u128,
}

impl Fingerprint {
    /// Adds the rows of `other`.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}:{}:{:032x}", self.rows, self.sum)
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.splitn(3, ':');
        let (version, rows, sum) = (parts.next(), parts.next(), parts.next());
        if version != Some(VERSION) {
            let message = format!("the fingerprint `{text}` is not of the version `{VERSION}`");
            return Err(Error::new(ErrorKind::Unsupported, message).hint("a newer icelift may know it"));
        }
        let rows = rows.and_then(|rows| rows.parse().ok());
        let sum = sum.and_then(|sum| u128::from_str_radix(sum, 16).ok());
        let found = rows.zip(sum).map(|(rows, sum)| Self { rows, sum });
        // One spelling only: signs, spaces and capitals are no part of it.
        found.filter(|found| found.to_string() == text).ok_or_else(|| {
            let message = format!("`{text}` is no fingerprint, expected `{VERSION}:<rows>:<32 hexadecimal digits>`");
            Error::new(ErrorKind::Read, message)
        })
    }
}

/// Stores a fingerprint as its text.
macro_rules! stored_as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

stored_as_text!(Fingerprint);
pub(super) use stored_as_text;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Fingerprint;
    use crate::error::ErrorKind;

    fn print(rows: u64, sum: u128) -> Fingerprint {
        Fingerprint { rows, sum }
    }

    #[test]
    fn text() {
        assert_eq!(print(3, 0xAB).to_string(), "content1:3:000000000000000000000000000000ab");
        assert_eq!(Fingerprint::default().to_string(), "content1:0:00000000000000000000000000000000");
    }

    #[test]
    fn only_one_spelling_is_read() {
        for wrong in [
            "content1:3:ab",
            "content1:+3:000000000000000000000000000000ab",
            "content1:3:000000000000000000000000000000AB",
            "content1:3:000000000000000000000000000000ab ",
            "content1:03:000000000000000000000000000000ab",
            "content1::000000000000000000000000000000ab",
            "content1:3",
            "content1",
        ] {
            let error = wrong.parse::<Fingerprint>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Read, "{wrong}");
        }
        let newer = "content2:3:000000000000000000000000000000ab".parse::<Fingerprint>().unwrap_err();
        assert_eq!(newer.kind(), ErrorKind::Unsupported);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows: u64, sum: u128) {
            prop_assert_eq!(print(rows, sum).to_string().parse::<Fingerprint>().unwrap(), print(rows, sum));
        }

        #[test]
        fn parts_add_up_in_any_order(parts: Vec<(u32, u128)>) {
            let parts: Vec<_> = parts.into_iter().map(|(rows, sum)| print(u64::from(rows), sum)).collect();
            let merged = |parts: &mut dyn Iterator<Item = &Fingerprint>| {
                parts.fold(Fingerprint::default(), |mut all, part| { all.merge(*part); all })
            };
            prop_assert_eq!(merged(&mut parts.iter()), merged(&mut parts.iter().rev()));
        }
    }
}
