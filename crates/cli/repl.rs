//! The shell: reads statements and commands from the keyboard until Ctrl-D.

mod complete;
mod highlight;
mod history;
mod keyboard;
mod names;
mod typed;
mod words;

use std::time::Duration;

use crate::args::Format;
use crate::exit::Stop;
use crate::run::Runner;
use crate::script;
use crate::session::Setup;
use crate::shell::{Flow, Shell};
use crate::signals::{Signal, Signals};
use crate::ui;
use crate::work::Workers;
pub use history::may_hold_secrets;
pub use keyboard::Keyboard;
use keyboard::Line;
use names::Names;

const AGAIN: &str = "Ctrl-C again, or Ctrl-D, ends the shell";
/// How long the end waits for what stopped statements left behind.
const SETTLING: Duration = Duration::from_secs(10);
const WELCOME: &str = "icelift: \\? tells of the commands, a statement ends with `;`";

/// Runs the shell; an error in a statement is said and does not end it.
pub async fn run(setup: Setup, workers: Workers) -> Result<(), Stop> {
    let signals = Signals::listen()?;
    let engine = setup.engine(&workers).await?;
    let names = Names::new(engine.clone(), workers.handle());
    let mut runner = Runner::new(&setup, workers, engine, signals).at_a_prompt();
    if setup.format().is_none() && can_draw(&setup) {
        runner.output.look.format = Format::Box;
    }
    runner.output.page(crate::shell::pager(&setup.environment).filter(|_| can_draw(&setup)));
    runner.open_output(&setup).await?;
    let keyboard = Keyboard::open(&setup, names)?;
    let mut shell = Shell::new(&setup, runner, Some(keyboard))?;
    if !setup.quiet {
        ui::say(WELCOME);
    }
    let ended = typed(&mut shell).await;
    shell.runner.output.close().await?;
    // What was stopped may still be cleaned up.
    let _ = tokio::time::timeout(SETTLING, shell.runner.engine.settle()).await;
    ended
}

async fn typed(shell: &mut Shell) -> Result<(), Stop> {
    let mut wants_out = false;
    loop {
        let prompt = prompt(shell);
        let Some(keyboard) = &mut shell.keyboard else { return Ok(()) };
        let variables = shell.variables.keys().cloned().collect();
        let text = match keyboard.read(&prompt, variables).await? {
            Line::Text(text) => text,
            Line::Cleared { was_empty: true } if wants_out => return Ok(()),
            Line::Cleared { was_empty } => {
                wants_out = was_empty;
                if wants_out {
                    ui::say(AGAIN);
                }
                continue;
            }
            Line::End => return Ok(()),
        };
        wants_out = false;
        if text.trim().is_empty() {
            continue;
        }
        keyboard.remember(&text);
        let text = if text.trim().eq_ignore_ascii_case("help") { "\\?".to_owned() } else { text };
        if is_farewell(&text) || entered(shell, &text).await? == Flow::Quit {
            return Ok(());
        }
    }
}

/// The words that end a shell elsewhere.
fn is_farewell(text: &str) -> bool {
    let word = text.trim().trim_end_matches(';').to_ascii_lowercase();
    word == "quit" || word == "exit"
}

/// Runs what was typed up to the first error; only what ends the shell comes back as an error.
async fn entered(shell: &mut Shell, text: &str) -> Result<Flow, Stop> {
    let done = match script::items(text) {
        Ok(items) => shell.typed(items).await,
        Err(error) => Err(error.into()),
    };
    match done {
        Err(ends @ (Stop::PipeClosed | Stop::Signalled { signal: Signal::Terminate, .. })) => Err(ends),
        Err(stop) => {
            ui::say_why(&stop);
            Ok(Flow::On)
        }
        done => done,
    }
}

/// Where short names are looked up, if anywhere.
fn prompt(shell: &Shell) -> String {
    match shell.home.is_empty() {
        true => "icelift> ".to_owned(),
        false => format!("{}> ", shell.home.join(".")),
    }
}

/// Whether the terminal shows more than ASCII and moves its cursor.
fn can_draw(setup: &Setup) -> bool {
    let named = |name: &str| setup.environment.get(name).filter(|value| !value.is_empty());
    let locale = named("LC_ALL").or_else(|| named("LC_CTYPE")).or_else(|| named("LANG"));
    let utf8 = locale.is_none_or(|it| it.to_ascii_lowercase().replace('-', "").contains("utf8"));
    utf8 && named("TERM").is_some_and(|term| term != "dumb")
}
