//! Attaches the catalogs of the configuration while somebody types already.
//!
//! What must hold: a prompt waits for none of them, a statement for those that it names; a catalog that could not be attached is
//! told once, is an error where it is named, and is tried again then.

use std::time::Duration;

use tokio::task::JoinHandle;

use icelift::{Engine, Error, ErrorKind};

use crate::config::Catalog;
use crate::exit::{Problem, Stop};
use crate::ui;
use crate::work::Workers;

/// A catalog that takes longer is said to be waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The catalogs that are not attached yet.
pub struct Attaching {
    engine: Engine,
    workers: Workers,
    /// Whether somebody watches who wonders what is waited for.
    is_watched: bool,
    waiting: Vec<Waiting>,
}

struct Waiting {
    catalog: Catalog,
    task: Option<JoinHandle<Result<(), Problem>>>,
    was_told: bool,
}

impl Attaching {
    /// Begins with all of them at once.
    pub fn begin(engine: &Engine, workers: &Workers, catalogs: Vec<Catalog>, is_watched: bool) -> Self {
        let wanted = catalogs.into_iter().filter(|catalog| catalog.left_out.is_none());
        let waiting = wanted.map(|catalog| {
            let task = Some(start(engine, workers, &catalog));
            Waiting { catalog, task, was_told: false }
        });
        Self { engine: engine.clone(), workers: workers.clone(), is_watched, waiting: waiting.collect() }
    }

    /// Waits for the catalogs of icelift's own configuration.
    ///
    /// # Errors
    /// One of them cannot be attached.
    pub async fn all(&mut self) -> Result<(), Stop> {
        self.until(|catalog| !catalog.is_foreign).await
    }

    /// Waits for the catalogs that a text names, or may show. Others that failed meanwhile are told.
    ///
    /// # Errors
    /// One that it names cannot be attached.
    pub async fn named(&mut self, sql: &str) -> Result<(), Stop> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let lower = sql.to_lowercase();
        let names = |catalog: &str| lower.contains(&catalog.to_lowercase());
        let names_one = self.waiting.iter().any(|waiting| names(&waiting.catalog.name))
            || self.engine.catalogs().iter().any(|catalog| names(&catalog.name));
        if lists_catalogs(&lower) && !names_one {
            self.settle().await;
        }
        self.until(|catalog| names(&catalog.name)).await?;
        self.tell_ended().await;
        Ok(())
    }

    /// Waits for all, and tells which failed.
    pub async fn settle(&mut self) {
        for waiting in &mut self.waiting {
            if let Some(task) = &mut waiting.task {
                let ended = joined(task).await;
                waiting.ended(ended);
            }
        }
        self.waiting.retain(|waiting| !waiting.is_attached());
    }

    async fn until(&mut self, wanted: impl Fn(&Catalog) -> bool) -> Result<(), Stop> {
        for waiting in self.waiting.iter_mut().filter(|waiting| wanted(&waiting.catalog)) {
            let task = waiting.task.get_or_insert_with(|| start(&self.engine, &self.workers, &waiting.catalog));
            let said = self.is_watched.then(|| format!("waiting for the catalog `{}`", waiting.catalog.name));
            let ended = joined_patiently(task, said).await;
            waiting.was_told = true;
            // Asked for again, it is tried again.
            waiting.task = None;
            ended?;
            waiting.catalog.left_out = Some(String::new());
        }
        self.waiting.retain(|waiting| !waiting.is_attached());
        Ok(())
    }

    async fn tell_ended(&mut self) {
        let is_over = |waiting: &Waiting| waiting.task.as_ref().is_some_and(JoinHandle::is_finished);
        for waiting in self.waiting.iter_mut().filter(|waiting| is_over(waiting)) {
            if let Some(task) = &mut waiting.task {
                let ended = joined(task).await;
                waiting.ended(ended);
            }
        }
        self.waiting.retain(|waiting| !waiting.is_attached());
    }
}

impl Waiting {
    fn ended(&mut self, ended: Result<(), Problem>) {
        self.task = None;
        match ended {
            Ok(()) => self.catalog.left_out = Some(String::new()),
            Err(problem) if !self.was_told => {
                self.was_told = true;
                ui::say(&format!("warning: the catalog `{}` is not attached", self.catalog.name));
                ui::say_why(&problem.into());
            }
            Err(_) => {}
        }
    }

    fn is_attached(&self) -> bool {
        self.catalog.left_out.is_some()
    }
}

/// What lists catalogs, or what all of them have, needs all of them.
fn lists_catalogs(lower: &str) -> bool {
    lower.trim_start().starts_with("show") || lower.contains("information_schema")
}

/// Connections belong to the threads that they are made on.
fn start(engine: &Engine, workers: &Workers, catalog: &Catalog) -> JoinHandle<Result<(), Problem>> {
    let (engine, catalog) = (engine.clone(), catalog.clone());
    workers.handle().spawn(async move {
        let attach = catalog.attach().await?;
        // The file, not the line: what is wrong may be any of the options.
        let place = Some(catalog.place.label.clone().into());
        engine.attach(attach).await.map_err(|error| Problem { place, error })
    })
}

/// Says what is waited for where that takes a while.
async fn joined_patiently(task: &mut JoinHandle<Result<(), Problem>>, said: Option<String>) -> Result<(), Problem> {
    if let Ok(ended) = tokio::time::timeout(PATIENCE, joined(task)).await {
        return ended;
    }
    said.iter().for_each(|said| ui::say(said));
    joined(task).await
}

async fn joined(task: &mut JoinHandle<Result<(), Problem>>) -> Result<(), Problem> {
    let broken = |error| Problem {
        place: None,
        error: Error::new(ErrorKind::Internal, "attaching the catalog broke off").source(error),
    };
    task.await.unwrap_or_else(|error| Err(broken(error)))
}
