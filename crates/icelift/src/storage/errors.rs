//! What a failed read or write means to a person.
//!
//! What must hold: what a server answered is explained by its own code ([`s3::explain`]); what was ours before it went
//! through `object_store` comes out as it was.

use std::ops::Range;

use bytes::Bytes;

use super::s3::{self, Action, Failure};
use crate::error::{Error, ErrorKind, Result};

/// A short answer would otherwise surface as a decoding error far away.
pub(super) fn check_length(location: &str, range: &Range<u64>, bytes: &Bytes) -> Result<()> {
    let expected = range.end - range.start;
    if bytes.len() as u64 == expected {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Read,
        format!("the object ends early: {} of {expected} bytes at offset {}", bytes.len(), range.start),
    )
    .subject(location)
    .hint("the object was truncated or replaced after its metadata was written; compare its size with the manifest"))
}

/// Whether there is no such object. A bucket that is missing is another error.
pub(super) fn is_missing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        || Failure::find(error).is_some_and(|failure| failure.is_object_missing())
}

/// An error that `object_store` only carried: ours, or what a server answered.
fn carried(location: &str, error: object_store::Error, action: Action) -> Result<Error, object_store::Error> {
    if let Some(failure) = Failure::find(&error) {
        return Ok(s3::explain(location, failure, action));
    }
    match error {
        object_store::Error::Generic { store, source } => match source.downcast::<Error>() {
            Ok(own) => Ok(own.subject(location)),
            Err(source) => Err(object_store::Error::Generic { store, source }),
        },
        other => Err(other),
    }
}

pub(super) fn read_error(location: &str, source: object_store::Error) -> Error {
    match carried(location, source, Action::Read) {
        Ok(error) => error,
        Err(source @ object_store::Error::NotFound { .. }) => {
            Error::new(ErrorKind::NotFound, "the object does not exist")
                .subject(location)
                .hint("it was removed after the metadata that names it was written; an older snapshot may be complete")
                .source(source)
        }
        Err(source) => Error::new(ErrorKind::Read, "the object cannot be read")
            .subject(location)
            .hint("it may be damaged or shorter than its metadata says; restore it, or read an older snapshot")
            .source(source),
    }
}

pub(super) fn write_error(location: &str, source: object_store::Error) -> Error {
    carried(location, source, Action::Write).unwrap_or_else(|source| {
        Error::new(ErrorKind::Write, "the object cannot be written")
            .subject(location)
            .hint("check the space left and the rights on the warehouse")
            .source(source)
    })
}
