//! What the user says of copying.

use std::fmt;
use std::str::FromStr;

use datafusion::common::{config_field, extensions_options};
use datafusion::config::ConfigExtension;

use crate::error::{Error, ErrorKind};

/// Whether row groups are copied where that is proved to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SpliceMode {
    /// They are. Their pages are compressed anew where the table names another codec.
    #[default]
    Auto,
    Off,
    /// They are, compressed as they are.
    KeepCodec,
}

impl SpliceMode {
    pub const NAMES: &str = "auto, off or keep-codec";
}

impl FromStr for SpliceMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            "keep-codec" => Ok(Self::KeepCodec),
            _ => Err(Error::new(ErrorKind::Config, format!("`{text}` is no way to copy row groups"))
                .hint(format!("it is {}", Self::NAMES))),
        }
    }
}

impl fmt::Display for SpliceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Off => "off",
            Self::KeepCodec => "keep-codec",
        })
    }
}

config_field!(SpliceMode);

extensions_options! {
    /// Settings of a session that are ours: `SET icelift.splice = 'off'`.
    pub(crate) struct Settings {
        /// Whether row groups are copied undecoded where that is proved to give the same rows: auto, off or keep-codec.
        pub splice: SpliceMode, default = SpliceMode::Auto
    }
}

impl ConfigExtension for Settings {
    const PREFIX: &'static str = "icelift";
}
