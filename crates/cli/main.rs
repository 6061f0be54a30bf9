//! The terminal of icelift: chooses between shell, scripts and demo, and turns what happened into an exit code.
//!
//! Only this package reads the environment, the home folder and the terminal; the library gets what it needs handed over.

mod args;
mod config;
mod demo;
mod exit;
mod failpoints;
mod log;
mod memory;
mod print;
mod repl;
mod run;
mod session;
mod signals;
mod traffic;
mod ui;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use args::{Args, Command, Input};
use exit::Stop;
use session::Setup;

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
    log::start(args.shared.log.as_deref(), args.shared.quiet)?;
    let demo = matches!(args.command, Some(Command::Demo(_)));
    let setup = Setup::read(&args, !demo)?;
    let runtime = session::runtime(&setup)?;
    let outcome = match args.command {
        Some(Command::Demo(demo)) => runtime.block_on(demo::run(setup, demo)),
        None => scripts_or_shell(&runtime, setup, args.inputs),
    };
    runtime.shutdown_timeout(LINGER);
    outcome
}

fn scripts_or_shell(runtime: &tokio::runtime::Runtime, setup: Setup, inputs: Vec<Input>) -> Result<(), Stop> {
    if inputs.is_empty() && std::io::stdin().is_terminal() {
        return runtime.block_on(repl::run(setup));
    }
    // Everything is read before anything runs: a missing third file must not show up after the second has done its work.
    let inputs = if inputs.is_empty() { vec![Input::Stdin] } else { inputs };
    let scripts = inputs.into_iter().map(run::Script::read).collect::<Result<Vec<_>, _>>()?;
    runtime.block_on(run::scripts(setup, scripts))
}
