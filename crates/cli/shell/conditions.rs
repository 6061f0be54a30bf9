//! `\if`, `\elif`, `\else`, `\endif`: which parts of a script run.

use icelift::{Error, ErrorKind};

/// The conditions that are open, the innermost last.
#[derive(Debug, Default)]
pub struct Conditions(Vec<Branch>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Branch {
    runs: bool,
    /// Whether one of the branches has run, or none may.
    is_settled: bool,
    is_last: bool,
}

impl Conditions {
    pub fn is_active(&self) -> bool {
        self.0.last().is_none_or(|branch| branch.runs)
    }

    /// Whether the condition of an `\elif` is of interest.
    pub fn is_open(&self) -> bool {
        self.0.last().is_some_and(|branch| !branch.is_settled)
    }

    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// Closes what was opened since; true if anything was.
    pub fn close(&mut self, depth: usize) -> bool {
        let open = self.0.len() > depth;
        self.0.truncate(depth);
        open
    }

    /// Begins; inside of what does not run, nothing does.
    pub fn begin(&mut self, truth: bool) {
        let may = self.is_active();
        self.0.push(Branch { runs: may && truth, is_settled: !may || truth, is_last: false });
    }

    /// The branch before has ended.
    pub fn otherwise(&mut self, truth: bool, is_last: bool) -> Result<(), Error> {
        let branch = self.0.last_mut().ok_or_else(|| misplaced(if is_last { "\\else" } else { "\\elif" }))?;
        if branch.is_last {
            return Err(Error::new(ErrorKind::Sql, "nothing but `\\endif` comes after `\\else`"));
        }
        branch.runs = truth && !branch.is_settled;
        branch.is_settled |= truth;
        branch.is_last = is_last;
        Ok(())
    }

    pub fn end(&mut self) -> Result<(), Error> {
        self.0.pop().map(|_| ()).ok_or_else(|| misplaced("\\endif"))
    }
}

fn misplaced(command: &str) -> Error {
    Error::new(ErrorKind::Sql, format!("there is no `\\if` before this `{command}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_branch_runs() {
        let mut conditions = Conditions::default();
        assert!(conditions.is_active());
        conditions.begin(false);
        assert!(!conditions.is_active() && conditions.is_open());
        conditions.begin(true);
        assert!(!conditions.is_active(), "inside of what does not run");
        conditions.otherwise(true, true).unwrap();
        assert!(!conditions.is_active());
        conditions.end().unwrap();
        conditions.otherwise(true, false).unwrap();
        assert!(conditions.is_active());
        conditions.otherwise(true, false).unwrap();
        assert!(!conditions.is_active(), "one has run");
        conditions.otherwise(true, true).unwrap();
        assert!(!conditions.is_active());
        assert!(conditions.otherwise(true, true).is_err());
        conditions.end().unwrap();
        assert!(conditions.is_active() && conditions.end().is_err() && conditions.otherwise(true, true).is_err());
        conditions.begin(true);
        assert!(conditions.close(0) && !conditions.close(0));
    }
}
