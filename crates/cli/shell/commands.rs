//! What each command does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use icelift::{Error, ErrorKind, variables};

use super::{Flow, Shell};
use crate::args::{Format, Input};
use crate::exit::{Place, Stop};
use crate::meta::arguments::{truth, words};
use crate::meta::{self, Action};
use crate::print::{Expanded, Target};
use crate::script::{self, Item, Script};
use crate::ui;

/// What a statement before a command is for.
const ENDING: [Action; 4] = [Action::Go, Action::GoExpanded, Action::Watch, Action::Edit];

/// Refuses commands that there are not, before anything runs.
pub fn check(items: &[(Place, Item)]) -> Result<(), Stop> {
    for (place, item) in items {
        if let Item::Command { sql, text, .. } = item {
            known(text, sql.is_some()).map_err(|error| Stop::from(error).at(|| place.clone()))?;
        }
    }
    Ok(())
}

fn known(text: &str, has_statement: bool) -> Result<(&'static meta::Command, &str), Error> {
    let (name, rest) = meta::split(text);
    let command = meta::find(name).ok_or_else(|| {
        Error::new(ErrorKind::Sql, format!("there is no command `{name}`")).hint("\\? shows what there is")
    })?;
    if has_statement && !ENDING.contains(&command.action) {
        let message = format!("`{name}` stands behind a statement that has no end");
        return Err(Error::new(ErrorKind::Sql, message).hint("end the statement with `;`, or with `\\g`"));
    }
    Ok((command, rest))
}

pub fn wrong(message: impl Into<String>) -> Stop {
    Error::new(ErrorKind::Sql, message).into()
}

impl Shell {
    /// Does what a command says.
    pub(super) async fn command(
        &mut self,
        sql: Option<String>,
        text: &str,
        place: Option<&Place>,
    ) -> Result<Flow, Stop> {
        let (command, rest) = known(text, sql.is_some())?;
        if let Some(done) = self.condition(command.action, rest) {
            return done.map(|()| Flow::On);
        }
        if !self.conditions.is_active() {
            return Ok(Flow::On);
        }
        if command.action == Action::System {
            return self.system(rest).await.map(|()| Flow::On);
        }
        if let Some(sql) = sql {
            self.failures.count();
            self.last = Some(variables::substitute(&sql, &self.variables)?);
        }
        // A command of the system has quotes of its own.
        let words = if rest.starts_with('|') { vec![rest.to_owned()] } else { words(rest, &self.variables)? };
        let word = words.first().map(String::as_str);
        match command.action {
            Action::Catalogs => self.rows_of("SHOW CATALOGS").await?,
            Action::Schemas => self.list_schemas(word).await?,
            Action::Tables => self.list_tables(word).await?,
            Action::Describe => self.describe(word).await?,
            Action::ShowCreate => self.show_create(required(word, command)?).await?,
            Action::Connect => self.connect(word).await?,
            Action::Go | Action::GoExpanded => return self.go(word, command.action == Action::GoExpanded, place).await,
            Action::Watch => self.watch(word).await?,
            Action::Edit => return self.edit(word, place).await,
            Action::Include => self.include(PathBuf::from(required(word, command)?)).await?,
            Action::IncludeRelative => {
                let folder = self.folders.last().cloned().unwrap_or_default();
                self.include(folder.join(required(word, command)?)).await?;
            }
            Action::Output => self.runner.output.send_to(Target::of(word.unwrap_or_default())).await?,
            Action::Mode => self.mode(word)?,
            Action::Expanded => self.expand(word)?,
            Action::Timing => self.time(word)?,
            Action::Pager => self.page(word)?,
            Action::Null => self.runner.output.look.null = words.join(" "),
            Action::Set => self.set(&words).await?,
            Action::Unset => drop(self.variables.remove(required(word, command)?)),
            Action::Getenv => self.getenv(&words)?,
            Action::Echo => self.echo(&words).await?,
            Action::Help => help(word)?,
            Action::Quit => return Ok(Flow::Quit),
            Action::System | Action::If | Action::Elif | Action::Else | Action::Endif => {}
        }
        Ok(Flow::On)
    }

    /// The commands that are heard in branches that do not run, too.
    fn condition(&mut self, action: Action, rest: &str) -> Option<Result<(), Stop>> {
        let done = match action {
            Action::If if !self.conditions.is_active() => {
                self.conditions.begin(false);
                Ok(())
            }
            Action::If => self.truth_of(rest).map(|truth| self.conditions.begin(truth)),
            Action::Elif => {
                let truth = if self.conditions.is_open() { self.truth_of(rest) } else { Ok(false) };
                truth.and_then(|truth| self.conditions.otherwise(truth, false))
            }
            Action::Else => self.conditions.otherwise(true, true),
            Action::Endif => self.conditions.end(),
            _ => return None,
        };
        Some(done.map_err(Stop::from))
    }

    fn truth_of(&self, text: &str) -> Result<bool, Error> {
        let words = words(text, &self.variables)?;
        match words.as_slice() {
            [word] => truth(word),
            _ => Err(Error::new(ErrorKind::Sql, format!("a condition is one word, found {}", words.len()))
                .hint("on, true, yes and 1 are true; `:{?name}` tells whether a variable is set")),
        }
    }

