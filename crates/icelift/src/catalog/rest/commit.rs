//! The commit: one POST, and what is known after it.
//!
//! The rule is that a commit which may have landed is never called lost. In the order in which it is looked at:
//!
//! | answer | outcome |
//! |---|---|
//! | 200 with a table | landed |
//! | nothing was sent | not landed |
//! | anything, after an earlier attempt of this call that may have landed; a 409 then says that somebody was faster, and that may have been ourselves | unknown |
//! | `CommitStateUnknownException`, 408, 5xx but 501, no or half an answer, 200 with something else | unknown |
//! | `CommitFailedException`, `ConcurrentUpdateError` (R2 sends it as 400), 409 unless its type says that waiting does not help | not landed, a conflict |
//! | all else: 3xx, 4xx, 501 | not landed, final |
//!
//! 429 comes from a limiter in front of the deed, so it is waited for and sent again (`retry.rs`). 503 with `Retry-After` is
//! an invitation to send again, but the first copy may have been carried out: it is sent again if it is *fenced*, which
//! means that it requires what its own success makes false. Then at most one copy lands, and the second one's 409 is unknown.

use iceberg::{TableIdent, TableUpdate};

use super::Rest;
use super::call::{Call, Operation};
use super::failure::{Cause, Failure, Refusal, said};
use super::namespaces::unwritable;
use super::rules::taken_properties;
use super::vended::store_config;
use super::wire::{CommitBody, TableReply, given};
use crate::catalog::{CommitOutcome, CommitRequest};
use crate::error::{Error, ErrorKind, Stage};

/// Conflicts that waiting does not end. R2 and Lakekeeper send the first one for properties that they do not take.
const PERMANENT: [&str; 4] =
    ["FailedToSetProperties", "AlreadyExistsException", "UnprocessableEntityException", "BadRequestException"];
/// Lost races, whatever their status.
const LOST_RACE: [&str; 3] = ["CommitFailedException", "ConcurrentUpdateError", "CatalogCommitConflicts"];

/// What an unsuccessful commit comes to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Conflict,
    Final,
}

fn verdict(failure: &Failure) -> Verdict {
    if failure.is_doubtful {
        return Verdict::Unknown;
    }
    match failure.cause.refusal() {
        Some(refusal) if refusal.is_named(&LOST_RACE) => Verdict::Conflict,
        Some(refusal) if refusal.status == 409 && !refusal.is_named(&PERMANENT) => Verdict::Conflict,
        _ => Verdict::Final,
    }
}

impl Rest {
    /// Commits to a table.
    pub async fn send_commit(&self, ident: &TableIdent, mut request: CommitRequest) -> CommitOutcome {
        if request.requirements.is_empty() && request.updates.is_empty() {
            // The table was created at once, because its server cannot stage.
            return CommitOutcome::Landed;
        }
        for update in &mut request.updates {
            if let TableUpdate::SetProperties { updates } = update {
                *updates = taken_properties(self.client.rules.as_ref(), ident, std::mem::take(updates));
            }
        }
        request.updates.retain(|it| !matches!(it, TableUpdate::SetProperties { updates } if updates.is_empty()));
        let body = CommitBody { requirements: &request.requirements, updates: &request.updates };
        let body = serde_json::to_vec(&body).map_err(unwritable);
        let call = body.and_then(|body| {
            Ok(Call::new(Operation::UpdateTable, self.client.paths.table(ident)?).table(ident).body(body))
        });
        let call = match call {
            Ok(call) => Call { is_fenced: request.is_fenced(), ..call },
            Err(error) => return CommitOutcome::NotLanded(error.place(Stage::Snapshot, &self.table_name(ident))),
        };
        self.committed.forget(ident);
        match self.client.json::<TableReply>(&call).await {
            Ok(reply) if reply.metadata.is_object() => {
                self.keep_keys(ident, &reply);
                self.committed.keep(ident, reply);
                CommitOutcome::Landed
            }
            Ok(_) => {
                let cause = Cause::Garbled { found: "it has no table".to_string(), is_cut: false };
                self.outcome(ident, Failure { call, cause, is_doubtful: true }, request.create.is_some())
            }
            Err(failure) => self.outcome(ident, failure, request.create.is_some()),
        }
    }

