//! Places at which a test may stop a migration: one for each step of the protocol.
//!
//! In a program that does not arm them they do nothing. They are in every build, so that what is tested is what is shipped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::error::{Error, ErrorKind, Result};

/// All failpoints, in the order of the protocol.
pub const FAILPOINTS: [&str; 23] = [
    "create.before_commit",
    "create.after_commit",
    "claim.before_commit",
    "claim.after_commit",
    "recover.before_listing",
    "recover.adopted",
    "batch.before_write",
    "batch.files_written",
    "batch.listed",
    "batch.before_verify",
    "batch.verified",
    "commit.before",
    "commit.details_written",
    "commit.after",
    "commit.unknown",
    "fence.before_commit",
    "fence.after_commit",
    "batch.before_tidy",
    "cleanup.before_delete",
    "cleanup.after_delete",
    "finish.before_report",
    "rollback.before_commit",
    "rollback.after_commit",
];

/// Those of `rewrite_data_files`, in their order.
pub(crate) const REWRITE_FAILPOINTS: [&str; 3] = ["rewrite.planned", "rewrite.written", "rewrite.before_commit"];

fn is_known(name: &str) -> bool {
    FAILPOINTS.contains(&name) || REWRITE_FAILPOINTS.contains(&name)
}

/// What happens at an armed failpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailAction {
    /// The process ends at once, as by `kill -9`.
    Kill,
    /// The step fails.
    Error,
    /// The step waits for ever.
    Stall,
    /// The process stops, all of it, until it gets SIGCONT: a machine that sleeps and wakes up.
    Freeze,
}

/// Failpoints that are armed, and who is told of those that are reached.
#[derive(Clone, Default)]
pub struct Failpoints(Option<Arc<Armed>>);

struct Armed {
    points: Vec<Point>,
    told: Box<dyn Fn(&str) + Send + Sync>,
}

struct Point {
    name: String,
    /// Passes that are left before it acts.
    passes: AtomicU32,
    action: FailAction,
}

impl fmt::Debug for Failpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().flat_map(|armed| armed.points.iter().map(|point| point.name.as_str()));
        f.debug_list().entries(names).finish()
    }
}

impl Failpoints {
    /// Reads `name:action[:nth]`, several separated by commas; `told` hears the name of each failpoint that is reached.
    ///
    /// # Errors
    /// An unknown name or action.
    pub fn parse(text: &str, told: impl Fn(&str) + Send + Sync + 'static) -> Result<Self> {
        let points = text.split(',').filter(|point| !point.is_empty()).map(point).collect::<Result<_>>()?;
        Ok(Self(Some(Arc::new(Armed { points, told: Box::new(told) }))))
    }

    pub(crate) async fn reach(&self, name: &'static str) -> Result<()> {
        debug_assert!(is_known(name), "{name} is not listed");
        let Some(armed) = &self.0 else { return Ok(()) };
        (armed.told)(name);
        let due = armed.points.iter().find(|point| point.name == name && point.passes.fetch_sub(1, Relaxed) == 1);
        match due.map(|point| point.action) {
            None => Ok(()),
            Some(FailAction::Kill) => std::process::abort(),
            Some(FailAction::Error) => Err(Error::new(ErrorKind::Unavailable, format!("stopped at {name} by a test"))),
            Some(FailAction::Stall) => std::future::pending().await,
            Some(FailAction::Freeze) => freeze(),
        }
    }
}

/// How long a busy machine may take to stop a process.
const TAKEN: std::time::Duration = std::time::Duration::from_millis(500);

fn freeze() -> Result<()> {
    let kill = std::process::Command::new("kill").args(["-STOP", &std::process::id().to_string()]).status();
    kill.map(drop).map_err(|source| Error::new(ErrorKind::Internal, "the process cannot be stopped").source(source))?;
    // Another thread takes the signal, once it gets a core: this one must not go on before that.
    std::thread::sleep(TAKEN);
    Ok(())
}

fn point(text: &str) -> Result<Point> {
    let wrong = || {
        Error::new(
            ErrorKind::Config,
            format!("`{text}` is no failpoint, expected `name:kill|error|stall|freeze[:nth]`"),
        )
        .hint(format!("the names are {}, {}", FAILPOINTS.join(", "), REWRITE_FAILPOINTS.join(", ")))
    };
    let mut parts = text.split(':');
    let name = parts.next().filter(|name| is_known(name)).ok_or_else(wrong)?;
    let action = match parts.next() {
        Some("kill") => FailAction::Kill,
        Some("error") => FailAction::Error,
        Some("stall") => FailAction::Stall,
        Some("freeze") => FailAction::Freeze,
        _ => return Err(wrong()),
    };
    let nth = parts.next().map_or(Ok(1), |nth| nth.parse().map_err(|_| wrong()))?;
    Ok(Point { name: name.to_string(), passes: AtomicU32::new(nth), action })
}
