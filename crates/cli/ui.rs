//! What is said on stderr: errors with their causes and hints, notes, counts and times.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use icelift::thousands;

use crate::exit::{Place, Problem, Stop};

/// Says why the process ends; a closed pipe ends without a word, as its reader wished.
pub fn say_why(stop: &Stop) {
    match stop {
        Stop::Failed(problem) => say(&report(problem)),
        Stop::Signalled { place, signal, resume } => {
            let hint = resume.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            say(&format!("{}stopped by {signal}{hint}", prefix(place)));
        }
        Stop::Summary { text, .. } => say(text),
        Stop::PipeClosed => {}
    }
}

/// Prints one line on stderr. That stderr is closed is no reason to fail: the exit code still tells.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether counts and times are shown: somebody watches and has not asked for silence.
pub fn is_watched(quiet: bool) -> bool {
    !quiet && io::stderr().is_terminal()
}

/// The error, what caused it, and what to do about it.
fn report(problem: &Problem) -> String {
    let line = problem.place.as_ref().and_then(|place| place.line).unwrap_or(1);
    let mut said = problem.error.to_string();
    let mut text = format!("{}error: {}", prefix(&problem.place), level(&said, line));
    let mut hints: Vec<&str> = problem.error.advice().into_iter().collect();
    // By its path: the error's own `source` is the builder's.
    let mut cause = std::error::Error::source(&problem.error);
    while let Some(error) = cause {
        let next = error.to_string();
        // Foreign errors tend to print their own cause: nothing is said twice.
        if !said.contains(next.trim()) {
            text.push_str("\n  caused by: ");
            text.push_str(&level(&next, line));
            said = next;
        }
        let hint = error.downcast_ref::<icelift::Error>().and_then(icelift::Error::advice);
        hints.extend(hint.filter(|hint| !hints.contains(hint)));
        cause = error.source();
    }
    for hint in hints {
        text.push_str("\nhint: ");
        text.push_str(&level(hint, line));
    }
    text
}

fn prefix(place: &Option<Place>) -> String {
    place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default()
}

/// One level of the chain: further lines are indented, and places are those of the file.
fn level(text: &str, first_line: usize) -> String {
    moved(&indented(text.trim(), 4), first_line)
}

/// Messages count lines from the beginning of their statement; the file counts from `first_line` on.
fn moved(text: &str, first_line: usize) -> String {
    let mut moved = String::with_capacity(text.len());
    let mut rest = text;
    // Ours and sqlparser's way of naming a place.
    while let Some((at, words)) =
        ["line ", "Line: "].into_iter().filter_map(|words| Some((rest.find(words)?, words))).min()
    {
        let (before, after) = rest.split_at(at + words.len());
        moved.push_str(before);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        match number.parse::<usize>() {
            Ok(line) if after.to_ascii_lowercase().starts_with(", column") => {
                moved.push_str(&(first_line + line.max(1) - 1).to_string());
            }
            _ => moved.push_str(number),
        }
        rest = after;
    }
    moved + rest
}

fn indented(text: &str, by: usize) -> String {
    text.trim_end().replace('\n', &format!("\n{:by$}", ""))
}

/// `1 row`, `2 rows`.
pub fn rows(number: u64) -> String {
    counted(number, "row")
}

/// `1 batch`, `2 batches`.
pub fn batches(number: usize) -> String {
    format!("{} batch{}", thousands(number as u64), if number == 1 { "" } else { "es" })
}

/// `1,460 rows/s`; nothing where there is no rate to tell.
pub fn rate(rows: u64, time: Duration) -> Option<String> {
    let rate = rows as f64 / time.as_secs_f64();
    (rows > 0 && rate.is_finite()).then(|| format!("{} rows/s", thousands(rate as u64)))
}

/// `12.5 MB/s`; nothing where there is no speed to tell.
pub fn speed(number: u64, time: Duration) -> Option<String> {
    let speed = number as f64 / time.as_secs_f64();
    (number > 0 && speed.is_finite()).then(|| format!("{}/s", bytes(speed as u64)))
}

/// `1 call`, `2 calls`.
pub fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `512 B`, `12.5 MB`: powers of 1000, as clouds count.
pub fn bytes(number: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut size = number as f64;
    let mut unit = "B";
    for larger in units {
        if size < 1000.0 {
            break;
        }
        (size, unit) = (size / 1000.0, larger);
    }
    if unit == "B" { format!("{number} B") } else { format!("{size:.1} {unit}") }
}

/// `$0.18`; nothing where nothing is charged for.
pub fn dollars(amount: f64) -> Option<String> {
    match amount {
        some if some >= 0.005 => Some(format!("${some:.2}")),
        little if little > 0.0 => Some("less than $0.01".to_owned()),
        _ => None,
    }
}

/// `12 ms`, `3.4 s`, `5 min 06 s`, `2 h 05 min`.
pub fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        short if short < 1.0 => format!("{:.0} ms", short * 1000.0),
        medium if medium < 60.0 => format!("{medium:.1} s"),
        long if long < 3600.0 => format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60),
        _ => format!("{} h {:02} min", time.as_secs() / 3600, time.as_secs() / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use icelift::{Error, ErrorKind, Stage};

    use super::*;

    #[test]
    fn a_report_names_place_chain_and_hint_once() {
        let inner = Error::new(ErrorKind::Read, "connection reset").hint("try again");
        let middle = Error::new(ErrorKind::Read, "file cannot be read: connection reset").source(inner);
        let error = Error::new(ErrorKind::Read, "no rows at line 2, column 7\nat all")
            .stage(Stage::Scan)
            .source(middle)
            .hint("try again");
        let problem = Problem { place: Some(Place { label: "a.sql".to_owned(), line: Some(3) }), error };
        let lines = [
            "a.sql:3: error: scan: no rows at line 4, column 7",
            "    at all",
            "  caused by: file cannot be read: connection reset",
            "hint: try again",
        ];
        assert_eq!(report(&problem), lines.join("\n"));
    }

    #[test]
    fn lines_move_where_they_are_places() {
        let text = "line 1, on line 2, column 3, at Line: 4, Column: 5, line";
        assert_eq!(moved(text, 11), "line 1, on line 12, column 3, at Line: 14, Column: 5, line");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 2].map(rows), ["0 rows", "1 row", "2 rows"]);
        assert_eq!([0, 1, 2].map(batches), ["0 batches", "1 batch", "2 batches"]);
        assert_eq!(rate(3_650, Duration::from_millis(2_500)).as_deref(), Some("1,460 rows/s"));
        assert_eq!([rate(0, Duration::from_secs(1)), rate(1, Duration::ZERO)], [None, None]);
        assert_eq!(speed(12_540_000, Duration::from_millis(500)).as_deref(), Some("25.1 MB/s"));
        assert_eq!([speed(0, Duration::from_secs(1)), speed(1, Duration::ZERO)], [None, None]);
        assert_eq!([0, 999, 1000, 12_540_000].map(bytes), ["0 B", "999 B", "1.0 kB", "12.5 MB"]);
        let times = [12, 3_400, 306_000, 7_500_000].map(|millis| seconds(Duration::from_millis(millis)));
        assert_eq!(times, ["12 ms", "3.4 s", "5 min 06 s", "2 h 05 min"]);
    }
}
