//! Where the demo plays: runs the shipped scripts, and says each statement and how fast it went.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use icelift::{Engine, script, variables};

use crate::exit::Stop;
use crate::run::{Done, Runner};
use crate::session::Setup;
use crate::signals::Signals;
use crate::ui;
use crate::work::Workers;

pub struct Stage {
    runner: Runner,
    quiet: bool,
}

impl Stage {
    pub async fn open(setup: &Setup, workers: Workers) -> Result<Self, Stop> {
        let signals = Signals::listen()?;
        let engine = setup.engine(&workers).await?;
        Ok(Self { runner: Runner::new(setup, workers, engine, signals), quiet: setup.quiet })
    }

    pub fn engine(&self) -> &Engine {
        &self.runner.engine
    }

    pub fn say(&self, text: &str) {
        if !self.quiet {
            ui::say(text);
        }
    }

    pub fn title(&self, text: &str) {
        self.say(&format!("\n== {text}"));
    }

    /// Runs a script and prints its results.
    pub async fn show(&mut self, script: &str, values: &[(&str, String)]) -> Result<(), Stop> {
        for sql in self.statements(script, values)? {
            self.echo(&sql);
            let done = self.runner.show(&sql).await?;
            self.say(&format!("-- {}{}", ui::seconds(done.time), idle(&done)));
        }
        Ok(())
    }

    /// Runs one INSERT that was said already.
    pub async fn repeat(&mut self, sql: &str, label: &str) -> Result<(), Stop> {
        let done = self.runner.write(sql).await?;
        self.say(&format!("-- {label}: {done}{}", speed(&done)));
        Ok(())
    }

    /// Runs one statement whose result nobody wants to see.
    pub async fn execute(&mut self, sql: &str) -> Result<(), Stop> {
        self.echo(sql);
        self.runner.collect(sql).await?;
        Ok(())
    }

    /// How many rows a table has.
    pub async fn count(&mut self, table: &str) -> Result<u64, Stop> {
        let batches = self.runner.collect(&format!("SELECT count(*) FROM {table}")).await?;
        let counts = batches.iter().filter_map(|batch| batch.columns().first()?.as_primitive_opt::<Int64Type>());
        Ok(counts.flat_map(|counts| counts.values().iter()).map(|count| count.unsigned_abs()).sum())
    }

    fn statements(&self, script: &str, values: &[(&str, String)]) -> Result<Vec<String>, Stop> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let substitute = |piece: script::Piece| Ok(variables::substitute(&piece.sql, &values)?);
        script::split(script)?.into_iter().map(substitute).collect()
    }

    /// Says a statement without the comments at its head.
    pub fn echo(&self, sql: &str) {
        let is_comment = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with("--");
        let lines: Vec<_> = sql.lines().skip_while(is_comment).collect();
        self.say(lines.join("\n").trim_end());
    }
}

/// What is said of a migration that had nothing to do.
fn idle(done: &Done) -> String {
    match done.migration {
        Some(tally) if tally.pending == 0 => {
            format!(": all {} are there from an earlier run, nothing to do", ui::batches(tally.done))
        }
        _ => String::new(),
    }
}

fn speed(done: &Done) -> String {
    ui::rate(done.rows, done.time).map(|rate| format!(" ({rate})")).unwrap_or_default()
}
