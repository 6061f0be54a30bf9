//! Who works when: the next batch is read while the last one is verified and committed.
//!
//! So many batches as may run beside each other are being copied, and as many again being landed: verified and committed.
//! What must hold: a batch that is copied keeps its turn until it may land, so that no more than these hold files that are
//! not committed; where batches run one by one, they land in the order in which they were copied.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, ErrorKind, Result};

/// The turns of one migration.
#[derive(Debug)]
pub(super) struct Turns {
    copying: Semaphore,
    landing: Semaphore,
}

/// The turn of one batch; the next one's begins when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(#[expect(dead_code, reason = "held, not used")] SemaphorePermit<'a>);

impl Turns {
    /// For batches of which `parallel` may run beside each other.
    pub fn new(parallel: usize) -> Self {
        Self { copying: Semaphore::new(parallel), landing: Semaphore::new(parallel) }
    }

    /// Waits until a batch may be copied.
    pub async fn to_copy(&self) -> Result<Turn<'_>> {
        self.copying.acquire().await.map(Turn).map_err(closed)
    }

    /// Waits until a batch that is copied may be landed, and lets the next one be copied.
    pub async fn to_land(&self, copying: Turn<'_>) -> Result<Turn<'_>> {
        let landing = self.landing.acquire().await.map(Turn).map_err(closed)?;
        drop(copying);
        Ok(landing)
    }
}

fn closed(source: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::Internal, "the batches get no turns any more").source(source)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::Turns;

    #[test]
    fn one_is_copied_while_one_lands() {
        let turns = Turns::new(1);
        let first = turns.to_copy().now_or_never().unwrap().unwrap();
        assert!(turns.to_copy().now_or_never().is_none());
        let first = turns.to_land(first).now_or_never().unwrap().unwrap();
        let second = turns.to_copy().now_or_never().unwrap().unwrap();
        let mut second = Box::pin(turns.to_land(second));
        assert!((&mut second).now_or_never().is_none());
        // It keeps its turn until it may land.
        assert!(turns.to_copy().now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().is_some());
        assert!(turns.to_copy().now_or_never().is_some());
    }
}
