//! Keeps the terminal from showing `^C` where bars are.
//!
//! Bars fill their lines, so what the terminal echoes for a key lands in the line below, and they would be taken off the wrong
//! lines. Other keys are shown as ever: a terminal that is left like this, because the process was killed, loses little.

#[cfg(unix)]
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// Control keys are not shown while this lives.
#[cfg(unix)]
pub struct Hushed(Option<Termios>);

#[cfg(unix)]
impl Hushed {
    /// Nothing happens if stdin is no terminal.
    pub fn begin() -> Self {
        let stdin = std::io::stdin();
        let Some(before) = tcgetattr(&stdin).ok().filter(|it| it.local_flags.contains(LocalFlags::ECHOCTL)) else {
            return Self(None);
        };
        let mut hushed = before.clone();
        hushed.local_flags.remove(LocalFlags::ECHOCTL);
        Self(tcsetattr(&stdin, SetArg::TCSANOW, &hushed).is_ok().then_some(before))
    }
}

#[cfg(unix)]
impl Drop for Hushed {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that went away needs nothing any more.
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

#[cfg(not(unix))]
pub struct Hushed;

#[cfg(not(unix))]
impl Hushed {
    pub fn begin() -> Self {
        Self
    }
}
