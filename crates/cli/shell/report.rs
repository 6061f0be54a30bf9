//! What failed in scripts that go on after errors.

use crate::exit::{self, Stop};
use crate::ui;

/// The statements that failed, and how many there were.
#[derive(Debug)]
pub struct Failures {
    pub goes_on: bool,
    statements: usize,
    failed: Vec<String>,
    code: Option<u8>,
}

impl Failures {
    pub fn new(goes_on: bool) -> Self {
        Self { goes_on, statements: 0, failed: Vec::new(), code: None }
    }

    pub fn count(&mut self) {
        self.statements += 1;
    }

    /// Takes what stopped a statement; what stops everything, or should, comes back.
    pub fn take(&mut self, stop: Stop) -> Result<(), Stop> {
        match &stop {
            Stop::Failed(problem) if self.goes_on => {
                ui::say_why(&stop);
                let place = problem.place.as_ref().map(ToString::to_string);
                self.failed.push(place.unwrap_or_else(|| "a statement".to_owned()));
                self.code.get_or_insert(exit::code(&stop));
                Ok(())
            }
            _ => Err(stop),
        }
    }

    /// Says what failed, if anything did; the process ends as the first failure would have it.
    pub fn end(&self) -> Result<(), Stop> {
        let Some(code) = self.code else { return Ok(()) };
        let text = format!(
            "{} of {} failed: {}",
            self.failed.len(),
            ui::counted(self.statements as u64, "statement"),
            self.failed.join(", ")
        );
        Err(Stop::Summary { code, text })
    }
}

#[cfg(test)]
mod tests {
    use icelift::{Error, ErrorKind};

    use super::*;
    use crate::signals::Signal;

    #[test]
    fn the_first_failure_gives_the_code() {
        let failed = |kind| Stop::from(Error::new(kind, "no")).at(|| "a.sql".to_owned().into());
        let mut failures = Failures::new(true);
        assert!(failures.end().is_ok());
        (0..3).for_each(|_| failures.count());
        failures.take(failed(ErrorKind::Difference)).unwrap();
        failures.take(failed(ErrorKind::Sql)).unwrap();
        let Err(Stop::Summary { code, text }) = failures.end() else { panic!("it failed") };
        assert_eq!((code, text.as_str()), (4, "2 of 3 statements failed: a.sql, a.sql"));
        let signal = Stop::Signalled { place: None, signal: Signal::Interrupt, resume: None };
        assert!(failures.take(signal).is_err() && failures.take(Stop::PipeClosed).is_err());
        assert!(Failures::new(false).take(failed(ErrorKind::Sql)).is_err());
    }
}
