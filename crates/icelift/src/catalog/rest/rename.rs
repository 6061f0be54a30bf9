//! Gives tables other names.

use iceberg::TableIdent;

use super::Rest;
use super::call::{Call, Operation};
use super::failure::Failure;
use super::namespaces::{namespace_not_found, unwritable};
use super::wire::RenameBody;
use crate::catalog::apply::name_is_taken;
use crate::error::{Error, ErrorKind, Result, Stage};

impl Rest {
    /// Renames a table.
    ///
    /// # Errors
    /// [`ErrorKind::CommitUnknown`] if the answer was lost and the tables do not tell.
    pub async fn rename(&self, from: &TableIdent, to: &TableIdent) -> Result<()> {
        self.client.rules.check_new_table(to, None)?;
        // By its uuid the table is known again if the answer is lost.
        let uuid = self.load(from).await?.metadata.uuid();
        let body = serde_json::to_vec(&RenameBody { source: from, destination: to }).map_err(unwritable)?;
        let call = Call::new(Operation::RenameTable, self.client.paths.rename()).table(from).body(body);
        let Err(failure) = self.client.done(&call).await else { return Ok(()) };
        // Also where the last answer is no: it may be that to a second copy.
        let is_renamed = self.load(to).await.is_ok_and(|table| table.metadata.uuid() == uuid);
        if is_renamed {
            return Ok(());
        }
        if failure.is_doubtful {
            return Err(Error::new(ErrorKind::CommitUnknown, "it is not known whether the table was renamed")
                .place(Stage::Catalog, &self.table_name(from))
                .hint("look which of the two names is there before you run the statement again")
                .source(self.client.error(failure)));
        }
        Err(self.of_rename(failure, from, to))
    }

    fn of_rename(&self, failure: Failure, from: &TableIdent, to: &TableIdent) -> Error {
        match failure.cause.refusal() {
            Some(refusal) if refusal.status == 409 => {
                name_is_taken(&self.table_name(to)).source(self.client.error(failure))
            }
            // The table was there a moment ago, so it is the new namespace that is not.
            Some(refusal) if refusal.is_named(&["NoSuchNamespaceException"]) => {
                namespace_not_found(&self.client.catalog, &to.namespace)
            }
            _ => self.of_table(failure, from),
        }
    }
}
