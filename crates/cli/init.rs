//! `icelift init`: writes a commented `icelift.toml` and a script that attaches the same catalogs.
//!
//! What must hold: nothing that is there is overwritten unless that is said, and no secret is asked for or written: the files
//! name variables.

use std::fs::OpenOptions;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use icelift::{Error, ErrorKind};

use crate::args::{self, Kind};
use crate::exit::{Problem, Stop};
use crate::ui;

const FILES: [&str; 2] = ["icelift.toml", "attach.sql"];

/// A catalog, as far as it is told.
struct Side {
    name: String,
    kind: Kind,
    warehouse: Option<String>,
    uri: Option<String>,
    region: Option<String>,
}

/// An option of a catalog: name, value, and what a comment says of it.
struct Line(&'static str, String, &'static str);

/// Asks where somebody can answer, and writes both files.
pub fn run(init: args::Init, quiet: bool) -> Result<(), Stop> {
    let files = FILES.map(|name| init.folder.join(name));
    if !init.force {
        refuse_to_overwrite(&files)?;
    }
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let sides = sides(init.clone(), asks)?;
    for side in &sides {
        check(side)?;
    }
    std::fs::create_dir_all(&init.folder).map_err(|source| cannot(&init.folder, source))?;
    write(&files[0], &toml(&sides), init.force)?;
    write(&files[1], &sql(&sides), init.force)?;
    if !quiet {
        ui::say(&format!("wrote {} and {}", files[0].display(), files[1].display()));
        let variables = variables(&sides);
        if !variables.is_empty() {
            ui::say(&format!("set {}, or name a file that does: --env-file .env", variables.join(", ")));
        }
        ui::say("then: icelift doctor");
    }
    Ok(())
}

fn refuse_to_overwrite(files: &[PathBuf]) -> Result<(), Problem> {
    match files.iter().find(|file| file.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(file) => {
            let error = Error::new(ErrorKind::Config, "the file is there already");
            let hint = "--force overwrites it, --folder writes elsewhere";
            Err(Problem { place: Some(file.display().to_string().into()), error: error.hint(hint) })
        }
    }
}

fn sides(init: args::Init, asks: bool) -> Result<[Side; 2], Stop> {
    let kinds = "glue, rest, r2, local";
    let source = Side {
        name: init.source_name,
        kind: kind(init.source, asks, &format!("type of the source ({kinds})"), Kind::Glue)?,
        warehouse: init.source_warehouse,
        uri: init.source_uri,
        region: init.region,
    };
    let target = Side {
        name: init.target_name,
        kind: kind(init.target, asks, &format!("type of the target ({kinds})"), Kind::R2)?,
        warehouse: init.target_warehouse,
        uri: init.target_uri,
        region: None,
    };
    Ok([completed(source, asks)?, completed(target, asks)?])
}

/// What was not said is asked, or stands in a variable.
fn completed(mut side: Side, asks: bool) -> Result<Side, Stop> {
    let variable = side.name.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let name = side.name.clone();
    let text = |given: Option<String>, what: &str, default: String| match given {
        Some(given) => Ok(given),
        None if asks => ask(&format!("{what} of `{name}`"), &default),
        None => Ok(default),
    };
    match side.kind {
        Kind::Local => side.warehouse = Some(text(side.warehouse, "folder", format!("warehouse/{name}"))?),
        Kind::Glue => {
            side.warehouse =
                Some(text(side.warehouse, "s3:// place of new tables (empty: that of the database)", String::new())?);
            side.region = Some(text(side.region, "AWS region (empty: that of the profile)", String::new())?);
        }
        Kind::R2 | Kind::Rest => {
            side.warehouse = Some(text(side.warehouse, "warehouse", format!("${{{variable}_WAREHOUSE}}"))?);
            side.uri = Some(text(side.uri, "address", format!("${{{variable}_CATALOG_URI}}"))?);
        }
    }
    Ok(side)
}

fn kind(given: Option<Kind>, asks: bool, question: &str, default: Kind) -> Result<Kind, Stop> {
    if let Some(given) = given {
        return Ok(given);
    }
    if !asks {
        return Ok(default);
    }
    let answer = ask(question, default.name())?;
    let known = Kind::from_str(&answer, false);
    known.map_err(|_| Error::new(ErrorKind::Config, format!("`{answer}` is no type of catalog")).into())
}

fn ask(question: &str, default: &str) -> Result<String, Stop> {
    let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
    // That stderr is closed is no reason to fail.
    let _ = write!(std::io::stderr().lock(), "{question}{shown}: ");
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    let read = read.map_err(|source| Error::new(ErrorKind::Config, "no answer can be read").source(source))?;
    if read == 0 {
        return Err(Error::new(ErrorKind::Config, "the questions were not answered")
            .hint("icelift init --help has the flags")
            .into());
    }
    let answer = line.trim();
    Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
}

