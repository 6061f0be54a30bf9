//! What a session is made of: command line, configuration file and environment, brought together once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use icelift::{Engine, EngineBuilder, Error, ErrorKind};
use tokio::runtime::Runtime;

use crate::answer;
use crate::args::{Args, Format, Shared};
use crate::config::{self, Config, Sources};
use crate::exit::{Problem, Stop};
use crate::failpoints;
use crate::memory;
use crate::progress::{Progress, Screen};
use crate::ui;
use crate::work::Workers;

/// Everything that is known before the engine is built.
pub struct Setup {
    pub config: Config,
    /// What the command line says about the format, and not the configuration.
    pub asked_format: Option<Format>,
    /// Files of variables that were asked for, and what they brought.
    pub env_files: Vec<PathBuf>,
    pub of_env_files: BTreeMap<String, String>,
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
    /// Reads the environment and, if wanted, catalogs and the files that tell of them; what stands on the command line wins.
    pub fn read(args: &Args, with_catalogs: bool, screen: Screen) -> Result<Self, Stop> {
        let mut environment = environment();
        let env_files = args.env_files.clone();
        let of_env_files = config::fill(&env_files, &mut environment)?;
        let shared = &args.shared;
        let flags = flags(shared);
        let named = args.config.as_deref();
        let config = Config::read(&Sources { environment: &environment, with_catalogs, named, flags })?;
        let variables = args.variables.iter().cloned().collect();
        let progress = Progress::new(shared.progress, shared.quiet, &environment, screen);
        Ok(Self {
            config,
            asked_format: shared.format,
            env_files,
            of_env_files,
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

    /// Prints catalogs and settings, and where each value was said.
    pub fn show(&self) -> Result<(), Stop> {
        if !self.quiet {
            let files: Vec<_> = self.config.files.iter().chain(&self.env_files).collect();
            let listed = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
            ui::say(&format!("read: {}", if listed.is_empty() { "no file" } else { &listed }));
        }
        let rows = config::show(&self.config, &self.env_files, &|name| self.is_of_env_file(name));
        answer::print(["name", "value", "source"], &rows, self.format().unwrap_or_default())
    }

    /// How results are printed, unless nobody says so.
    pub fn format(&self) -> Option<Format> {
        self.config.settings.format
    }

    /// Builds the engine. The catalogs of the configuration come later.
    pub async fn engine(&self, workers: &Workers) -> Result<Engine, Stop> {
        let builder = self.builder()?;
        workers.run(async move { Ok(builder.build().await?) }).await
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
        for (name, value) in &self.config.prices {
            let place = Some(value.place.clone());
            let dollars = value.text.parse().unwrap_or(f64::NAN);
            builder = builder.price(name, dollars).map_err(|error| Problem { place, error })?;
        }
        if let Some(failpoints) = failpoints::armed(&self.environment)? {
            builder = builder.failpoints(failpoints);
        }
        Ok(builder)
    }

    /// Whether a variable is what a file of variables says.
    pub fn is_of_env_file(&self, name: &str) -> bool {
        self.of_env_files.get(name).is_some_and(|value| self.environment.get(name) == Some(value))
    }

    /// Whether counts and times are shown.
    pub fn is_watched(&self) -> bool {
        ui::is_watched(self.quiet)
    }
}

/// The settings that the command line has: name, flag, text.
fn flags(shared: &Shared) -> Vec<(&'static str, &'static str, String)> {
    let format = shared.format.and_then(|format| Some(format.to_possible_value()?.get_name().to_owned()));
    let flags = [
        ("memory_limit", "--memory-limit", shared.memory_limit.map(|bytes| bytes.to_string())),
        ("threads", "--threads", shared.threads.map(|count| count.to_string())),
        ("format", "--format", format),
    ];
    flags.into_iter().filter_map(|(name, flag, text)| Some((name, flag, text?))).collect()
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
