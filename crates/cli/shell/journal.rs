//! `--log-json FILE`: one JSON object for each statement that ran, one on each line, as soon as it has ended.
//!
//! What must hold: no statement that may hold a secret is written, and a file that cannot be written fails the run.

use std::error::Error as _;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use icelift::{Error, ErrorKind};
use serde_json::{Map, Value, json};

use crate::exit::{self, Place, Stop};
use crate::repl::may_hold_secrets;
use crate::run::Done;

/// The file that is written.
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the file; what stands in it stays.
    pub fn open(path: &Path) -> Result<Self, Stop> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.map_err(|source| unwritable(path, source))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Writes what became of a statement.
    pub fn write(
        &mut self,
        sql: &str,
        place: Option<&Place>,
        time: Duration,
        outcome: &Result<Done, Stop>,
    ) -> Result<(), Stop> {
        let mut line = Map::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        line.insert("unix_ms".into(), json!(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)));
        line.insert("place".into(), place.map_or(Value::Null, |place| json!(place.to_string())));
        line.insert("statement".into(), if may_hold_secrets(sql) { Value::Null } else { json!(sql) });
        line.insert("seconds".into(), json!(time.as_secs_f64()));
        match outcome {
            Ok(done) => {
                line.insert("outcome".into(), json!("done"));
                line.insert("rows".into(), json!(done.rows));
            }
            Err(stop) => {
                line.insert(
                    "outcome".into(),
                    json!(if matches!(stop, Stop::Failed(_)) { "failed" } else { "stopped" }),
                );
                line.insert("code".into(), json!(exit::code(stop)));
                if let Stop::Failed(problem) = stop {
                    line.insert("error".into(), described(&problem.error));
                }
            }
        }
        let text = format!("{}\n", Value::Object(line));
        self.file.write_all(text.as_bytes()).map_err(|source| unwritable(&self.path, source))
    }
}

fn described(error: &Error) -> Value {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    json!({
        "kind": format!("{:?}", error.kind()),
        "message": error.to_string(),
        "causes": causes,
        "hint": error.advice(),
    })
}

fn unwritable(path: &Path, source: std::io::Error) -> Stop {
    Error::new(ErrorKind::Write, format!("the log `{}` cannot be written", path.display())).source(source).into()
}
