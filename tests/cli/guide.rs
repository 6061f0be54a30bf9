//! The tour of the shell has the output of a run: what the page types is run, and what it shows must come out.
//!
//! A block of the page marked `icelift` is typed, the block `output` behind it is the answer. `ICELIFT_GUIDE_COMPLETE=1` writes
//! the answers into the page.

use std::fmt::Write as _;

use super::process::Folder;
use crate::support::root;

const PAGE: &str = "docs/guide/shell.md";
const TYPED: &str = "```icelift\n";
const SHOWN: &str = "```output\n";
const END: &str = "```\n";

/// What is typed, and what follows of it: up to the block, the block itself, what the page shows.
struct Block<'a> {
    before: &'a str,
    typed: &'a str,
    shown: &'a str,
}

/// The blocks of the page, and what is behind the last one.
fn blocks(page: &str) -> (Vec<Block<'_>>, &str) {
    let (mut found, mut rest) = (Vec::new(), page);
    while let Some((before, behind)) = rest.split_once(TYPED) {
        let (typed, behind) = behind.split_once(END).unwrap();
        let behind = behind.trim_start_matches('\n').strip_prefix(SHOWN);
        assert!(behind.is_some(), "no output: {typed}");
        let behind = behind.unwrap();
        let (shown, behind) = behind.split_once(END).unwrap();
        found.push(Block { before, typed, shown });
        rest = behind;
    }
    (found, rest)
}

pub fn the_tour_of_the_shell_is_true() {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let (blocks, rest) = blocks(&page);
    assert!(blocks.len() >= 5, "{} blocks", blocks.len());
    let folder = Folder::new();
    // The figures do not depend on how the answers come.
    let ran = folder.run(&["demo", "--keep", "demo", "--drives", "20", "--quiet"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut script = String::new();
    for (number, block) in blocks.iter().enumerate() {
        writeln!(script, "{}\\echo ---- {number}", block.typed).unwrap();
    }
    let ran = folder.run_with_stdin(&["--config", "demo/icelift.toml", "--format", "box"], &script);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let (mut answers, mut made) = (ran.stdout.as_str(), String::new());
    let mut wrong = Vec::new();
    for (number, Block { before, typed, shown }) in blocks.iter().enumerate() {
        let (answer, behind) = answers.split_once(&format!("---- {number}\n")).unwrap();
        answers = behind;
        write!(made, "{before}{TYPED}{typed}{END}\n{SHOWN}{answer}{END}").unwrap();
        if answer != *shown {
            wrong.push(format!("{typed}gives\n{answer}the page has\n{shown}"));
        }
    }
    if std::env::var_os("ICELIFT_GUIDE_COMPLETE").is_some() {
        std::fs::write(root().join(PAGE), made + rest).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
