//! The command line: what may be typed, and in which order it was typed.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  icelift                                                     the shell, with the catalogs of icelift.toml attached
  icelift -f sql/01_attach.sql -f sql/03_migrate.sql -f sql/04_verify.sql
  icelift -f sql/01_attach.sql -c 'SELECT count(*) FROM r2.default.drive_stats_r2' --format csv
  icelift demo                                                a migration from start to end, offline

Exit codes:
  0 done   1 failed   2 usage or configuration   4 a verification found a difference
  3 stopped, run the same command again to go on; or it is not known whether a commit landed
  130 SIGINT   141 nobody reads the output any more   143 SIGTERM";

/// Moves Apache Iceberg tables between catalogs with plain SQL.
#[derive(Debug, Parser)]
#[command(name = "icelift", version, about, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    #[command(flatten)]
    pub shared: Shared,

    /// Runs the statements of FILE; `-` is stdin. With -c: in the order given, in one session, up to the first error
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Runs the statements of SQL
    #[arg(short = 'c', long = "command", value_name = "SQL", allow_hyphen_values = true)]
    commands: Vec<String>,

    /// Sets what `:NAME`, `:'NAME'` and `:"NAME"` stand for in the statements
    #[arg(short, long = "variable", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,

    /// Reads catalogs and settings from FILE, and not from icelift.toml of the working folder
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Sets the variables of FILE (NAME=value) that the environment does not have; may be given several times
    #[arg(long = "env-file", global = true, value_name = "FILE")]
    pub env_files: Vec<PathBuf>,

    /// Sends results to FILE; its name tells the format unless --format does
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Goes on behind statements that fail; says at the end which did, and ends as the first would have
    #[arg(long)]
    pub continue_on_error: bool,

    /// Parses, resolves and plans each statement, and runs none; catalogs are attached
    #[arg(long)]
    pub dry_run: bool,

    /// Appends a JSON object for each statement to FILE: place, outcome, rows, seconds, error
    #[arg(long, value_name = "FILE")]
    pub log_json: Option<PathBuf>,

    /// Refuses what changes a table, a schema or a file
    #[arg(long)]
    pub read_only: bool,

    /// Deletes and changes without asking; scripts never ask
    #[arg(short, long)]
    pub yes: bool,

    #[command(subcommand)]
    pub command: Option<Command>,

    /// Files and commands in the order given.
    #[arg(skip)]
    pub inputs: Vec<Input>,
}

/// What the demo understands as well.
#[derive(Debug, clap::Args)]
pub struct Shared {
    /// How results are printed on stdout [default: table; box in the shell]
    #[arg(long, global = true, value_enum)]
    pub format: Option<Format>,

    /// The most memory that the process may take, such as 4GB or 512MiB; 80 % of what is free unless set
    #[arg(long, global = true, value_name = "BYTES", value_parser = bytes)]
    pub memory_limit: Option<usize>,

    /// How many threads work [default: one for each core]
    #[arg(long, global = true, value_name = "COUNT", value_parser = threads)]
    pub threads: Option<usize>,

    /// How statements are followed on stderr
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW")]
    pub progress: Progress,

    /// What is logged on stderr, such as `info` or `icelift=debug` [default: the variable ICELIFT_LOG, or nothing]
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,

    /// Says nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Migrates a generated drive-stats table from a local "glue" to a local "r2", offline
    Demo(Demo),

    /// Makes a page of a migration, or JSON, from what its target tells; -f and -c before it attach what it needs
    Report(Report),

    /// Shows catalogs and settings, where each value was said, and no secret
    Config,

    /// Examines the catalogs of the configuration: connection, identity, clock, lists, files
    Doctor(Doctor),

    /// Writes a commented icelift.toml, and attach.sql with the same catalogs
    Init(Init),

    /// Prints completions of the command line for a shell of the system
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },

    /// Prints the manual page
    Man,
}

impl Command {
    /// Whether catalogs and settings are read for it.
    pub fn is_configured(&self) -> bool {
        matches!(self, Self::Config | Self::Doctor(_) | Self::Report(_))
    }