    async fn go(&mut self, file: Option<&str>, expanded: bool, place: Option<&Place>) -> Result<Flow, Stop> {
        let Some(sql) = self.last.clone() else { return Err(wrong("there is no statement to run again")) };
        let look = self.runner.output.look.clone();
        let once = file.map(Target::of);
        if let Some(target) = once.clone() {
            self.runner.output.send_once(target).await?;
        }
        if expanded {
            self.runner.output.look.expanded = Expanded::On;
        }
        let done = self.statement(&sql, place).await;
        if once.is_some() {
            let closed = self.runner.output.come_back().await;
            self.runner.output.look = look;
            done.and_then(|flow| closed.map(|()| flow))
        } else {
            self.runner.output.look = look;
            done
        }
    }

    async fn watch(&mut self, word: Option<&str>) -> Result<(), Stop> {
        let Some(sql) = self.last.clone() else { return Err(wrong("there is no statement to run again")) };
        let seconds = word.unwrap_or("2").parse::<f64>().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
        let seconds = seconds.ok_or_else(|| wrong("`\\watch` takes a number of seconds, 0.1 or more"))?;
        loop {
            self.statement(&sql, None).await?;
            if self.runner.pause(Duration::from_secs_f64(seconds)).await {
                return Ok(());
            }
        }
    }

    /// Runs a script of another file.
    pub(super) async fn include(&mut self, path: PathBuf) -> Result<(), Stop> {
        let script = Script::read(Input::File(path.clone()))?;
        let folder = path.parent().map(Path::to_path_buf);
        Box::pin(self.script(&script, folder)).await
    }

    /// Runs what was written in an editor.
    pub(super) async fn run_text(&mut self, text: &str, place: Option<&Place>) -> Result<Flow, Stop> {
        for item in script::items(text)? {
            if Box::pin(self.item(item, place)).await? == Flow::Quit {
                return Ok(Flow::Quit);
            }
        }
        Ok(Flow::On)
    }

    fn mode(&mut self, word: Option<&str>) -> Result<(), Stop> {
        match word {
            None => {
                let now = self.runner.output.look.format.to_possible_value();
                ui::say(&format!("rows are printed as {}", now.map_or(String::new(), |it| it.get_name().to_owned())));
            }
            Some(word) => {
                let known = Format::from_str(word, true).map_err(|_| {
                    Error::new(ErrorKind::Sql, format!("there is no format `{word}`"))
                        .hint(format!("there is {}", Format::names().join(", ")))
                })?;
                self.runner.output.look.format = known;
            }
        }
        Ok(())
    }

    fn expand(&mut self, word: Option<&str>) -> Result<(), Stop> {
        let look = &mut self.runner.output.look;
        look.expanded = match word {
            Some("auto") => Expanded::Auto,
            Some(word) if truth(word)? => Expanded::On,
            None if look.expanded == Expanded::Off => Expanded::On,
            _ => Expanded::Off,
        };
        self.note(match self.runner.output.look.expanded {
            Expanded::On => "each column has a line of its own",
            Expanded::Auto => "each column has a line of its own where rows are too wide",
            Expanded::Off => "rows stand in tables",
        });
        Ok(())
    }

    fn time(&mut self, word: Option<&str>) -> Result<(), Stop> {
        let now = self.timing.unwrap_or(self.is_watched);
        let timing = word.map_or(Ok(!now), truth)?;
        self.timing = Some(timing);
        self.note(if timing { "times are said" } else { "times are not said" });
        Ok(())
    }

    fn page(&mut self, word: Option<&str>) -> Result<(), Stop> {
        let on = word.map_or(Ok(!self.runner.output.pages()), truth)?;
        self.runner
            .output
            .page((on && self.keyboard.is_some()).then(|| super::system::pager(&self.environment)).flatten());
        self.note(if self.runner.output.pages() { "long results are shown in the pager" } else { "there is no pager" });
        Ok(())
    }

    /// What is said to somebody who types.
    fn note(&self, text: &str) {
        if self.keyboard.is_some() && self.folders.is_empty() {
            ui::say(text);
        }
    }

    async fn set(&mut self, words: &[String]) -> Result<(), Stop> {
        let Some((name, values)) = words.split_first() else {
            for (name, value) in &self.variables {
                let line = format!("{name} = '{}'\n", value.replace('\'', "''"));
                self.runner.output.line(&line).await?;
            }
            return Ok(());
        };
        let value = values.concat();
        match name.as_str() {
            "CONFIRM" => self.guard.asks = value.is_empty() || truth(&value)?,
            "ON_ERROR_STOP" => self.failures.goes_on = !(value.is_empty() || truth(&value)?),
            _ => {}
        }
        self.variables.insert(name.clone(), value);
        Ok(())
    }

    fn getenv(&mut self, words: &[String]) -> Result<(), Stop> {
        let [name, variable] = words else {
            return Err(wrong("`\\getenv` takes the name of a variable and one of the environment"));
        };
        if let Some(value) = self.environment.get(variable) {
            self.variables.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    async fn echo(&mut self, words: &[String]) -> Result<(), Stop> {
        let (words, end) = match words {
            [first, rest @ ..] if first == "-n" => (rest, ""),
            words => (words, "\n"),
        };
        self.runner.output.line(&format!("{}{end}", words.join(" "))).await
    }
}

fn required<'w>(word: Option<&'w str>, command: &meta::Command) -> Result<&'w str, Stop> {
    word.ok_or_else(|| {
        wrong(format!("something is missing: {}", meta::help_of(command).lines().next().unwrap_or_default()))
    })
}

fn help(word: Option<&str>) -> Result<(), Stop> {
    match word {
        None => ui::say(&meta::help()),
        Some(word) => match meta::find(word) {
            Some(command) => ui::say(&meta::help_of(command)),
            None => return Err(wrong(format!("there is no command `{word}`"))),
        },
    }
    Ok(())
}