/// Refuses what would carry a secret into the files, and names that are none.
fn check(side: &Side) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if side.name.is_empty() || !side.name.chars().all(plain) || side.name.starts_with(|c: char| c.is_ascii_digit()) {
        let message = "a catalog's name has lower case letters, digits and `_`, and does not start with a digit";
        return Err(Error::new(ErrorKind::Config, message));
    }
    for address in [&side.uri, &side.warehouse].into_iter().flatten() {
        if address.contains("://") && (address.contains('@') || address.contains('?')) {
            let message = format!("the address of `{}` has a password or a query in it", side.name);
            let hint = "secrets stand in variables: give the address without them, and set `token` by ${NAME}";
            return Err(Error::new(ErrorKind::Config, message).hint(hint));
        }
    }
    Ok(())
}

impl Side {
    fn lines(&self) -> Vec<Line> {
        let variable = self.name.to_uppercase();
        let given = |name, value: &Option<String>, comment| {
            value.clone().filter(|value| !value.is_empty()).map(|value| Line(name, value, comment))
        };
        let mut lines = vec![Line("type", self.kind.name().to_owned(), "")];
        lines.extend(given("warehouse", &self.warehouse, ""));
        lines.extend(given("uri", &self.uri, "without /v1 at its end"));
        lines.extend(given("client.region", &self.region, ""));
        if matches!(self.kind, Kind::R2 | Kind::Rest) {
            let token = match self.kind {
                Kind::R2 => format!("${{{variable}_CATALOG_API_TOKEN}}"),
                _ => format!("${{{variable}_TOKEN}}"),
            };
            lines.push(Line("token", token, "a variable of the environment; or token-command, token-file"));
        }
        lines
    }
}

fn toml(sides: &[Side]) -> String {
    let mut text = "# Catalogs and settings of icelift in this folder. `icelift config` shows what holds, `icelift doctor` tries it.\n\
                    # ${NAME} is a variable of the environment: no secret belongs into this file.\n"
        .to_owned();
    for side in sides {
        text += &format!("\n[catalog.{}]\n", side.name);
        if side.kind == Kind::Glue {
            text += "# Who is calling is found as every AWS tool finds it: environment, profile, SSO, instance.\n";
        }
        for Line(name, value, comment) in side.lines() {
            let comment = if comment.is_empty() { String::new() } else { format!("  # {comment}") };
            text += &format!("{name} = {}{comment}\n", toml_string(&value));
        }
        if matches!(side.kind, Kind::R2 | Kind::Rest) {
            text += "# token-command = \"pass show catalog\"  # a program that prints it\n";
        }
    }
    text + "\n[settings]\n# memory_limit = \"4GB\"    # 80 % of what is free\n# threads = 8             # one for each core\n\
            # format = \"csv\"          # table; box in the shell\n# bandwidth = \"120MB\"     # a second, for the times of EXPLAIN MIGRATE\n"
}

fn sql(sides: &[Side]) -> String {
    let mut text =
        "-- Attaches the catalogs of icelift.toml in a session that does not read it: icelift -f attach.sql …\n\
                    -- ${NAME} is a variable of the environment: no secret belongs into this file.\n"
            .to_owned();
    for side in sides {
        let lines = side.lines();
        let warehouse = lines.iter().find(|line| line.0 == "warehouse");
        let options = lines.iter().filter(|line| line.0 != "warehouse").map(|Line(name, value, _)| match *name {
            "type" => format!("TYPE {value}"),
            name if name.contains('.') => format!("\"{name}\" {}", sql_string(value)),
            name => format!("{} {}", name.to_uppercase(), sql_string(value)),
        });
        let warehouse = warehouse.map(|line| format!("{} ", sql_string(&line.1))).unwrap_or_default();
        let options = options.collect::<Vec<_>>().join(", ");
        text += &format!("\nATTACH IF NOT EXISTS {warehouse}AS {} ({options});\n", side.name);
    }
    text
}

/// The variables that the files name.
fn variables(sides: &[Side]) -> Vec<String> {
    let values = sides.iter().flat_map(Side::lines).map(|line| line.1);
    let named = values.filter_map(|value| Some(value.split_once("${")?.1.split_once('}')?.0.to_owned()));
    let mut variables: Vec<_> = named.collect();
    variables.sort();
    variables.dedup();
    variables
}

/// A TOML string; what JSON escapes, TOML does the same way.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn sql_string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Problem> {
    let mut options = OpenOptions::new();
    match force {
        true => options.write(true).create(true).truncate(true),
        // Somebody may have made it since it was looked for.
        false => options.write(true).create_new(true),
    };
    let written = options.open(file).and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|source| cannot(file, source))
}

fn cannot(file: &Path, source: std::io::Error) -> Problem {
    let error = Error::new(ErrorKind::Write, "the file cannot be written").source(source);
    Problem { place: Some(file.display().to_string().into()), error }
}
