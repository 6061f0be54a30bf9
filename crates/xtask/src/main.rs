//! The one command of the repository. It has no dependencies, so that it is ready before anything else is built.
//!
//! Every command that it runs is printed on stderr first, so that it can be copied and run alone.

mod cache;
mod fixture;
mod run;
mod venv;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  check          lint, then test
  lint           formatting, clippy and documentation, warnings are errors
  test [ARGS]    every test; ARGS go to the test binaries, as in `cargo xtask test slt::`
  venv           make the Python environment of the tests and print its interpreter
  fixture        install the Iceberg REST catalog of the tests and print its folder
  bench          say which benchmarks exist";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let root = root();
    let done = match command {
        "check" => lint(&root).and_then(|()| test(&root, rest)),
        "lint" => lint(&root),
        "test" => test(&root, rest),
        "venv" => venv::ensure(&root).map(|python| println!("{}", python.display())),
        "fixture" => fixture(&root).map(|folder| println!("{}", folder.display())),
        "bench" => bench(&root),
        "help" | "-h" | "--help" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => Err(run::Failure::usage(format!("there is no command `{other}`\n\n{USAGE}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The root of the workspace, two levels above this package, wherever the command is started. Asked at run time: clones that
/// share a build folder may run each other's binary.
fn root() -> PathBuf {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.ancestors().nth(2).unwrap_or(&package).to_path_buf()
}

fn lint(root: &Path) -> run::Outcome {
    run::cargo(root, &["fmt", "--all", "--check"]).run()?;
    run::cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]).run()?;
    run::cargo(root, &["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings").run()
}

fn test(root: &Path, args: &[String]) -> run::Outcome {
    // What cannot be installed from here is asked for first.
    let java = fixture::Java::find(root)?;
    let python = venv::ensure(root)?;
    let fixture = java.ensure_fixture(root)?;
    let mut cargo = run::cargo(root, &["test", "--workspace", "--locked"])
        .env("ICELIFT_PYTHON", &python)
        .env("ICELIFT_REST_FIXTURE", &fixture);
    if !args.is_empty() {
        cargo = cargo.arg("--").args(args);
    }
    cargo.run()
}

fn fixture(root: &Path) -> run::Outcome<PathBuf> {
    fixture::Java::find(root)?.ensure_fixture(root)
}

/// Runs nothing yet: a benchmark that does not exist must not look as if it had passed.
fn bench(root: &Path) -> run::Outcome {
    let scripts = std::fs::read_dir(root.join("bench")).map(|entries| {
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.collect::<Vec<_>>().join(", ")
    });
    Err(run::Failure::usage(match scripts {
        Ok(names) => format!("no benchmark is wired up yet; bench/ holds {names}"),
        Err(_) => "there are no benchmarks yet; they will live in bench/".to_owned(),
    }))
}
