//! What is logged on stderr: what `--log` asks for, and without it the library's warnings.
//!
//! What must hold: no log shows a secret, whatever the filter. What other libraries log below `info` has headers, bodies and
//! statements in it, and AWS's repeat answers, so that is never shown.

use std::fmt;

use icelift::{Error, ErrorKind};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::Stop;
use crate::progress::Screen;

const VARIABLE: &str = "ICELIFT_LOG";

/// Logs to stderr, between the bars of `screen`, what `filter`, or else ICELIFT_LOG, asks for.
pub fn start(filter: Option<&str>, quiet: bool, screen: Screen) -> Result<(), Stop> {
    let variable = std::env::var_os(VARIABLE).and_then(|value| value.into_string().ok());
    let Some(filter) = filter.map(str::to_owned).or(variable).filter(|filter| !filter.is_empty()) else {
        if !quiet {
            let warnings = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("icelift=warn"));
            warnings.with_writer(screen).with_ansi(false).event_format(Warning).init();
        }
        return Ok(());
    };
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Error::new(ErrorKind::Config, format!("`{filter}` is not a log filter"))
            .hint(format!("--log and {VARIABLE} take filters such as `info` or `icelift=debug,warn`"))
            .source(error)
    })?;
    let wanted = tracing_subscriber::fmt().with_env_filter(filter).with_writer(screen).with_ansi(false);
    wanted.finish().with(filter_fn(is_without_secrets)).init();
    Ok(())
}

/// Whether what is logged there is ours, or so rough that no headers and statements are in it.
fn is_without_secrets(metadata: &Metadata<'_>) -> bool {
    let name = metadata.target().split("::").next().unwrap_or_default();
    // AWS's warnings repeat what its servers say; all that matters comes in the errors too.
    name == "icelift" || (*metadata.level() <= Level::INFO && !name.starts_with("aws_"))
}

/// One line for each warning, like those for errors.
struct Warning;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Warning {
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writer.write_str("warning: ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
