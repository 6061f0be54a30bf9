//! `--dry-run`: what each statement would be, and that nothing is run.

use icelift::{Effect, ErrorKind};

use crate::exit::{Place, Stop};
use crate::run::Runner;
use crate::ui;

/// What the statements so far would have created.
#[derive(Debug, Default)]
pub struct DryRun {
    created: Vec<String>,
}

impl DryRun {
    /// Plans a statement and says so. One that needs what an earlier one would have created is not planned.
    pub async fn plan(&mut self, runner: &mut Runner, sql: &str, place: Option<&Place>) -> Result<(), Stop> {
        let engine = runner.engine.clone();
        let text = sql.to_owned();
        let planned = runner.on_workers(async move { Ok(engine.plan(&text).await?) }).await;
        let said = match planned {
            Ok(()) => match runner.engine.effect(sql) {
                Effect::Reads => "would read".to_owned(),
                Effect::Session => "done, it concerns the session alone".to_owned(),
                Effect::Adds => "would write".to_owned(),
                _ => "would change or delete".to_owned(),
            },
            Err(Stop::Failed(problem)) if problem.error.kind() == ErrorKind::NotFound => {
                match self.created.iter().find(|name| names(sql, name)) {
                    Some(name) => format!("not planned: an earlier statement would create {name}"),
                    None => return Err(problem.into()),
                }
            }
            Err(stop) => return Err(stop),
        };
        self.created.extend(runner.engine.creates(sql));
        match place {
            Some(place) => ui::say(&format!("{place}: {said}")),
            None => ui::say(&said),
        }
        Ok(())
    }
}

/// Whether a statement names something, or something in it.
fn names(sql: &str, name: &str) -> bool {
    sql.to_lowercase().replace('"', "").contains(&name.to_lowercase())
}
