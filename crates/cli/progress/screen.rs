//! The bars below the cursor, and whoever else writes to stderr meanwhile.
//!
//! What must hold: bars are off the screen while anything else is written. A terminal that went away is no reason to fail.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::ui;

/// The width of the bar stands first: what is cut off at the edge of the terminal is the end of the words.
const TEMPLATE: &str = "[{bar:20.cyan}] {wide_msg}";
const STEPS: u64 = 1_000;

/// A bar as it is to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// From 0 to 1.
    pub share: f64,
    pub text: String,
}

/// stderr, as far as bars are on it. Clones are the same screen.
#[derive(Clone)]
pub struct Screen(Arc<Mutex<Drawing>>);

struct Drawing {
    lines: MultiProgress,
    wanted: Vec<Bar>,
    drawn: Vec<ProgressBar>,
    hidden: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }
}

impl Screen {
    fn on(target: ProgressDrawTarget) -> Self {
        let lines = MultiProgress::with_draw_target(target);
        Self(Arc::new(Mutex::new(Drawing { lines, wanted: Vec::new(), drawn: Vec::new(), hidden: false })))
    }

    /// Puts these bars in the place of those that are there.
    pub fn draw(&self, bars: Vec<Bar>) {
        let mut drawing = self.drawing();
        drawing.wanted = bars;
        drawing.redraw();
    }

    /// Takes the bars off the screen until [`unhide`](Self::unhide).
    pub fn hide(&self) {
        let mut drawing = self.drawing();
        drawing.hidden = true;
        drawing.wipe();
    }

    /// Lets the bars come back, at once.
    pub fn unhide(&self) {
        let mut drawing = self.drawing();
        drawing.hidden = false;
        drawing.redraw();
    }

    /// Forgets the bars.
    pub fn clear(&self) {
        self.draw(Vec::new());
        self.unhide();
    }

    /// Says a line above the bars.
    pub fn say(&self, line: &str) {
        self.aside(|| ui::say(line));
    }

    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        let mut drawing = self.drawing();
        drawing.wipe();
        let written = write();
        drawing.redraw();
        written
    }

    fn drawing(&self) -> MutexGuard<'_, Drawing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drawing {
    fn redraw(&mut self) {
        if self.hidden {
            return;
        }
        if self.wanted.len() != self.drawn.len() {
            self.wipe();
            self.drawn.drain(..).for_each(|bar| self.lines.remove(&bar));
            self.drawn = self.wanted.iter().map(|_| self.lines.add(ProgressBar::new(STEPS))).collect();
            self.drawn.iter().for_each(|bar| bar.set_style(style()));
        }
        for (bar, wanted) in self.drawn.iter().zip(&self.wanted) {
            // The methods that set would draw each time; these are the same bar, not drawn yet.
            let set = bar.clone().with_position((wanted.share * STEPS as f64) as u64).with_message(wanted.text.clone());
            set.force_draw();
        }
    }

    fn wipe(&self) {
        if !self.drawn.is_empty() {
            let _ = self.lines.clear();
        }
    }
}

/// Colours are those of `console`: none where NO_COLOR is set.
fn style() -> ProgressStyle {
    let bar = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.progress_chars("=> ")
}

/// What is logged comes between the bars, too.
impl<'a> MakeWriter<'a> for Screen {
    type Writer = Aside<'a>;

    fn make_writer(&'a self) -> Aside<'a> {
        Aside(self)
    }
}

/// Writes to stderr while the bars are away.
pub struct Aside<'a>(&'a Screen);

impl Write for Aside<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.aside(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use indicatif::TermLike;

    use super::*;

    const COLUMNS: usize = 40;

    /// A terminal as far as bars use it: what is on it, and the cursor. A full line is gone on with in the next one.
    #[derive(Debug, Clone, Default)]
    struct Paper(Arc<Mutex<Sheet>>);

    #[derive(Debug, Default)]
    struct Sheet {
        lines: Vec<String>,
        row: usize,
        column: usize,
    }

    impl Paper {
        fn on(&self, act: impl FnOnce(&mut Sheet)) -> io::Result<()> {
            act(&mut self.0.lock().unwrap());
            Ok(())
        }

        fn seen(&self) -> Vec<String> {
            let lines = self.0.lock().unwrap().lines.clone();
            lines.iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
        }
    }

    impl Sheet {
        fn put(&mut self, letter: char) {
            if self.column == COLUMNS {
                (self.row, self.column) = (self.row + 1, 0);
            }
            self.lines.resize(self.lines.len().max(self.row + 1), " ".repeat(COLUMNS));
            let after = self.lines[self.row].chars().skip(self.column + 1);
            let before = self.lines[self.row].chars().take(self.column);
            self.lines[self.row] = before.chain([letter]).chain(after).collect();
            self.column += 1;
        }
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            COLUMNS as u16
        }

        fn move_cursor_up(&self, n: usize) -> io::Result<()> {
            self.on(|sheet| sheet.row -= n)
        }

        fn move_cursor_down(&self, n: usize) -> io::Result<()> {
            self.on(|sheet| sheet.row += n)
        }

        fn move_cursor_right(&self, n: usize) -> io::Result<()> {
            self.on(|sheet| sheet.column += n)
        }

        fn move_cursor_left(&self, n: usize) -> io::Result<()> {
            self.on(|sheet| sheet.column -= n)
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)?;
            self.on(|sheet| (sheet.row, sheet.column) = (sheet.row + 1, 0))
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.on(|sheet| {
                text.chars().for_each(|letter| match letter {
                    '\r' => sheet.column = 0,
                    letter => sheet.put(letter),
                });
            })
        }

        fn clear_line(&self) -> io::Result<()> {
            self.on(|sheet| {
                sheet.column = 0;
                (0..COLUMNS).for_each(|_| sheet.put(' '));
                sheet.column = 0;
            })
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bar(share: f64, text: &str) -> Bar {
        Bar { share, text: text.to_owned() }
    }

    #[test]
    fn bars_come_and_go() {
        let paper = Paper::default();
        let screen = Screen::on(ProgressDrawTarget::term_like(Box::new(paper.clone())));
        let whole = "[===>                ] 1 of 6 batches";
        screen.draw(vec![bar(0.15, "1 of 6 batches, too long for the line")]);
        assert_eq!(paper.seen(), ["[===>                ] 1 of 6 batches, t"]);
        screen.draw(vec![bar(0.15, "1 of 6 batches"), bar(1.0, "year=2019")]);
        let both = [whole, "[====================] year=2019"];
        assert_eq!(paper.seen(), both);

        screen.hide();
        assert_eq!(paper.seen(), [""; 0]);
        screen.draw(vec![bar(0.15, "1 of 6 batches"), bar(1.0, "year=2019")]);
        assert_eq!(paper.seen(), [""; 0], "rows are being printed");
        screen.unhide();
        assert_eq!(paper.seen(), both);
        assert_eq!(screen.aside(|| paper.seen()), [""; 0]);
        assert_eq!(paper.seen(), both);

        screen.draw(vec![bar(0.15, "1 of 6 batches")]);
        assert_eq!(paper.seen(), [whole]);
        screen.clear();
        assert_eq!(paper.seen(), [""; 0]);
    }
}
