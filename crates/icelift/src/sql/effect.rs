//! What a statement does to tables, told from its words alone: who is asked before it runs, and what a read-only session refuses.
//!
//! What must hold: a statement that can change a table of an attached catalog is never taken for one that reads. What cannot
//! be parsed changes nothing, so that it may be taken for anything.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::is_word;
use super::tokens;

/// What a statement does to tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing.
    Reads,
    /// It changes the session and no table of an attached catalog: settings, views, catalogs that are attached.
    Session,
    /// It adds rows, tables or files, and what was there stays as it was.
    Adds,
    /// It changes or deletes what was there.
    Changes,
}

/// The effect of the one statement in `text`.
pub(crate) fn effect(text: &str) -> Effect {
    of(&words(text))
}

/// Whether the statement in `text` is a CREATE or a DROP.
pub(crate) fn makes_or_drops(text: &str) -> bool {
    words(text).first().is_some_and(|first| ["CREATE", "DROP"].iter().any(|word| is_word(&first.token, word)))
}

/// The statement without spaces and comments; nothing if it cannot be read.
fn words(text: &str) -> Vec<TokenWithSpan> {
    let mut tokens = tokens::statement(text).unwrap_or_default();
    tokens.retain(tokens::is_significant);
    tokens
}

fn of(tokens: &[TokenWithSpan]) -> Effect {
    let sees =
        |at: usize, words: &[&str]| tokens.get(at).is_some_and(|it| words.iter().any(|word| is_word(&it.token, word)));
    let has = |words: &[&str]| tokens.iter().any(|it| words.iter().any(|word| is_word(&it.token, word)));
    let rest = |from: usize| tokens.get(from..).map_or(Effect::Reads, of);
    let Some(Token::Word(first)) = tokens.first().map(|it| &it.token) else { return Effect::Reads };
    match first.value.to_ascii_uppercase().as_str() {
        "EXPLAIN" => {
            let analyze = sees(1, &["ANALYZE", "ANALYSE"]) || sees(2, &["ANALYZE", "ANALYSE"]);
            let statement = (1..tokens.len()).find(|at| !sees(*at, &["ANALYZE", "ANALYSE", "VERBOSE"]));
            if analyze { statement.map_or(Effect::Reads, rest) } else { Effect::Reads }
        }
        "PREPARE" => {
            let begin = (0..tokens.len()).find(|at| sees(*at, &["AS"]));
            begin.map_or(Effect::Session, |at| rest(at + 1).max(Effect::Session))
        }
        "INSERT" if sees(1, &["OVERWRITE", "OR", "REPLACE"]) => Effect::Changes,
        "INSERT" | "COPY" | "MIGRATE" | "EXECUTE" => Effect::Adds,
        "CREATE" if has(&["VIEW", "FUNCTION", "EXTERNAL", "MACRO"]) && !sees(1, &["TABLE", "SCHEMA"]) => {
            Effect::Session
        }
        "CREATE" if sees(1, &["OR"]) => Effect::Changes,
        "CREATE" => Effect::Adds,
        "DROP" if sees(1, &["VIEW", "FUNCTION"]) => Effect::Session,
        "ALTER" if has(&["ADD"]) && !has(&["DROP", "RENAME", "REPLACE"]) => Effect::Adds,
        "ROLLBACK" if !sees(1, &["MIGRATION"]) => Effect::Session,
        "CALL" if is_dry_run(tokens) => Effect::Reads,
        "DROP" | "ALTER" | "DELETE" | "UPDATE" | "MERGE" | "TRUNCATE" | "REPLACE" | "ROLLBACK" | "CALL" | "UNDROP" => {
            Effect::Changes
        }
        "SET" | "RESET" | "ATTACH" | "DETACH" | "DEALLOCATE" | "USE" | "BEGIN" | "START" | "COMMIT" => Effect::Session,
        _ => Effect::Reads,
    }
}

/// Whether a procedure is only asked what it would do.
fn is_dry_run(tokens: &[TokenWithSpan]) -> bool {
    let argument = |three: &[TokenWithSpan]| match three {
        [name, arrow, value] => {
            let arrow = matches!(arrow.token, Token::RArrow | Token::Assignment | Token::Eq);
            arrow && is_word(&name.token, "dry_run") && is_word(&value.token, "true")
        }
        _ => false,
    };
    tokens.windows(3).any(argument)
}

#[cfg(test)]
mod tests {
    use super::Effect::{Adds, Changes, Reads, Session};
    use super::effect;

    #[test]
    fn the_first_words_tell() {
        for (expected, texts) in [
            (
                Reads,
                &[
                    "SELECT 1",
                    "(SELECT 1)",
                    "WITH a AS (SELECT 1) SELECT * FROM a",
                    "EXPLAIN DROP TABLE t",
                    "SHOW TABLES",
                ][..],
            ),
            (
                Reads,
                &["VERIFY TABLE a AGAINST b", "DESCRIBE t", "EXPLAIN MIGRATE TABLE a TO b", "'", "/* DROP TABLE t */"],
            ),
            (
                Reads,
                &["call r2.system.remove_orphan_files(table => 'a.b', dry_run => true)", "EXPLAIN ANALYZE SELECT 1"],
            ),
            (
                Session,
                &[
                    "SET a = 1",
                    "ATTACH 'w' AS r2 (TYPE r2)",
                    "CREATE OR REPLACE VIEW v AS SELECT 1",
                    "PREPARE p AS SELECT 1",
                ],
            ),
            (
                Adds,
                &["INSERT INTO t SELECT 1", "CREATE TABLE t AS SELECT 1", "MIGRATE TABLE a TO b", "COPY t TO 'f.csv'"],
            ),
            (Adds, &["EXPLAIN ANALYZE INSERT INTO t SELECT 1", "alter table t add column view int", "CREATE SCHEMA s"]),
            (Adds, &["CREATE TABLE t (view INT)", "PREPARE p AS INSERT INTO t VALUES (1)", "EXECUTE p"]),
            (
                Changes,
                &[
                    "drop table t",
                    "-- x\nDELETE FROM t",
                    "TRUNCATE TABLE t",
                    "INSERT OVERWRITE t SELECT 1",
                    "UPDATE t SET a = 1",
                ],
            ),
            (
                Changes,
                &["CREATE OR REPLACE TABLE t AS SELECT 1", "ALTER TABLE t DROP COLUMN a", "ROLLBACK MIGRATION t"],
            ),
            (Changes, &["CALL r2.system.remove_orphan_files(table => 'a.b')", "CALL r2.system.x(dry_run => false)"]),
            (
                Changes,
                &["EXPLAIN ANALYZE VERBOSE DELETE FROM t", "MERGE INTO t USING s ON true", "ALTER TABLE t RENAME TO u"],
            ),
        ] {
            for text in texts {
                assert_eq!(effect(text), expected, "{text}");
            }
        }
    }
}