    /// Keys that came with the answer are newer than those at hand.
    fn keep_keys(&self, ident: &TableIdent, reply: &TableReply) {
        let location = reply.metadata.get("location").and_then(serde_json::Value::as_str).unwrap_or_default();
        let location = location.trim_end_matches('/').to_string();
        let credentials = reply.storage_credentials.as_deref().unwrap_or_default();
        self.stores.renew(ident, &store_config(&location, given(reply.config.clone()), credentials));
    }

    fn outcome(&self, ident: &TableIdent, failure: Failure, creates: bool) -> CommitOutcome {
        let name = self.table_name(ident);
        match verdict(&failure) {
            Verdict::Unknown => {
                let lost = Error::new(ErrorKind::CommitUnknown, "the commit was sent and its outcome is not known")
                    .place(Stage::Snapshot, &name)
                    .source(self.client.error(failure));
                CommitOutcome::Unknown(lost)
            }
            Verdict::Conflict if creates => {
                CommitOutcome::NotLanded(self.table_exists(ident).source(self.client.error(failure)))
            }
            Verdict::Conflict => {
                let told = failure.cause.refusal().map(|refusal: &Refusal| said(self.client.rules.product(), refusal));
                let message = format!("the table was changed by another writer: {}", told.unwrap_or_default());
                let conflict = Error::new(ErrorKind::CommitConflict, message).place(Stage::Snapshot, &name);
                CommitOutcome::NotLanded(conflict.hint("run the statement again"))
            }
            Verdict::Final => CommitOutcome::NotLanded(self.of_table(failure, ident)),
        }
    }
}

#[cfg(test)]
mod tests {
    use iceberg::TableRequirement;
    use iceberg::spec::{SnapshotReference, SnapshotRetention};

    use super::*;

    fn refused(status: u16, named: &str, was_doubtful: bool) -> Failure {
        let named = Some(named.to_string()).filter(|named| !named.is_empty());
        let cause = Cause::Refused(Refusal { status, named, ..Refusal::default() });
        let is_doubtful = was_doubtful || cause.is_doubtful();
        Failure { call: Call::new(Operation::UpdateTable, String::new()), cause, is_doubtful }
    }

    #[test]
    fn statuses_and_types_tell_the_outcome() {
        for (status, named, expected) in [
            (409, "CommitFailedException", Verdict::Conflict),
            (409, "", Verdict::Conflict),
            (409, "DataInvalid", Verdict::Conflict),
            (400, "ConcurrentUpdateError", Verdict::Conflict),
            (409, "FailedToSetProperties", Verdict::Final),
            (400, "BadRequestException", Verdict::Final),
            (403, "", Verdict::Final),
            (404, "NoSuchTableException", Verdict::Final),
            (429, "TooManyRequestsException", Verdict::Final),
            (501, "", Verdict::Final),
            (301, "", Verdict::Final),
            (500, "", Verdict::Unknown),
            (502, "", Verdict::Unknown),
            (503, "ServiceUnavailableException", Verdict::Unknown),
            (504, "CommitStateUnknownException", Verdict::Unknown),
            (409, "CommitStateUnknownException", Verdict::Unknown),
            (408, "", Verdict::Unknown),
            (599, "", Verdict::Unknown),
        ] {
            assert_eq!(verdict(&refused(status, named, false)), expected, "{status} {named}");
            assert_eq!(verdict(&refused(status, named, true)), Verdict::Unknown, "{status} {named}");
        }
    }

    #[test]
    fn a_commit_is_fenced_if_it_moves_what_it_requires() {
        let on = |branch: &str, snapshot_id| TableRequirement::RefSnapshotIdMatch { r#ref: branch.into(), snapshot_id };
        let reference = SnapshotReference::new(1, SnapshotRetention::branch(None, None, None));
        let set_main = TableUpdate::SetSnapshotRef { ref_name: "main".into(), reference };
        let request = |requirement, updates| CommitRequest {
            requirements: vec![requirement],
            updates,
            ..CommitRequest::default()
        };
        assert!(request(TableRequirement::NotExist, vec![]).is_fenced());
        assert!(request(on("main", Some(7)), vec![set_main.clone()]).is_fenced());
        assert!(request(on("main", None), vec![set_main.clone()]).is_fenced());
        assert!(!request(on("other", None), vec![set_main.clone()]).is_fenced());
        assert!(!request(on("main", Some(7)), vec![]).is_fenced());
        assert!(!request(TableRequirement::UuidMatch { uuid: uuid::Uuid::nil() }, vec![set_main]).is_fenced());
    }
}
