//! The words of statements that somebody who types may want completed.

use crate::procedures;
use crate::sql::migrate_option_names;

/// A procedure that CALL runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcedureSignature {
    /// As it stands behind `system.`.
    pub name: &'static str,
    /// The names of its arguments, in the order in which they are given without names.
    pub arguments: Vec<&'static str>,
}

/// All procedures, by name.
pub fn procedures() -> Vec<ProcedureSignature> {
    let signature = |(name, arguments)| ProcedureSignature { name, arguments };
    procedures::signatures().map(signature).collect()
}

/// What WITH of a MIGRATE takes.
pub fn migrate_options() -> Vec<&'static str> {
    migrate_option_names()
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_those_of_statements() {
        let orphans = super::procedures().into_iter().find(|it| it.name == "remove_orphan_files").unwrap();
        assert!(orphans.arguments.starts_with(&["table"]) && orphans.arguments.contains(&"dry_run"));
        assert!(super::migrate_options().contains(&"parallel_batches"));
    }
}
