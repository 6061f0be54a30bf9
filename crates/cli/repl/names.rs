//! The names of attached catalogs, for who types.
//!
//! What must hold: nobody waits longer than a moment. A name that is not known in time is learned in the background, and there
//! for the next key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use icelift::Engine;
use tokio::runtime::Handle;

/// How long a key waits for names.
const MOMENT: Duration = Duration::from_millis(150);
/// How long names are good without being asked for again.
const FRESH: Duration = Duration::from_secs(60);
/// Lists that are kept.
const KEPT: usize = 1_000;

/// What names are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wanted {
    Schemas(String),
    Tables(String, String),
    /// Of a table, by its full name in quotes where they are needed.
    Columns(String),
}

/// Names that were asked for before. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct Names {
    engine: Engine,
    workers: Handle,
    known: Arc<Mutex<HashMap<Wanted, Known>>>,
}

#[derive(Default)]
struct Known {
    names: Arc<Vec<String>>,
    since: Option<Instant>,
    /// When it was last asked for and has not answered.
    asked: Option<Instant>,
}

impl Names {
    pub fn new(engine: Engine, workers: Handle) -> Self {
        Self { engine, workers, known: Arc::default() }
    }

    pub fn catalogs(&self) -> Vec<String> {
        self.engine.catalogs().into_iter().map(|catalog| catalog.name).collect()
    }

    /// The names of DataFusion's functions and ours.
    pub fn functions(&self) -> Vec<String> {
        let state = self.engine.session().state();
        let (scalar, aggregate, window) =
            (state.scalar_functions(), state.aggregate_functions(), state.window_functions());
        let all = scalar.keys().chain(aggregate.keys()).chain(window.keys());
        let mut names: Vec<_> =
            all.filter(|name| name.starts_with(|ch: char| ch.is_ascii_lowercase())).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// What is known, at the latest in a moment.
    pub fn of(&self, wanted: &Wanted) -> Arc<Vec<String>> {
        let now = Instant::now();
        let (known, is_fresh, is_asked) = {
            let mut known = self.known();
            if known.len() >= KEPT && !known.contains_key(wanted) {
                known.clear();
            }
            let entry = known.entry(wanted.clone()).or_default();
            let is_fresh = entry.since.is_some_and(|since| now.duration_since(since) < FRESH);
            let is_asked = entry.asked.is_some_and(|asked| now.duration_since(asked) < FRESH);
            if !is_fresh && !is_asked {
                entry.asked = Some(now);
            }
            (entry.since.map(|_| Arc::clone(&entry.names)), is_fresh, is_asked)
        };
        if is_fresh || is_asked {
            return known.unwrap_or_default();
        }
        let learned = self.learn(wanted.clone());
        // What was good a while ago is better than waiting.
        match known {
            Some(known) => known,
            None => learned.recv_timeout(MOMENT).unwrap_or_default(),
        }
    }

    fn learn(&self, wanted: Wanted) -> mpsc::Receiver<Arc<Vec<String>>> {
        let (sender, learned) = mpsc::channel();
        let own = self.clone();
        self.workers.spawn(async move {
            let found = own.ask(&wanted).await.unwrap_or_default();
            let names = Arc::new(found);
            let entry = Known { names: Arc::clone(&names), since: Some(Instant::now()), asked: None };
            own.known().insert(wanted, entry);
            // Who has waited long enough does not listen any more.
            let _ = sender.send(names);
        });
        learned
    }

    async fn ask(&self, wanted: &Wanted) -> icelift::Result<Vec<String>> {
        let mut names = match wanted {
            Wanted::Schemas(catalog) => self.engine.namespaces(catalog).await?,
            Wanted::Tables(catalog, schema) => {
                self.engine.tables(catalog, schema).await?.into_iter().map(|(name, _)| name).collect()
            }
            Wanted::Columns(table) => {
                return Ok(self.engine.describe(table).await?.columns.into_iter().map(|it| it.name).collect());
            }
        };
        names.sort();
        Ok(names)
    }

    /// To be called behind a statement that may have changed names: they are asked for again, and shown meanwhile.
    pub fn forget(&self) {
        self.known().values_mut().for_each(|known| known.asked = None);
        let old = Instant::now().checked_sub(FRESH);
        self.known().values_mut().filter(|known| known.since.is_some()).for_each(|known| known.since = old);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Wanted, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