    /// Writes what has nothing to do with a session; false if there is a session to begin.
    pub fn print(&self, stdout: &mut impl std::io::Write) -> std::io::Result<bool> {
        match self {
            Self::Demo(_) | Self::Report(_) | Self::Config | Self::Doctor(_) | Self::Init(_) => return Ok(false),
            Self::Completions { shell } => {
                // Into memory first: the generator takes a closed pipe for a bug.
                let mut text = Vec::new();
                clap_complete::generate(*shell, &mut Args::command(), "icelift", &mut text);
                stdout.write_all(&text)?;
            }
            Self::Man => clap_mangen::Man::new(Args::command()).render(stdout)?,
        }
        Ok(true)
    }
}

#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// The catalogs to examine; all of the configuration unless named
    #[arg(value_name = "CATALOG")]
    pub catalogs: Vec<String>,

    /// Also creates, writes, reads and removes a table and a large object, in a schema of its own
    #[arg(long)]
    pub write: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub struct Init {
    /// The type of the source [default: glue]
    #[arg(long, value_enum, value_name = "TYPE")]
    pub source: Option<Kind>,

    /// The name of the source in SQL
    #[arg(long, value_name = "NAME", default_value = "glue")]
    pub source_name: String,

    /// Its warehouse: a folder, s3://…, or what the server calls it
    #[arg(long, value_name = "TEXT")]
    pub source_warehouse: Option<String>,

    /// The address of its server
    #[arg(long, value_name = "ADDRESS")]
    pub source_uri: Option<String>,

    /// The AWS region of a source of type glue
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// The type of the target [default: r2]
    #[arg(long, value_enum, value_name = "TYPE")]
    pub target: Option<Kind>,

    /// The name of the target in SQL
    #[arg(long, value_name = "NAME", default_value = "r2")]
    pub target_name: String,

    /// Its warehouse; a variable, as ${R2_WAREHOUSE}, unless given
    #[arg(long, value_name = "TEXT")]
    pub target_warehouse: Option<String>,

    /// The address of its server; a variable unless given
    #[arg(long, value_name = "ADDRESS")]
    pub target_uri: Option<String>,

    /// Where the files are written
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,

    /// Overwrites files that are there
    #[arg(long)]
    pub force: bool,
}

/// The types of catalogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// AWS Glue, with tables in S3
    Glue,
    /// Cloudflare R2 Data Catalog
    R2,
    /// Any server of the Iceberg REST protocol
    Rest,
    /// A SQLite database and a folder
    Local,
}

impl Kind {
    /// As ATTACH has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Glue => "glue",
            Self::R2 => "r2",
            Self::Rest => "rest",
            Self::Local => "local",
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Keeps the files in FOLDER; a second run continues from what it finds there
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,

    /// How many drives the sample table follows
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = drives)]
    pub drives: usize,
}

#[derive(Debug, clap::Args)]
pub struct Report {
    /// The target of the migration, such as r2.default.drive_stats_r2
    #[arg(value_name = "TABLE")]
    pub table: String,

    /// Writes to FILE; its name tells whether it is html or json unless --format does [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Which migration, where several went into the table
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
}

/// One `-f` or `-c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Stdin,
    File(PathBuf),
    Command(String),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Boxes that fit the terminal; what a shell prints [default there]
    Box,
    /// The same in plain signs; long results come as several tables [default elsewhere]
    #[default]
    Table,
    /// Comma-separated values with a header (RFC 4180); NULL is empty
    Csv,
    /// The same with tabs
    Tsv,
    /// One array of objects for each statement, one object on each line
    Json,
    /// One object on each line, and nothing else
    Jsonl,
    /// Tables of GitHub's Markdown
    Markdown,
    /// Tables for a page
    Html,
    /// One Parquet file; not to a terminal
    Parquet,
    /// One file of Arrow's IPC format; not to a terminal
    Arrow,
}

impl Format {
    /// Whether it is no text.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }

    /// The names of all formats.
    pub fn names() -> Vec<String> {
        let values = Self::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        values.map(|value| value.get_name().to_owned()).collect()
    }
}

/// How statements are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Progress {
    /// Bars on a terminal, lines elsewhere, nothing with --quiet
    #[default]
    Auto,
    /// Bars on a terminal, lines elsewhere
    Bar,
    /// One line for each step of a migration
    Lines,
    /// One JSON object for each step of a migration, one on each line
    Json,
    /// Nothing
    Off,
}

