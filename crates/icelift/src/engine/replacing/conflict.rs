//! Rows that came while a statement ran, of those that it was to replace.
//!
//! The statement has not seen them, so they would stay where all rows like them are said to be gone. Iceberg's isolation level
//! `serializable` forbids that, `snapshot` allows it; `write.delete.isolation-level` of the table says which.

use std::collections::HashSet;
use std::fmt;

use async_trait::async_trait;
use iceberg::spec::TableMetadata;

use crate::catalog::Table;
use crate::error::{Error, ErrorKind, Result, Stage};
use crate::pipeline::scan::RowFilter;
use crate::pipeline::snapshot::{Difference, LiveFile, Precondition};
use crate::pipeline::values::PartitionValues;

const PROPERTY: &str = "write.delete.isolation-level";

/// What a statement must not miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Isolation {
    Serializable,
    Snapshot,
}

impl Isolation {
    pub fn of(metadata: &TableMetadata) -> Result<Self> {
        match metadata.properties().get(PROPERTY).map(|value| value.to_ascii_lowercase()).as_deref() {
            None | Some("serializable") => Ok(Self::Serializable),
            Some("snapshot") => Ok(Self::Snapshot),
            Some(other) => {
                let message =
                    format!("the table property `{PROPERTY}` is `{other}`, it takes serializable or snapshot");
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }
}

/// Which rows are replaced.
pub(in crate::engine) enum Replaced {
    All,
    /// Rows for which a condition may hold, as far as a file tells; without a filter no file tells.
    Matching(Option<RowFilter>),
    /// Those of these partitions of this spec. Files of other specs may have rows of them.
    Partitions {
        spec_id: i32,
        values: HashSet<PartitionValues>,
    },
}

/// No data file came since `planned` that may hold rows which are replaced.
pub(in crate::engine) struct NoNewRows {
    pub planned: Table,
    pub replaced: Replaced,
}

impl fmt::Debug for NoNewRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoNewRows")
            .field("planned", &self.planned.metadata.current_snapshot_id())
            .finish_non_exhaustive()
    }
}

impl NoNewRows {
    fn concerns(&self, live: &LiveFile) -> bool {
        match &self.replaced {
            Replaced::All | Replaced::Matching(None) => true,
            Replaced::Matching(Some(filter)) => filter.file_may_match(&live.file, &live.spec),
            Replaced::Partitions { spec_id, values } => {
                live.spec.spec_id() != *spec_id || values.contains(&PartitionValues::of(&live.file))
            }
        }
    }
}

#[async_trait]
impl Precondition for NoNewRows {
    async fn check(&self, base: &Table) -> Result<()> {
        let difference = Difference::since(&self.planned, base).await?;
        match difference.added.iter().find(|live| self.concerns(live)) {
            None => Ok(()),
            Some(live) => Err(Error::new(
                ErrorKind::Drift,
                "another writer added rows that the statement would have to look at, while it ran",
            )
            .subject(live.file.file_path())
            .place(Stage::Snapshot, &base.name)
            .hint(format!(
                "nothing was changed; run the statement again, or set `{PROPERTY}` to snapshot to leave such rows"
            ))),
        }
    }
}
