//! Bars on a terminal while a statement runs, and nothing of them between the rows or behind the end.

use std::process::{Command, Stdio};

use super::keys::{CTRL_C, Keys};
use super::migrate;
use super::process::Folder;

/// Runs its arguments on a terminal of 200 columns until the second batch is to be seen, interrupts them, and prints what was
/// written as it came, then what is left on the screen.
const WATCHER: &str = r#"
import fcntl, os, pty, re, signal, struct, sys, termios
signal.alarm(60)
WIDTH = 200
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
raw, interrupted = b"", False
try:
    while True:
        raw += os.read(terminal, 65536)
        if not interrupted and b"year=2020: " in raw and b"1 of 3" in raw:
            interrupted = True
            os.kill(child, signal.SIGINT)
except OSError:
    pass
os.waitpid(child, 0)
text = raw.decode()
screen, row, column = [[]], 0, 0
for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.|\n", text):
    if part == "\n":
        row += 1
    elif part == "\r":
        column = 0
    elif part.startswith("\x1b["):
        number = int(re.sub("[^0-9].*", "", part[2:-1]) or 1)
        if part[-1] == "A": row -= number
        if part[-1] == "B": row += number
        if part[-1] == "K": screen[row] = []
    else:
        if column == WIDTH: row, column = row + 1, 0
        while row >= len(screen): screen.append([])
        line = screen[row]
        line.extend(" " * (column + 1 - len(line)))
        line[column] = part
        column += 1
    while row >= len(screen): screen.append([])
print(repr(text))
print("== left")
for line in screen:
    print("".join(line).rstrip())
"#;

/// What was written, and what is left on the screen.
fn watched(folder: &Folder, term: &str) -> (String, String) {
    let python = std::env::var_os("ICELIFT_PYTHON");
    assert!(python.is_some(), "ICELIFT_PYTHON is not set: run `cargo xtask test`");
    let mut command = Command::new(python.unwrap());
    folder.prepare(&mut command);
    command.env("TERM", term).args(["-c", WATCHER, env!("CARGO_BIN_EXE_icelift")]).args(migrate::arguments(&[]));
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (written, left) = text.split_once("== left\n").unwrap();
    (written.to_owned(), left.to_owned())
}

/// Every pair of two rows is looked at, which takes hours; the rows themselves are read at once.
#[cfg(unix)]
pub fn a_long_scan_shows_how_far_it_is() {
    let folder = Folder::new();
    let attach = "ATTACH 'w' AS w (TYPE local);";
    let table = "CREATE SCHEMA w.s; CREATE TABLE w.s.t AS SELECT value AS v FROM generate_series(1, 700000)";
    let made = folder.run(&["-c", attach, "-c", table]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let keys = Keys::new(&folder, &["--memory-limit", "2GB"]).size(120, 30).line(attach);
    let keys = keys.line("SELECT count(*) FROM w.s.t a JOIN w.s.t b ON a.v * b.v = -1;");
    let keys = keys.wait(r"\[=*>? *\] \d+ %,.* rows/s, .*B/s, .* read, [\d.]+ s").keys(CTRL_C);
    let answers = keys.wait("stopped by SIGINT").prompt().screen().line("\\q").play();
    assert!(!answers[0].as_str().unwrap().contains(" %, "), "{answers:?}");
}

#[cfg(unix)]
pub fn bars_do_not_mix_with_rows() {
    const COLOUR: &str = "x1b[36m";
    for (term, no_colour) in [("xterm", false), ("xterm", true)] {
        let mut folder = migrate::bench();
        migrate::arm(&mut folder, "batch.before_write:stall:2");
        if no_colour {
            folder.set("NO_COLOR", "1");
        }
        let (written, left) = watched(&folder, term);
        let case = format!("{term}, without colours: {no_colour}:\n{written}\n{left}");
        let drawn = written.contains("1 of 3 batches, ") && written.contains("year=2020: 0 of 100 rows, ");
        assert_eq!((drawn, written.contains(COLOUR)), (true, !no_colour), "{case}");
        // The table, whole and undisturbed, and no bar anywhere.
        let lines: Vec<_> = left.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let table = lines.iter().position(|line| line.starts_with("+-"));
        assert!(table.is_some_and(|table| table + 5 <= lines.len()), "{case}");
        let rows = &lines[table.unwrap()..][..5];
        let starts = ["+-", "| batch ", "+-", "| year=2019 | copied |", "+-"];
        assert!(rows.iter().zip(starts).all(|(row, start)| row.starts_with(start)), "{case}");
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{case}");
        assert!(!lines.iter().any(|line| line.starts_with('[')), "{case}");
        assert!(lines.contains(&"-c:1: stopped by SIGINT"), "{case}");
    }
    // A terminal that cannot draw gets lines.
    let mut folder = migrate::bench();
    migrate::arm(&mut folder, "batch.before_write:stall:2");
    let (written, left) = watched(&folder, "dumb");
    let is_told = written.contains("year=2019: committed, 1 of 3: ") && written.contains("year=2020: started, ");
    assert!(is_told && !written.contains("[=") && left.contains("stopped by SIGINT"), "{written}\n{left}");
}
