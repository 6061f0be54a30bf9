//! The one error type of the library.
//!
//! [`Error`] prints its own level only; the cause is behind [`source`](std::error::Error::source), so that a chain can be
//! printed without saying anything twice. It survives the way through DataFusion: out as
//! [`DataFusionError::External`], back by finding it in the chain.

use std::error::Error as StdError;
use std::fmt;

use datafusion::common::DataFusionError;

/// What the library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a caller acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option, a variable or a configuration file is wrong.
    Config,
    /// A statement cannot be parsed or planned.
    Sql,
    /// A catalog, namespace, table, column or file does not exist.
    NotFound,
    /// A catalog, namespace or table exists already.
    AlreadyExists,
    /// The library or the table format cannot do this.
    Unsupported,
    /// Rows do not fit the columns of their table.
    SchemaMismatch,
    /// Metadata or data could not be read.
    Read,
    /// Metadata or data could not be written.
    Write,
    /// The credentials are missing, wrong or expired, or do not have the right that is needed.
    Denied,
    /// A server cannot be reached, does not answer, or asks to slow down, and did so until the retries were used up.
    Unavailable,
    /// Others changed the table and the commit could not be rebased. Nothing was committed.
    CommitConflict,
    /// It is not known whether a commit landed. Nothing was removed.
    CommitUnknown,
    /// Another process has taken a migration over. Nothing is lost, and this process must not go on.
    Fenced,
    /// A table is not what a migration left or began with: set back, replaced, or its register changed.
    Drift,
    /// A verification found rows that differ.
    Difference,
    /// A migration stopped half way. What it has committed stays, and the same statement continues.
    Stopped,
    /// A limit on memory, disk or open files was reached.
    Resources,
    /// A running query failed.
    Execution,
    /// A promise of the library does not hold: a bug.
    Internal,
}

/// The stage of the pipeline in which an error arose, in the order the rows travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Opening a catalog, loading or creating a table.
    Catalog,
    /// Reading the source.
    Scan,
    /// Assigning query columns to table columns.
    Select,
    /// Routing rows to partitions.
    Shuffle,
    /// Writing data files.
    Sink,
    /// Committing.
    Snapshot,
    /// Comparing source and target.
    Verify,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Catalog => "catalog",
            Stage::Scan => "scan",
            Stage::Select => "select",
            Stage::Shuffle => "shuffle",
            Stage::Sink => "sink",
            Stage::Snapshot => "snapshot",
            Stage::Verify => "verify",
        })
    }
}

/// An error with its kind, the stage and object it concerns, and what to do about it.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    stage: Option<Stage>,
    table: Option<String>,
    subject: Option<String>,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of `kind`; `message` is lower case, without a full stop, and names what was found and expected.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            stage: None,
            table: None,
            subject: None,
            message: message.into(),
            hint: None,
            source: None,
        }))
    }

    /// Names the stage, unless an inner one is named already.
    pub fn stage(mut self, stage: Stage) -> Self {
        self.0.stage.get_or_insert(stage);
        self
    }

    /// Names the stage and the table, unless an inner stage is named already: the table of an outer stage is another one.
    pub(crate) fn place(mut self, stage: Stage, table: &impl fmt::Display) -> Self {
        if *self.0.stage.get_or_insert(stage) == stage {
            self.0.table.get_or_insert_with(|| table.to_string());
        }
        self
    }

    /// Names the catalog or file concerned, unless an inner one is named already.
    pub fn subject(mut self, subject: impl fmt::Display) -> Self {
        self.0.subject.get_or_insert_with(|| {
            let subject = subject.to_string();
            if subject.starts_with('`') { subject } else { format!("`{subject}`") }
        });
        self
    }

    /// Says what to type or change next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Keeps the cause.
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where in the pipeline it went wrong.
    pub fn at(&self) -> Option<Stage> {
        self.0.stage
    }

    /// What to do about it, as a sentence fragment.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The error and what caused it, on one line. What repeats its own cause is not said twice.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.contains(next.trim()) {
                text = format!("{text}: {next}");
            }
            cause = error.source();
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { stage, table, subject, message, .. } = self.0.as_ref();
        match (stage, table.as_ref().or(subject.as_ref())) {
            (Some(stage), Some(object)) => write!(f, "{stage} of {object}: ")?,
            (Some(stage), None) => write!(f, "{stage}: ")?,
            (None, Some(object)) => write!(f, "{object}: ")?,
            (None, None) => {}
        }
        if let (Some(_), Some(subject)) = (table, subject) {
            write!(f, "{subject}: ")?;
        }
        f.write_str(message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

impl From<DataFusionError> for Error {
    /// Finds our own error behind DataFusion's wrappers; anything else becomes the kind that its variant tells.
    fn from(error: DataFusionError) -> Self {
        match unwrapped(error) {
            DataFusionError::External(cause) => match cause.downcast::<Error>() {
                Ok(own) => *own,
                Err(foreign) => foreign_execution(DataFusionError::External(foreign)),
            },
            DataFusionError::ArrowError(cause, trace) => match *cause {
                arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
                    Ok(own) => *own,
                    Err(inner) => foreign_execution(DataFusionError::External(inner)),
                },
                other => foreign_execution(DataFusionError::ArrowError(Box::new(other), trace)),
            },
            other => foreign_execution(other),
        }
    }
}

