//! What an embedder can print and log: `Debug` of everything, all levels of errors, plans, and the library's own events.

use std::error::Error as _;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use icelift::{Attach, Engine};
use libtest_mimic::{Failed, Trial};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::parrots::{Plants, catalog_of};
use super::trial;
use crate::support::scripted::Reply;
use crate::support::{scripted, texts};

pub(super) fn trials() -> Vec<Trial> {
    vec![trial("the_library_keeps_them", the_library_keeps_them)]
}

/// The names of all options that hold a secret, of catalogs that take them.
const OPTIONS: [(&str, &[(&str, &str)]); 2] = [
    (
        "rest",
        &[
            ("token", "<token>"),
            ("header.x-key", "<header>"),
            ("s3.access-key-id", "AK"),
            ("s3.secret-access-key", "<secret>"),
            ("s3.session-token", "<session>"),
            ("s3.retry.num-retries", "1"),
        ],
    ),
    (
        "glue",
        &[
            ("client.region", "us-east-1"),
            ("client.access-key-id", "AK"),
            ("client.secret-access-key", "${GLUE_SECRET}"),
            ("client.session-token", "<session>"),
        ],
    ),
];

fn the_library_keeps_them() -> Result<(), Failed> {
    let plants = Plants::new(&["token", "header", "secret", "session", "vended", "variable"]);
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("icelift=trace"))
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // One thread, so that the subscriber hears everything.
    let mut said = tracing::subscriber::with_default(subscriber, || runtime.block_on(use_it(&plants)))?;
    said.push(String::from_utf8_lossy(&log.bytes()).into_owned());
    let places: Vec<_> = said.into_iter().map(|text| ("the library".to_owned(), text.into_bytes())).collect();
    if places.len() < 20 {
        return Err(format!("only {} texts were searched", places.len()).into());
    }
    plants.hunt().none(&places)
}

async fn use_it(plants: &Plants) -> Result<Vec<String>, Failed> {
    // Each server tells what it can know.
    let parrot = Plants::new(&["secret", "session"]).parrot();
    let store = scripted::start(move |asked| Reply::s3(403, "AccessDenied", &parrot(asked), &parrot(asked)))?;
    let parrot = Plants::new(&["variable", "session"]).parrot();
    let glue = scripted::start(move |asked| Reply::glue("AccessDeniedException", &parrot(asked)))?;
    let rest = catalog_of(&store, plants)?;
    let variables = [("GLUE_SECRET".to_owned(), plants.fill("<variable>"))].into_iter().collect();
    let mut builder = Engine::builder().variables(variables);
    let mut said = Vec::new();
    for ((kind, options), (key, address)) in OPTIONS.into_iter().zip([("uri", rest), ("glue.endpoint", glue)]) {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), plants.fill(value)));
        let own = [("type".to_owned(), kind.to_owned()), (key.to_owned(), address)];
        let attach = Attach {
            name: kind.to_owned(),
            warehouse: Some("s3://lake/w".to_owned()),
            options: options.chain(own).collect(),
            if_not_exists: false,
        };
        said.extend([format!("{attach:?}"), format!("{attach:#?}")]);
        builder = builder.attach(attach);
    }
    said.push(format!("{builder:?}"));
    let engine = builder.build().await.map_err(|error| crate::support::told(&error))?;
    said.extend([format!("{engine:?}"), format!("{engine:#?}"), format!("{:?}", engine.catalogs())]);
    for sql in [
        "SELECT * FROM glue.n.t",
        "CREATE SCHEMA glue.n",
        "INSERT INTO rest.n.t SELECT 1 AS id",
        "CREATE TABLE rest.n.u AS SELECT * FROM rest.n.t",
        "EXPLAIN VERBOSE SELECT * FROM rest.n.t",
        "EXPLAIN VERBOSE INSERT INTO rest.n.t SELECT 1 AS id",
        "SELECT * FROM information_schema.tables",
        "SHOW ALL",
    ] {
        let answer = async { engine.run(sql).await?.collect().await };
        match answer.await {
            Ok(batches) => said.push(texts(&batches)?.iter().map(|row| row.join(" ")).collect()),
            Err(error) => said.extend(levels(&error)),
        }
    }
    engine.settle().await;
    Ok(said)
}

/// An error and all its causes, in all ways of printing.
fn levels(error: &icelift::Error) -> Vec<String> {
    let mut said = vec![format!("{error} {error:?} {error:#?} {:?}", error.advice())];
    let mut cause = error.source();
    while let Some(inner) = cause {
        said.push(format!("{inner} {inner:?} {inner:#?}"));
        cause = inner.source();
    }
    said
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
