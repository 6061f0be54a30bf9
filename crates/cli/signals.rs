//! SIGINT and SIGTERM as something to wait for.

use std::fmt;

use icelift::{Error, ErrorKind};
#[cfg(unix)]
use tokio::signal::unix;

/// A request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Interrupt,
    Terminate,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        })
    }
}

/// Hears the signals that arrive from its making on; from then on they no longer end the process by themselves.
pub struct Signals {
    #[cfg(unix)]
    interrupt: unix::Signal,
    #[cfg(unix)]
    terminate: unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub fn listen() -> Result<Self, Error> {
        let listen = |kind| unix::signal(kind).map_err(cannot_listen);
        Ok(Self {
            interrupt: listen(unix::SignalKind::interrupt())?,
            terminate: listen(unix::SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }

    /// Waits for SIGTERM alone.
    pub async fn terminated(&mut self) -> Signal {
        self.terminate.recv().await;
        Signal::Terminate
    }
}

#[cfg(not(unix))]
impl Signals {
    pub fn listen() -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Waits for Ctrl-C.
    pub async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            Err(_) => std::future::pending().await,
        }
    }

    /// There is no SIGTERM here.
    pub async fn terminated(&mut self) -> Signal {
        std::future::pending().await
    }
}

#[cfg(unix)]
fn cannot_listen(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Resources, "signals cannot be listened to").source(error)
}
