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
  bench [ARGS]   time stage after stage; with ARGS, build as what is published and run it beside other engines: they go to
                 bench/run.py, as in `cargo xtask bench disk lake/1m --work lake/work`";

/// The profile of what is published.
const PUBLISHED: &str = "dist";

/// Our library as a release has it, on the dependencies of all other commands, which are optimised, too: the published profile
/// would build them anew, which takes an hour on two cores.
const AS_RELEASED: [&str; 3] = [
    "profile.dev.package.icelift.opt-level=3",
    "profile.dev.package.icelift.debug-assertions=false",
    "profile.dev.package.icelift.overflow-checks=false",
];

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
        "bench" => bench(&root, rest),
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

/// The stages are those of crates/icelift/benches; contenders, sources and commands are in bench/README.md.
fn bench(root: &Path, args: &[String]) -> run::Outcome {
    if args.is_empty() {
        // Of the workspace, as all builds: a package alone would have other features, and be built anew.
        let stages = run::cargo(root, &["bench", "--profile", "dev", "--locked", "--workspace", "--bench", "stages"]);
        return AS_RELEASED.iter().fold(stages, |stages, setting| stages.args(["--config", setting])).run();
    }
    let build = ["build", "--profile", PUBLISHED, "--locked", "--workspace", "--bins", "--example", "parquet_loop"];
    run::cargo(root, &build).run()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let icelift = target.join(PUBLISHED).join("icelift");
    run::Program::new("python3", root).arg("bench/run.py").args(args).arg("--icelift").arg(icelift).run()
}
