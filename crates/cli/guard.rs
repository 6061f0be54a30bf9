//! What stands before a statement: the refusal of a read-only session, and the question to who typed it.

use icelift::{Effect, Engine, Error, ErrorKind};

use crate::exit::Stop;

/// Whether statements may write, and whether somebody is asked before.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    read_only: bool,
    pub asks: bool,
}

/// What is to be done with a statement that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Run,
    Ask,
}

impl Guard {
    pub fn new(read_only: bool, asks: bool) -> Self {
        Self { read_only, asks }
    }

    /// Refuses what may not run, and tells what is to be asked.
    pub fn check(&self, engine: &Engine, sql: &str) -> Result<Verdict, Stop> {
        let effect = engine.effect(sql);
        if self.read_only && effect >= Effect::Adds {
            let message = "the session is read-only, and the statement would write";
            return Err(Error::new(ErrorKind::Denied, message).hint("start icelift without --read-only").into());
        }
        Ok(if self.asks && effect == Effect::Changes { Verdict::Ask } else { Verdict::Run })
    }
}

/// The question, with as much of the statement as stands on a line.
pub fn question(sql: &str) -> String {
    const WIDTH: usize = 60;
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().take(WIDTH).collect();
    let more = if shown.len() < line.len() { " …" } else { "" };
    format!("{shown}{more}\nThis changes or deletes data. Go on? [y/N] ")
}

/// Whether an answer is a yes.
pub fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_types_is_asked_before_something_is_deleted() {
        let engine = Engine::builder().build().await.unwrap();
        let verdict = |guard: Guard, sql: &str| guard.check(&engine, sql).ok();
        for (sql, changes) in [("DROP TABLE r2.a.t", true), ("INSERT INTO r2.a.t SELECT 1", false), ("SELECT 1", false)]
        {
            let asked = if changes { Verdict::Ask } else { Verdict::Run };
            assert_eq!(verdict(Guard::new(false, true), sql), Some(asked), "{sql}");
            assert_eq!(verdict(Guard::new(false, false), sql), Some(Verdict::Run), "{sql}");
            let reads = sql.starts_with("SELECT");
            assert_eq!(verdict(Guard::new(true, false), sql), reads.then_some(Verdict::Run), "{sql}");
        }
    }

    #[test]
    fn questions_fit_on_a_line() {
        assert!(question("DROP\n  TABLE t").starts_with("DROP TABLE t\nThis"));
        assert!(question(&"é".repeat(99)).starts_with(&format!("{} …\n", "é".repeat(60))));
        assert!(is_yes(" Y\n") && is_yes("yes") && !is_yes("") && !is_yes("n"));
    }
}
