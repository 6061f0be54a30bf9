//! Registers tables: the server reads the metadata file and gives the table its name.

use iceberg::TableIdent;

use super::Rest;
use super::call::{Call, Operation};
use super::namespaces::{namespace_not_found, unwritable};
use super::wire::RegisterTableBody;
use crate::catalog::Table;
use crate::catalog::apply::name_is_taken;
use crate::error::{Error, ErrorKind, Result, Stage};

impl Rest {
    /// Gives the table of the metadata file a name. If the answer is lost, the name tells.
    pub async fn register(&self, ident: &TableIdent, metadata_location: &str) -> Result<Table> {
        let place = |error: Error| error.place(Stage::Catalog, &self.table_name(ident));
        if !self.client.endpoints.has(Operation::RegisterTable) {
            let message = format!("the {} does not register tables", self.client.rules.product());
            return Err(place(Error::new(ErrorKind::Unsupported, message))
                .hint("its list of endpoints has none for that; copy the rows: MIGRATE TABLE … TO …"));
        }
        let body = RegisterTableBody { name: &ident.name, metadata_location };
        let body = serde_json::to_vec(&body).map_err(unwritable)?;
        let call = Call::new(Operation::RegisterTable, self.client.paths.register(&ident.namespace)?);
        let failure = match self.client.json(&call.table(ident).body(body)).await {
            Ok(reply) => {
                let answered = self.read(ident, reply)?;
                return self.opened(ident, answered);
            }
            Err(failure) => failure,
        };
        if failure.is_doubtful {
            if let Ok(table) = self.load(ident).await
                && table.metadata_location.as_deref() == Some(metadata_location)
            {
                return Ok(table);
            }
            return Err(place(Error::new(
                ErrorKind::CommitUnknown,
                "it is not known whether the table was registered",
            ))
            .hint("look whether it is there before you run the statement again")
            .source(self.client.error(failure)));
        }
        Err(match failure.cause.refusal() {
            Some(refusal) if refusal.is_not_found() => namespace_not_found(&self.client.catalog, &ident.namespace),
            Some(refusal) if refusal.is_named(&["AlreadyExistsException"]) || refusal.status == 409 => {
                name_is_taken(&self.table_name(ident))
            }
            _ => place(self.client.error(failure)),
        })
    }
}
