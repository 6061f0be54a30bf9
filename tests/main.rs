//! The one binary of integration tests: every further one would link DataFusion again.
//!
//! Each module gives its trials by `trials()`; names start with the module, so that `cargo xtask test slt::` runs one of them.
//! Run them through `cargo xtask test`, which installs what `interop` and `doubles` need.

/// What two clouds refuse, and what does not answer at all.
mod bad_clouds;
/// What a user can get wrong, and what the machine can: one clear message, no partial commit, no file left over.
mod bad_input;
/// Transcripts of the real binary: flags, scripts, exit codes.
#[expect(clippy::unwrap_used, reason = "a trial that panics fails")]
mod cli;
/// Two clouds in one session: Glue and S3 on one side, R2 on the other, and what goes wrong between.
mod clouds;
/// Several processes on one catalog.
mod concurrent;
/// The servers that stand for AWS and Cloudflare: they do what the other modules rely on.
mod doubles;
/// Tables of other engines read by us, and our tables read by them.
mod interop;
/// How much memory the process takes, and how much it may.
mod memory;
/// MIGRATE stopped at every step, run twice at once, and what others do to its tables meanwhile.
mod migrate;
/// Planted secrets, and the hunt for them in everything that is printed, logged and written.
mod secrets;
/// Every script of sql/, as a user runs it.
mod shipped_sql;
/// SQL in, rows out: every file of tests/slt is a trial, and most tests should be there.
mod slt;
/// Row groups that are copied undecoded, against the same rows encoded.
mod splice;
/// What the other modules share; no trials.
mod support;
/// The repository's own rules.
mod tidy;
/// Tables as they were, and what came since.
mod versions;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("main::every_file_is_listed", every_file_is_listed)];
    trials.extend(bad_clouds::trials());
    trials.extend(bad_input::trials());
    trials.extend(cli::trials());
    trials.extend(clouds::trials());
    trials.extend(concurrent::trials());
    trials.extend(doubles::trials());
    trials.extend(interop::trials());
    trials.extend(migrate::trials());
    trials.extend(memory::trials());
    trials.extend(memory::partitions::trials());
    trials.extend(secrets::trials());
    trials.extend(shipped_sql::trials());
    trials.extend(slt::trials());
    trials.extend(splice::trials());
    trials.extend(tidy::trials());
    trials.extend(versions::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    interop::clean_up();
    migrate::clean_up();
    support::servers::clean_up();
    conclusion.exit();
}

/// A file that nobody declares would never be compiled, and nobody would notice.
fn every_file_is_listed() -> Result<(), Failed> {
    let own = include_str!("main.rs");
    for entry in std::fs::read_dir(support::root().join("tests"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else {
            continue;
        };
        if !own.contains(&format!("\nmod {module};")) {
            return Err(format!("tests/{name} is not declared in tests/main.rs").into());
        }
        if module != "support" && !own.contains(&format!("{module}::trials()")) {
            return Err(format!("the trials of tests/{name} are not collected in tests/main.rs").into());
        }
    }
    Ok(())
}
