//! How much is compared.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What `USING` and the option `verify` name. Each level does what the one before it does, and more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Counts and sizes: manifests and footers, no rows.
    Metadata,
    /// Every row, by the fingerprint `content1`.
    #[default]
    Content,
    /// Every row, also by the fingerprint `cfp1` that other engines can compute.
    Portable,
}

impl Level {
    /// What an error offers.
    pub const NAMES: &str = "metadata, content or portable";

    /// The level of this name, in whatever case.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "metadata" => Some(Self::Metadata),
            "content" => Some(Self::Content),
            "portable" => Some(Self::Portable),
            _ => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "metadata",
            Self::Content => "content",
            Self::Portable => "portable",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn each_level_does_more_than_the_one_before() {
        assert!(Level::Metadata < Level::Content && Level::Content < Level::Portable);
        for level in [Level::Metadata, Level::Content, Level::Portable] {
            assert_eq!(Level::named(&level.to_string().to_uppercase()), Some(level));
        }
        assert_eq!(Level::named("deep"), None);
    }
}