/// Takes off the wrappers that DataFusion puts around an error that only one owner holds.
fn unwrapped(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::Context(text, inner) => match unwrapped(*inner) {
            own @ DataFusionError::External(_) => own,
            other => DataFusionError::Context(text, Box::new(other)),
        },
        DataFusionError::Diagnostic(_, inner) => unwrapped(*inner),
        DataFusionError::Shared(shared) => match std::sync::Arc::try_unwrap(shared) {
            Ok(inner) => unwrapped(inner),
            Err(shared) => shared_copy(shared),
        },
        DataFusionError::Collection(mut errors) if !errors.is_empty() => unwrapped(errors.swap_remove(0)),
        other => other,
    }
}

/// Rebuilds our error from one that several streams share: kind, place and advice survive, the shared error is its cause.
fn shared_copy(shared: std::sync::Arc<DataFusionError>) -> DataFusionError {
    let found = match shared.find_root() {
        DataFusionError::External(cause) => cause.downcast_ref::<Error>().map(|own| {
            let inner = &own.0;
            Error(Box::new(Inner {
                kind: inner.kind,
                stage: inner.stage,
                table: inner.table.clone(),
                subject: inner.subject.clone(),
                message: inner.message.clone(),
                hint: inner.hint.clone(),
                source: None,
            }))
        }),
        _ => None,
    };
    match found {
        Some(own) => {
            let deeper = StdError::source(shared.find_root()).is_some();
            DataFusionError::from(if deeper { own.source(DataFusionError::Shared(shared)) } else { own })
        }
        None => DataFusionError::Shared(shared),
    }
}

fn foreign_execution(error: DataFusionError) -> Error {
    let kind = match error.find_root() {
        DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => ErrorKind::Sql,
        DataFusionError::NotImplemented(_) => ErrorKind::Unsupported,
        DataFusionError::ResourcesExhausted(_) => ErrorKind::Resources,
        DataFusionError::Configuration(_) => ErrorKind::Config,
        DataFusionError::Internal(_) => ErrorKind::Internal,
        _ => ErrorKind::Execution,
    };
    // Without DataFusion's name for the kind of error, which says nothing to who typed the statement.
    let text = match &error {
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::ResourcesExhausted(text)
        | DataFusionError::Configuration(text) => DataFusionError::Plan(text.clone()).strip_backtrace(),
        _ => error.strip_backtrace(),
    };
    Error::new(kind, text.strip_prefix("Error during planning: ").unwrap_or(&text))
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Error::from(DataFusionError::from(error))
    }
}
