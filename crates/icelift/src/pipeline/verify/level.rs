//! How much is compared.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// What `USING` and the option `verify` name. Each level does what the one before it does, and more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Counts and sizes: manifests and footers, no rows.
    Metadata,
    /// Every row, by the fingerprint `content1`.
    #[default]
    Content,
    /// Every row, also by the fingerprint `cfp1` that other engines can compute.
    Portable,
}

const LEVELS: [Level; 3] = [Level::Metadata, Level::Content, Level::Portable];

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "metadata",
            Self::Content => "content",
            Self::Portable => "portable",
        })
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        LEVELS.into_iter().find(|level| level.to_string() == text.to_lowercase()).ok_or_else(|| {
            let message = format!("there is no level `{text}` of verification");
            Error::new(ErrorKind::Config, message).hint("one of 'metadata', 'content' and 'portable'")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{LEVELS, Level};

    #[test]
    fn words() {
        for level in LEVELS {
            assert_eq!(level.to_string().parse::<Level>().unwrap(), level);
        }
        assert_eq!("Content".parse::<Level>().unwrap(), Level::Content);
        let error = "deep".parse::<Level>().unwrap_err();
        assert_eq!(error.to_string(), "there is no level `deep` of verification");
        assert!(Level::Metadata < Level::Content && Level::Content < Level::Portable);
    }
}
