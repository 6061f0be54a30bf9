//! Does what a prompt or a script says, item by item: statements in the engine, commands here.
//!
//! What must hold: a script does the same at a prompt and without one, but that only somebody who typed a statement is asked
//! whether it may delete.

mod commands;
mod conditions;
mod dry;
mod journal;
mod report;
mod system;
mod tables;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use icelift::{Effect, variables};

use crate::exit::{Place, Stop};
use crate::guard::{Guard, Verdict};
use crate::repl::Keyboard;
use crate::run::{Done, Runner};
use crate::script::{Item, Script};
use crate::session::Setup;
use crate::ui;
use conditions::Conditions;
use dry::DryRun;
use journal::Journal;
pub use report::Failures;
pub use system::pager;

/// How deep scripts may include each other.
const DEPTH: usize = 32;

/// Whether there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    On,
    Quit,
}

/// A session at work.
pub struct Shell {
    pub runner: Runner,
    /// Somebody who types, unless there is nobody.
    pub keyboard: Option<Keyboard>,
    /// What `:name` stands for.
    pub variables: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    guard: Guard,
    /// Whether counts and times are said; as it suits who watches, unless told.
    timing: Option<bool>,
    is_watched: bool,
    /// The statement that `\g` and `\watch` run again.
    last: Option<String>,
    conditions: Conditions,
    /// The folders of the scripts that run, the innermost last.
    folders: Vec<PathBuf>,
    /// Catalog and schema of short names.
    pub home: Vec<String>,
    pub failures: Failures,
    journal: Option<Journal>,
    /// What was planned, if nothing is run.
    dry: Option<DryRun>,
}

impl Shell {
    pub fn new(setup: &Setup, runner: Runner, keyboard: Option<Keyboard>) -> Result<Self, Stop> {
        let journal = setup.log_json.as_deref().map(Journal::open).transpose()?;
        let asks = keyboard.is_some() && !setup.yes;
        Ok(Self {
            runner,
            keyboard,
            variables: setup.variables.clone(),
            environment: setup.environment.clone(),
            guard: Guard::new(setup.read_only, asks),
            timing: None,
            is_watched: setup.is_watched(),
            last: None,
            conditions: Conditions::default(),
            folders: Vec::new(),
            home: Vec::new(),
            failures: Failures::new(setup.continue_on_error),
            journal,
            dry: setup.dry_run.then(DryRun::default),
        })
    }

    /// Does what was typed, up to the first error.
    pub async fn typed(&mut self, items: Vec<Item>) -> Result<Flow, Stop> {
        for item in items {
            if self.item(item, None).await? == Flow::Quit {
                return Ok(Flow::Quit);
            }
        }
        Ok(Flow::On)
    }

    /// Runs a script. A `\q` ends it, and nothing else.
    pub async fn script(&mut self, script: &Script, folder: Option<PathBuf>) -> Result<(), Stop> {
        let items = script.items()?;
        commands::check(&items)?;
        if self.folders.len() >= DEPTH {
            return Err(commands::wrong("scripts include each other without end"));
        }
        self.folders.push(folder.unwrap_or_default());
        let depth = self.conditions.depth();
        let done = self.all(items).await;
        self.folders.pop();
        let open = self.conditions.close(depth);
        done?;
        match open {
            true => Err(commands::wrong("an `\\if` has no `\\endif`").at(|| script.label.clone().into())),
            false => Ok(()),
        }
    }

    async fn all(&mut self, items: Vec<(Place, Item)>) -> Result<(), Stop> {
        for (place, item) in items {
            match self.item(item, Some(&place)).await {
                Ok(Flow::On) => {}
                Ok(Flow::Quit) => return Ok(()),
                Err(stop) => {
                    let stop = stop.at(|| place.clone());
                    self.failures.take(stop)?;
                }
            }
        }
        Ok(())
    }

    async fn item(&mut self, item: Item, place: Option<&Place>) -> Result<Flow, Stop> {
        match item {
            Item::Statement { sql, .. } if self.conditions.is_active() => {
                self.failures.count();
                let sql = variables::substitute(&sql, &self.variables)?;
                self.statement(&sql, place).await
            }
            Item::Command { sql, text, .. } => Box::pin(self.command(sql, &text, place)).await,
            Item::Statement { .. } => Ok(Flow::On),
        }
    }

    /// Runs a statement, if it may run.
    pub async fn statement(&mut self, sql: &str, place: Option<&Place>) -> Result<Flow, Stop> {
        self.last = Some(sql.to_owned());
        // What a name means depends on what is attached.
        self.runner.attach_named(sql).await?;
        if self.guard.check(&self.runner.engine, sql)? == Verdict::Ask && self.folders.is_empty() {
            let agreed = match &mut self.keyboard {
                Some(keyboard) => keyboard.agrees(sql).await?,
                None => true,
            };
            if !agreed {
                ui::say("not done");
                return Ok(Flow::On);
            }
        }
        if self.keyboard.is_some() {
            self.runner.forget_signals()?;
        }
        let begin = Instant::now();
        let done = match &mut self.dry {
            Some(dry) => return dry.plan(&mut self.runner, sql, place).await.map(|()| Flow::On),
            None => self.runner.show(sql).await,
        };
        if let Some(journal) = &mut self.journal {
            journal.write(sql, place, begin.elapsed(), &done)?;
        }
        if let Some(keyboard) = self.keyboard.as_ref().filter(|_| self.runner.engine.effect(sql) != Effect::Reads) {
            keyboard.forget_names();
        }
        self.say(&done?, place);
        Ok(Flow::On)
    }

    fn say(&self, done: &Done, place: Option<&Place>) {
        if self.timing.unwrap_or(self.is_watched) {
            match place {
                Some(place) => ui::say(&format!("{place}: {done}")),
                None => ui::say(&done.to_string()),
            }
        }
    }
}
