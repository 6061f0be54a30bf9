//! The version of the source that a statement asks for: `MIGRATE TABLE s FOR VERSION AS OF … TO t`.
//!
//! What must hold: either that version is copied, or nothing. A migration that is under way has a pin of its own, and rows
//! of a later version are never taken back by an earlier one.

use datafusion::execution::SessionState;

use super::register::{Pin, Register};
use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::sql::Migrate;

/// The source as the statement means it.
///
/// # Errors
/// A version that the source does not have.
pub(super) fn of_source(statement: &Migrate, newest: Table, state: &SessionState) -> Result<Table> {
    statement.version.as_ref().map_or_else(|| Ok(newest.clone()), |version| newest.as_of(version, state))
}

/// Fails where the migration goes on with another version than the one that the statement asks for.
///
/// # Errors
/// [`ErrorKind::Drift`] where it cannot be done.
pub(super) fn check(statement: &Migrate, register: Option<&Register>, pin: Pin, asked: &Table) -> Result<()> {
    let (Some(version), Some(register)) = (&statement.version, register) else { return Ok(()) };
    let now = asked.metadata.current_snapshot_id();
    let told =
        |snapshot: Option<i64>| snapshot.map_or_else(|| "no snapshot".to_string(), |id| format!("snapshot {id}"));
    let refused = |what: String, hint: &str| {
        let message = format!("{what}; the statement asks for {} (`{version}`)", told(now));
        Err(Error::new(ErrorKind::Drift, message).place(Stage::Catalog, &asked.name).hint(hint))
    };
    if pin.snapshot != now {
        let hint =
            "run the statement without the version until it is finished; a further run may then ask for a later one";
        return refused(format!("the migration is under way and copies {}", told(pin.snapshot)), hint);
    }
    if !comes_from(asked, register.pin.snapshot) {
        let hint = "migrate that version into another target";
        return refused(format!("the target has the rows of {} already", told(register.pin.snapshot)), hint);
    }
    Ok(())
}

/// Whether the table's current snapshot is `earlier`, or came from it.
fn comes_from(table: &Table, earlier: Option<i64>) -> bool {
    let metadata = &table.metadata;
    let mut at = metadata.current_snapshot_id();
    for _ in 0..=metadata.snapshots().len() {
        if at == earlier {
            return true;
        }
        at = at.and_then(|id| metadata.snapshot_by_id(id)).and_then(|snapshot| snapshot.parent_snapshot_id());
    }
    false
}
