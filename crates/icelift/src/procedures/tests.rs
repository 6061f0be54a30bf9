//! The reference says what the code declares.

use std::fmt::Write as _;

use super::{PROCEDURES, Procedure};

const REFERENCE: &str = include_str!("../../../../docs/reference/procedures.md");

/// The table of a procedure's arguments, as the reference has it.
fn arguments(procedure: &Procedure) -> String {
    let mut table = "| argument | type | without it | is |\n|---|---|---|---|\n".to_string();
    for parameter in procedure.parameters {
        let default = parameter.default.unwrap_or("required");
        let _ = writeln!(table, "| `{}` | {} | {default} | {} |", parameter.name, parameter.kind, parameter.about);
    }
    table
}

#[test]
fn the_reference_lists_procedures_with_their_arguments() {
    let headings = REFERENCE.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(headings.collect::<Vec<_>>(), PROCEDURES.map(|procedure| procedure.name));
    let sections = REFERENCE.split("\n## ").skip(1);
    for (section, procedure) in sections.zip(PROCEDURES) {
        let table = arguments(procedure);
        assert!(section.contains(&table), "{} wants this table:\n{table}", procedure.name);
        for column in procedure.columns {
            assert!(section.contains(&format!("| `{}` |", column.name)), "the column {} is not told", column.name);
        }
    }
}

#[test]
fn names_are_sorted_and_arguments_differ() {
    assert!(PROCEDURES.is_sorted_by_key(|procedure| procedure.name));
    for procedure in PROCEDURES {
        let mut names: Vec<_> = procedure.parameters.iter().map(|parameter| parameter.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), procedure.parameters.len());
    }
}