/// Reads the command line; ends the process with a message and code 2 when it makes no sense, or after `--help`.
pub fn parse() -> Args {
    match checked(Args::command().get_matches()) {
        Ok(args) => args,
        Err(error) => error.exit(),
    }
}

fn checked(matches: ArgMatches) -> Result<Args, clap::Error> {
    let mut args = Args::from_arg_matches(&matches)?;
    args.inputs = in_order(&matches, &args);
    let alone = args.inputs.is_empty() && args.variables.is_empty();
    let takes_scripts = matches!(args.command, None | Some(Command::Report(_)));
    if !takes_scripts && !alone {
        let text = "-f, -c and -v do not go with this subcommand";
        return Err(Args::command().error(ErrorKind::ArgumentConflict, text));
    }
    if args.config.is_some() && !args.command.as_ref().is_none_or(Command::is_configured) {
        return Err(Args::command().error(ErrorKind::ArgumentConflict, "--config does not go with this subcommand"));
    }
    let stdin = args.inputs.iter().filter(|input| **input == Input::Stdin).count();
    if stdin > 1 {
        return Err(Args::command().error(ErrorKind::ArgumentConflict, "stdin (`-f -`) can be read only once"));
    }
    Ok(args)
}

/// clap collects files and commands apart; their indices on the command line bring them together again.
fn in_order(matches: &ArgMatches, args: &Args) -> Vec<Input> {
    let files = args.files.iter().map(|file| match file.as_os_str() == "-" {
        true => Input::Stdin,
        false => Input::File(file.clone()),
    });
    let commands = args.commands.iter().cloned().map(Input::Command);
    let mut inputs: Vec<_> = matches.indices_of("files").into_iter().flatten().zip(files).collect();
    inputs.extend(matches.indices_of("commands").into_iter().flatten().zip(commands));
    inputs.sort_by_key(|(index, _)| *index);
    inputs.into_iter().map(|(_, input)| input).collect()
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let mut letters = name.chars();
    let starts = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !starts || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err("a name has letters, digits and `_`, and does not start with a digit".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a number of bytes.
pub fn bytes(text: &str) -> Result<usize, String> {
    let count = icelift::byte_count(text).and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| "expected a number of bytes such as 4GB, 512MiB or 1073741824".to_owned())
}

/// Reads a number of threads.
pub fn threads(text: &str) -> Result<usize, String> {
    within(text, 1024)
}

fn drives(text: &str) -> Result<usize, String> {
    within(text, 1_000_000)
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from 1 to {most}")),
    }
}

#[cfg(test)]
mod flags;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Args, clap::Error> {
        checked(Args::command().try_get_matches_from(words)?)
    }

    #[test]
    fn files_and_commands_keep_their_order() {
        let args = parsed(&["icelift", "-c", "a", "-f", "x.sql", "-q", "-c", "-- b", "-f", "-"]).unwrap();
        let command = |sql: &str| Input::Command(sql.to_owned());
        assert_eq!(args.inputs, [command("a"), Input::File("x.sql".into()), command("-- b"), Input::Stdin]);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        assert!(parsed(&["icelift", "-f", "-", "-f", "-"]).is_err());
        assert!(parsed(&["icelift", "-c", "SELECT 1", "demo"]).is_err());
        assert!(parsed(&["icelift", "-v", "1x=3"]).is_err());
        assert!(parsed(&["icelift", "-c", "SELECT 1", "report", "a.b.c", "-o", "x.html"]).is_ok());
        assert!(parsed(&["icelift", "report"]).is_err());
        assert!(parsed(&["icelift", "--quiet", "demo", "--drives", "5"]).is_ok());
    }

    #[test]
    fn bytes_know_both_kinds_of_units() {
        assert_eq!(bytes("1.5GB"), Ok(1_500_000_000));
        assert_eq!(bytes("512 MiB"), Ok(512 << 20));
        assert_eq!(bytes("2g"), Ok(2 << 30));
        assert_eq!(bytes("1073741824"), Ok(1 << 30));
        for wrong in ["", "GB", "4XB", "0", "-1", "1e9", "4GBs", "99999999999TB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn clap_finds_no_fault_with_the_definition() {
        Args::command().debug_assert();
    }
}
