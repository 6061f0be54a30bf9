//! What a session is made of: command line, configuration file and environment, brought together once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use icelift::{Engine, EngineBuilder, Error, ErrorKind};
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

use crate::args::{Args, Format};
use crate::config::Config;
use crate::exit::{Problem, Stop};
use crate::memory;
use crate::ui;

const CONFIG_FILE: &str = "icelift.toml";
const LOG_VARIABLE: &str = "ICELIFT_LOG";

/// Everything that is known before the engine is built.
pub struct Setup {
    pub config: Config,
    /// Where `config` was read from.
    config_file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    /// What `:name` stands for.
    pub variables: BTreeMap<String, String>,
    pub quiet: bool,
}

impl Setup {
    /// Reads the environment and, if wanted, the configuration file; what stands on the command line wins.
    pub fn read(args: &Args, with_file: bool) -> Result<Self, Stop> {
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
        Ok(Self { config, config_file, environment, variables, quiet: shared.quiet })
    }

    pub fn format(&self) -> Format {
        self.config.settings.format.unwrap_or_default()
    }

    /// Builds the engine and attaches the catalogs of the configuration file.
    pub async fn engine(&mut self) -> Result<Engine, Stop> {
        let catalogs = std::mem::take(&mut self.config.catalogs);
        let file = self.config_file.as_ref().filter(|_| !catalogs.is_empty());
        let place = file.map(|file| file.display().to_string().into());
        let built = catalogs.into_iter().fold(self.builder(), EngineBuilder::attach).build().await;
        built.map_err(|error| Stop::Failed(Problem { place, error }))
    }

    fn builder(&self) -> EngineBuilder {
        let settings = &self.config.settings;
        let mut builder =
            Engine::builder().variables(self.environment.clone()).aws_defaults().spill_folder(std::env::temp_dir());
        if let Some(bytes) = settings.memory_limit.or_else(memory::default_limit_bytes) {
            builder = builder.memory_limit_bytes(bytes);
        }
        if let Some(threads) = settings.threads {
            builder = builder.parallelism(threads);
        }
        builder
    }

    /// Whether counts and times are shown.
    pub fn is_watched(&self) -> bool {
        ui::is_watched(self.quiet)
    }
}

/// The threads that everything runs on.
pub fn runtime(setup: &Setup) -> Result<Runtime, Stop> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = setup.config.settings.threads {
        builder.worker_threads(threads);
    }
    let built = builder.enable_all().build();
    built.map_err(|error| Error::new(ErrorKind::Resources, "threads cannot be started").source(error).into())
}

/// Logs to stderr what `filter`, or else ICELIFT_LOG, asks for; nothing by default.
pub fn start_logging(filter: Option<&str>) -> Result<(), Stop> {
    let variable = std::env::var_os(LOG_VARIABLE).and_then(|value| value.into_string().ok());
    let Some(filter) = filter.map(str::to_owned).or(variable).filter(|filter| !filter.is_empty()) else {
        return Ok(());
    };
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Error::new(ErrorKind::Config, format!("`{filter}` is not a log filter"))
            .hint(format!("--log and {LOG_VARIABLE} take filters such as `info` or `icelift=debug,warn`"))
            .source(error)
    })?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    Ok(())
}

/// The variables that are text; no other could stand in a statement.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}
