//! What a session is made of: command line, configuration file and environment, brought together once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use icelift::{Engine, EngineBuilder, Error, ErrorKind};
use tokio::runtime::Runtime;

use crate::args::{Args, Format};
use crate::config::Config;
use crate::exit::{Problem, Stop};
use crate::failpoints;
use crate::memory;
use crate::progress::{Progress, Screen};
use crate::ui;
use crate::work::Workers;

const CONFIG_FILE: &str = "icelift.toml";

/// Everything that is known before the engine is built.
pub struct Setup {
    pub config: Config,
    /// Where `config` was read from.
    config_file: Option<PathBuf>,
    /// What the command line says about the format, and not the configuration.
    pub asked_format: Option<Format>,
    pub environment: BTreeMap<String, String>,
    /// What `:name` stands for.
    pub variables: BTreeMap<String, String>,
    pub quiet: bool,
    /// Scripts go on behind errors.
    pub continue_on_error: bool,
    /// Nothing is run.
    pub dry_run: bool,
    /// Where the outcome of each statement is written.
    pub log_json: Option<PathBuf>,
    /// Where results go instead of stdout.
    pub output: Option<PathBuf>,
    /// Nothing of an attached catalog is written.
    pub read_only: bool,
    /// Nobody is asked before something is deleted.
    pub yes: bool,
    /// What is told of migrations.
    pub progress: Progress,
}

impl Setup {
    /// Reads the environment and, if wanted, the configuration file; what stands on the command line wins.
    pub fn read(args: &Args, with_file: bool, screen: Screen) -> Result<Self, Stop> {
        let environment = environment();
        let config_file = args.config.clone().or_else(|| Path::new(CONFIG_FILE).exists().then(|| CONFIG_FILE.into()));
        let config_file = config_file.filter(|_| with_file);
        let mut config = match &config_file {
            Some(file) => Config::read(file, &environment)?,
            None => Config::default(),
        };
        let shared = &args.shared;
        config.settings.format = shared.format.or(config.settings.format);
        config.settings.memory_limit = shared.memory_limit.or(config.settings.memory_limit);
        config.settings.threads = shared.threads.or(config.settings.threads);
        let variables = args.variables.iter().cloned().collect();
        let progress = Progress::new(shared.progress, shared.quiet, &environment, screen);
        Ok(Self {
            config,
            config_file,
            asked_format: shared.format,
            environment,
            variables,
            quiet: shared.quiet,
            continue_on_error: args.continue_on_error,
            dry_run: args.dry_run,
            log_json: args.log_json.clone(),
            output: args.output.clone(),
            read_only: args.read_only,
            yes: args.yes,
            progress,
        })
    }

    /// How results are printed, unless nobody says so.
    pub fn format(&self) -> Option<Format> {
        self.config.settings.format
    }

    /// Builds the engine and attaches the catalogs of the configuration file.
    pub async fn engine(&mut self, workers: &Workers) -> Result<Engine, Stop> {
        let catalogs = std::mem::take(&mut self.config.catalogs);
        let file = self.config_file.as_ref().map(|file| file.display().to_string());
        let builder = self.builder()?;
        // Connections belong to the threads that they are made on.
        let built = workers.run(async move {
            let engine = builder.build().await?;
            for catalog in catalogs {
                let place = file.clone().map(Into::into);
                engine.attach(catalog).await.map_err(|error| Problem { place, error })?;
            }
            Ok(engine)
        });
        built.await
    }

    fn builder(&self) -> Result<EngineBuilder, Stop> {
        let settings = &self.config.settings;
        let mut builder =
            Engine::builder().variables(self.environment.clone()).aws_defaults().spill_folder(std::env::temp_dir());
        if let Some(bytes) = settings.memory_limit.or_else(memory::default_limit_bytes) {
            builder = builder.memory_limit_bytes(bytes);
        }
        if let Some(threads) = settings.threads {
            builder = builder.parallelism(threads);
        }
        if let Some(bytes) = settings.bandwidth {
            builder = builder.bandwidth_bytes_per_second(bytes as u64);
        }
        for (name, dollars) in &self.config.prices {
            let place = self.config_file.as_ref().map(|file| file.display().to_string().into());
            builder = builder.price(name, *dollars).map_err(|error| Problem { place, error })?;
        }
        if let Some(failpoints) = failpoints::armed(&self.environment)? {
            builder = builder.failpoints(failpoints);
        }
        Ok(builder)
    }

    /// Whether counts and times are shown.
    pub fn is_watched(&self) -> bool {
        ui::is_watched(self.quiet)
    }
}

/// The threads that statements run on.
pub fn engine_runtime(setup: &Setup) -> Result<Runtime, Stop> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = setup.config.settings.threads {
        builder.worker_threads(threads);
    }
    // As much as the first thread of a process has: statements nest deeply.
    builder.thread_stack_size(8 << 20);
    built(&mut builder)
}

/// What the first thread waits with for keys, signals and rows.
pub fn terminal_runtime() -> Result<Runtime, Stop> {
    built(&mut tokio::runtime::Builder::new_current_thread())
}

fn built(builder: &mut tokio::runtime::Builder) -> Result<Runtime, Stop> {
    let built = builder.enable_all().build();
    built.map_err(|error| Error::new(ErrorKind::Resources, "threads cannot be started").source(error).into())
}

/// The variables that are text; no other could stand in a statement.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}
