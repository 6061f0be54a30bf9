//! How an engine is put together.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionStateBuilder, disk_manager::DiskManagerBuilder, disk_manager::DiskManagerMode};
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::{SessionConfig, SessionContext};
use tokio_util::task::TaskTracker;

use super::Engine;
use super::interrupt::Interrupts;
use super::memory::Division;
use super::simplify;
use super::time_travel::TimeTravel;
use crate::catalog::{AwsSource, Catalogs};
use crate::error::Result;
use crate::migrate::{Assumptions, Events, Failpoints};
use crate::pipeline::select::{quarter, transforms};
use crate::pipeline::sink::SpliceRule;
use crate::pipeline::splice::Settings;
use crate::sql::Attach;

/// Consumers that an error about the memory limit names.
const NAMED_CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::new(5).unwrap();

/// Describes an [`Engine`]. Without settings: all cores, no memory limit, no catalog.
#[derive(Default)]
pub struct EngineBuilder {
    variables: BTreeMap<String, String>,
    memory_limit_bytes: Option<usize>,
    parallelism: Option<usize>,
    spill_folder: Option<PathBuf>,
    aws: AwsSource,
    attached: Vec<Attach>,
    failpoints: Failpoints,
    assumptions: Assumptions,
}

/// Variables are an environment, so only their number is shown.
impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("variables", &self.variables.len())
            .field("memory_limit_bytes", &self.memory_limit_bytes)
            .field("parallelism", &self.parallelism)
            .field("attached", &self.attached)
            .finish_non_exhaustive()
    }
}

impl EngineBuilder {
    /// What `${NAME}` in ATTACH may stand for. The library reads no environment itself.
    pub fn variables(mut self, variables: BTreeMap<String, String>) -> Self {
        self.variables = variables;
        self
    }

    /// The memory that the process may take, in bytes. Operators and open files get what a reserve leaves; see
    /// `docs/architecture.md`. Programs that hold much themselves give less.
    pub fn memory_limit_bytes(mut self, bytes: usize) -> Self {
        self.memory_limit_bytes = Some(bytes);
        self
    }

    /// The number of streams that a statement is cut into, all cores unless set; fewer where the memory is enough for fewer.
    pub fn parallelism(mut self, streams: usize) -> Self {
        self.parallelism = Some(streams.max(1));
        self
    }

    /// The folder for what does not fit into memory; the system's temporary folder unless set.
    pub fn spill_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spill_folder = Some(folder.into());
        self
    }

    /// Lets Glue catalogs find their AWS identity as every AWS tool does: environment, profile (also SSO, roles and
    /// programs), web identity, container, instance. Region, proxies and endpoints come from there too.
    ///
    /// Without this call and without [`aws`](Self::aws) a Glue catalog takes keys and region from its options alone. Nothing
    /// is looked up before such a catalog is attached, and no credentials if it brings its own.
    pub fn aws_defaults(mut self) -> Self {
        self.aws = AwsSource::Defaults;
        self
    }

    /// Gives Glue catalogs this AWS configuration: credentials, region, endpoint, HTTP client. Options of ATTACH go first.
    ///
    /// It is also what S3 is read and written with, and credentials that end are asked for anew.
    pub fn aws(mut self, config: aws_config::SdkConfig) -> Self {
        self.aws = AwsSource::Config(Box::new(config));
        self
    }

    /// Replaces one of the list prices that `EXPLAIN MIGRATE` reckons with, in US dollars; `docs/reference/prices.md` has
    /// their names.
    ///
    /// # Errors
    /// A name that there is not, a price that is no amount.
    pub fn price(mut self, name: &str, dollars: f64) -> Result<Self> {
        self.assumptions.prices.set(name, dollars)?;
        Ok(self)
    }

    /// What can be moved between source and target in a second, for the times that `EXPLAIN MIGRATE` tells.
    pub fn bandwidth_bytes_per_second(mut self, bytes: u64) -> Self {
        self.assumptions.bandwidth_bytes_per_second = Some(bytes);
        self
    }

    /// Stops migrations at steps of their protocol, for tests of what is left then.
    #[doc(hidden)]
    pub fn failpoints(mut self, failpoints: Failpoints) -> Self {
        self.failpoints = failpoints;
        self
    }

    /// Attaches a catalog at [`build`](Self::build).
    pub fn attach(mut self, attach: Attach) -> Self {
        self.attached.push(attach);
        self
    }

    /// Opens the session and attaches the catalogs.
    ///
    /// # Errors
    /// Those of [`Engine::attach`], a memory limit that is too small, and a spill folder that cannot be used.
    pub async fn build(self) -> Result<Engine> {
        let mut runtime = RuntimeEnvBuilder::new();
        let mut parallelism = self.parallelism;
        if let Some(limit_bytes) = self.memory_limit_bytes {
            let Division { pool_bytes, streams } = Division::new(limit_bytes, parallelism)?;
            parallelism = Some(streams);
            let pool = TrackConsumersPool::new(FairSpillPool::new(pool_bytes), NAMED_CONSUMERS);
            runtime = runtime.with_memory_pool(Arc::new(pool) as Arc<dyn MemoryPool>);
        }
        if let Some(folder) = self.spill_folder {
            let mode = DiskManagerMode::Directories(vec![folder]);
            runtime = runtime.with_disk_manager_builder(DiskManagerBuilder::default().with_mode(mode));
        }
        let mut config = SessionConfig::new().with_information_schema(true).with_option_extension(Settings::default());
        if let Some(streams) = parallelism {
            config = config.with_target_partitions(streams);
        }
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::new(runtime.build()?))
            .with_default_features()
            .with_optimizer_rules(simplify::optimizer_rules())
            .with_physical_optimizer_rule(Arc::new(SpliceRule))
            .with_relation_planners(vec![Arc::new(TimeTravel)])
            .build();
        let session = SessionContext::new_with_state(state);
        for function in functions() {
            session.register_udf(function);
        }
        let engine = Engine {
            session,
            catalogs: Catalogs::default(),
            variables: Arc::new(self.variables),
            aws: self.aws,
            cleanup: TaskTracker::new(),
            events: Events::default(),
            failpoints: self.failpoints,
            assumptions: Arc::new(self.assumptions),
            interrupts: Interrupts::default(),
        };
        for attach in self.attached {
            engine.attach(attach).await?;
        }
        Ok(engine)
    }
}

fn functions() -> impl Iterator<Item = ScalarUDF> {
    std::iter::once(quarter::quarter()).chain(transforms::transforms())
}
