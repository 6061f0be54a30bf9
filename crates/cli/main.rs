//! The terminal of icelift: chooses between shell, scripts and demo, and turns what happened into an exit code.
//!
//! Only this package reads the environment, the home folder and the terminal; the library gets what it needs handed over.

mod answer;
mod args;
mod attaching;
mod config;
mod demo;
mod doctor;
mod exit;
mod failpoints;
mod guard;
mod init;
mod log;
mod memory;
mod meta;
mod print;
mod progress;
mod repl;
mod report;
mod run;
mod script;
mod session;
mod shell;
mod signals;
mod traffic;
mod typed_secrets;
mod ui;
mod work;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use args::{Args, Command, Input};
use exit::Stop;
use progress::Screen;
use session::Setup;
use work::Workers;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long threads that still write to a full pipe or read from the keyboard may hold up the end of the process.
const LINGER: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match start(args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            ui::say_why(&stop);
            ExitCode::from(exit::code(&stop))
        }
    }
}

fn start(args: Args) -> Result<(), Stop> {
    if let Some(command) = &args.command
        && command.print(&mut std::io::stdout().lock()).map_err(Stop::output)?
    {
        return Ok(());
    }
    config::enter(&args.env_files)?;
    if !args.shared.quiet {
        typed_secrets::warn(&args);
    }
    let screen = Screen::default();
    log::start(args.shared.log.as_deref(), args.shared.quiet, screen.clone())?;
    let with_catalogs = args.command.as_ref().is_none_or(Command::is_configured);
    let setup = Setup::read(&args, with_catalogs, screen)?;
    if matches!(args.command, Some(Command::Config)) {
        return setup.show();
    }
    if let Some(Command::Init(init)) = args.command {
        return init::run(init, setup.quiet);
    }
    let engine = session::engine_runtime(&setup)?;
    let terminal = session::terminal_runtime()?;
    let workers = Workers::new(engine.handle().clone());
    let outcome = match args.command {
        Some(Command::Demo(demo)) => terminal.block_on(demo::run(setup, workers, demo)),
        Some(Command::Doctor(doctor)) => terminal.block_on(doctor::run(setup, workers, doctor)),
        Some(Command::Report(report)) => {
            let scripts = args.inputs.into_iter().map(script::Script::read).collect::<Result<Vec<_>, _>>()?;
            terminal.block_on(report::run(setup, workers, scripts, report))
        }
        _ => scripts_or_shell(&terminal, workers, setup, args.inputs),
    };
    engine.shutdown_timeout(LINGER);
    terminal.shutdown_timeout(LINGER);
    outcome
}

fn scripts_or_shell(
    terminal: &tokio::runtime::Runtime,
    workers: Workers,
    setup: Setup,
    inputs: Vec<Input>,
) -> Result<(), Stop> {
    if inputs.is_empty() && std::io::stdin().is_terminal() {
        return terminal.block_on(repl::run(setup, workers));
    }
    // Everything is read before anything runs: a missing third file must not show up after the second has done its work.
    let inputs = if inputs.is_empty() { vec![Input::Stdin] } else { inputs };
    let scripts = inputs.into_iter().map(script::Script::read).collect::<Result<Vec<_>, _>>()?;
    terminal.block_on(run::scripts(setup, workers, scripts))
}
