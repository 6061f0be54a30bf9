//! Who works when: while one batch is read, the files of the one before are completed, those of the one before that verified, and
//! the one before all of them is committed.
//!
//! At each of these stages are at most so many batches as may run beside each other. Small ones are copied faster than they are
//! committed: some more may wait for that, and the next ones are read meanwhile. What must hold: a batch keeps its turn until it may
//! go on to the next stage, so that batches whose files are not committed do not pile up; where they run one by one, they are
//! committed in the order in which they were copied.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, ErrorKind, Result};

/// Verified batches that wait for their commits, for each one that may run. They hold no memory, and are adopted by the next run if
/// this one dies.
const WAITING_MAX: usize = 8;

/// Batches under way, for each one that may run: one at each stage, and those that wait.
pub(super) const UNDER_WAY_MAX: usize = 4 + WAITING_MAX;

/// Files that are read again at once, unless there are more cores.
const READ_AT_ONCE: usize = 2;

/// The turns of one migration.
#[derive(Debug)]
pub(super) struct Turns {
    copying: Semaphore,
    completing: Semaphore,
    verifying: Semaphore,
    waiting: Semaphore,
    committing: Semaphore,
    /// Files are read again when they are complete, whatever the stage of their batch.
    reading: Semaphore,
}

/// The turn of one batch at one stage; the next one's begins when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(#[expect(dead_code, reason = "held, not used")] SemaphorePermit<'a>);

impl Turns {
    /// For batches of which `parallel` may run beside each other, on so many cores.
    pub fn new(parallel: usize, cores: usize) -> Self {
        let stage = || Semaphore::new(parallel);
        Self {
            copying: stage(),
            completing: stage(),
            verifying: stage(),
            waiting: Semaphore::new(parallel * WAITING_MAX),
            committing: stage(),
            reading: Semaphore::new(cores.max(READ_AT_ONCE)),
        }
    }

    /// Waits until a batch may be copied.
    pub async fn to_copy(&self) -> Result<Turn<'_>> {
        turn(&self.copying).await
    }

    /// Waits until the files of a batch that is read may be completed, and lets the next one be copied.
    pub async fn to_complete(&self, copying: Turn<'_>) -> Result<Turn<'_>> {
        onward(copying, &self.completing).await
    }

    /// Waits until a batch whose files are there may be verified, and lets those of the next one be completed.
    pub async fn to_verify(&self, completing: Turn<'_>) -> Result<Turn<'_>> {
        onward(completing, &self.verifying).await
    }

    /// Waits until a file may be read again.
    pub async fn to_read(&self) -> Result<Turn<'_>> {
        turn(&self.reading).await
    }

    /// Waits until a batch that is verified may be committed, and lets the next one be verified unless too many wait.
    pub async fn to_commit(&self, verifying: Turn<'_>) -> Result<Turn<'_>> {
        let waiting = onward(verifying, &self.waiting).await?;
        onward(waiting, &self.committing).await
    }
}

/// Waits for a turn at the next stage, and gives up the one at hand for it.
async fn onward<'a>(at: Turn<'_>, next: &'a Semaphore) -> Result<Turn<'a>> {
    let turn = turn(next).await?;
    drop(at);
    Ok(turn)
}

async fn turn(stage: &Semaphore) -> Result<Turn<'_>> {
    let closed = |source| Error::new(ErrorKind::Internal, "the batches get no turns any more").source(source);
    stage.acquire().await.map(Turn).map_err(closed)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::{Turns, WAITING_MAX};

    #[test]
    fn one_is_at_each_stage() {
        let turns = Turns::new(1, 1);
        let copy = || turns.to_copy().now_or_never().map(Result::unwrap);
        let first = copy().unwrap();
        assert!(copy().is_none());
        let first = turns.to_complete(first).now_or_never().unwrap().unwrap();
        let second = copy().unwrap();
        let mut second = Box::pin(turns.to_complete(second));
        assert!((&mut second).now_or_never().is_none());
        // It keeps its turn until it may go on.
        assert!(copy().is_none());
        let first = turns.to_verify(first).now_or_never().unwrap().unwrap();
        let second = second.now_or_never().unwrap().unwrap();
        assert!(copy().is_some());
        let mut second = Box::pin(turns.to_verify(second));
        assert!((&mut second).now_or_never().is_none());
        let first = turns.to_commit(first).now_or_never().unwrap().unwrap();
        let second = second.now_or_never().unwrap().unwrap();
        let mut second = Box::pin(turns.to_commit(second));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().is_some());
    }

    #[test]
    fn some_wait_for_their_commits_in_their_order() {
        let turns = Turns::new(1, 1);
        let verified = || {
            let copied = turns.to_copy().now_or_never()?.unwrap();
            let complete = turns.to_complete(copied).now_or_never()?.unwrap();
            turns.to_verify(complete).now_or_never().map(Result::unwrap)
        };
        let first = turns.to_commit(verified().unwrap()).now_or_never().unwrap().unwrap();
        let mut waiting = Vec::new();
        for _ in 0..=WAITING_MAX {
            let mut next = Box::pin(turns.to_commit(verified().unwrap()));
            assert!((&mut next).now_or_never().is_none());
            waiting.push(next);
        }
        // The last one is at its stage still.
        assert!(verified().is_none());
        drop(first);
        assert!(waiting[1..].iter_mut().all(|waiting| waiting.now_or_never().is_none()));
        assert!(waiting.remove(0).now_or_never().is_some());
        assert!(verified().is_none());
    }
}
