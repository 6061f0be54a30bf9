//! One lane of a sink: encodes the rows of its keys into row groups, one open for each key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;
use tokio::sync::mpsc;

use super::encode::{Encoder, OpenRowGroup};
use super::files::{Files, RowGroup};
use crate::error::{Error, Result};
use crate::pipeline::shuffle::PartitionKey;
use crate::pipeline::splice::PageCompressor;

/// What the open row groups of a lane may hold without asking the pool, out of the engine's reserve: below it they would be too
/// small to be of use to any reader.
const FREE_BYTES: usize = 8 << 20;

/// A row group is idle when rows of others have passed its lane that are so many times the bytes of a full one in memory.
const IDLE_TIMES: usize = 4;

/// A row group is worth closing from this part of its full size on.
const IDLE_PART: usize = 4;

/// Rows of one key on their way to a lane.
pub(super) struct Part {
    pub key: PartitionKey,
    pub rows: RecordBatch,
    /// What they hold until they are encoded.
    pub held: MemoryReservation,
}

pub(super) struct Lane {
    encoder: Arc<Encoder>,
    compressor: PageCompressor,
    files: Arc<Files>,
    open: HashMap<Arc<[u8]>, Open>,
    /// Bytes of all rows that came, as they were in memory.
    bytes_in: usize,
    reservation: MemoryReservation,
}

struct Open {
    key: PartitionKey,
    row_group: OpenRowGroup,
    /// What had come to the lane when rows came here last.
    last_bytes_in: usize,
}

impl Lane {
    pub fn new(encoder: Arc<Encoder>, files: Arc<Files>, reservation: MemoryReservation) -> Self {
        Self { compressor: encoder.compressor(), encoder, files, open: HashMap::new(), bytes_in: 0, reservation }
    }

    /// Encodes all parts that come.
    ///
    /// # Errors
    /// Rows that do not fit the table; what the store answers.
    pub async fn run(mut self, mut parts: mpsc::Receiver<Part>) -> Result<()> {
        let look_bytes = self.encoder.row_group_bytes.saturating_mul(IDLE_TIMES) / 4;
        let mut next_look = look_bytes;
        while let Some(Part { key, rows, held }) = parts.recv().await {
            let bytes = Arc::clone(&key.bytes);
            self.bytes_in = self.bytes_in.saturating_add(held.size());
            self.encode(key, &rows)?;
            drop((rows, held));
            if self.open.get(&bytes).is_some_and(|open| open.row_group.is_full(&self.encoder)) {
                self.close(&bytes).await?;
            }
            if self.bytes_in >= next_look {
                next_look = self.bytes_in.saturating_add(look_bytes);
                self.close_idle().await?;
            }
            self.reserve().await?;
        }
        let keys: Vec<_> = self.open.keys().cloned().collect();
        for key in keys {
            self.close(&key).await?;
        }
        Ok(())
    }

    fn encode(&mut self, key: PartitionKey, rows: &RecordBatch) -> Result<()> {
        let open = match self.open.entry(Arc::clone(&key.bytes)) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(vacant) => vacant.insert(Open { key, row_group: self.encoder.open()?, last_bytes_in: 0 }),
        };
        open.last_bytes_in = self.bytes_in;
        open.row_group.write(&self.encoder, rows, &mut self.compressor)
    }

    /// Closes row groups that nothing has come to for long: of rows in the order of their partitions nothing comes any more, and
    /// they would hold memory until the last one.
    async fn close_idle(&mut self) -> Result<()> {
        let full_bytes = self.encoder.row_group_bytes;
        let is_idle = |open: &Open| {
            self.bytes_in - open.last_bytes_in >= full_bytes.saturating_mul(IDLE_TIMES)
                && open.row_group.encoded_bytes() >= full_bytes / IDLE_PART
        };
        let idle: Vec<_> = self.open.iter().filter(|(_, open)| is_idle(open)).map(|(key, _)| Arc::clone(key)).collect();
        for key in idle {
            self.close(&key).await?;
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.open.values().map(|open| open.row_group.memory_bytes()).sum()
    }

    /// Accounts for the open row groups; where the pool refuses, the largest are closed early.
    async fn reserve(&mut self) -> Result<()> {
        loop {
            let refused = match self.reservation.try_resize(self.memory_bytes().saturating_sub(FREE_BYTES)) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            let largest = self.open.iter().max_by_key(|(_, open)| open.row_group.memory_bytes());
            match largest.map(|(key, _)| Arc::clone(key)) {
                Some(largest) => self.close(&largest).await?,
                None => {
                    let hint = "raise the memory limit, or lower `write.parquet.row-group-size-bytes` of the table";
                    return Err(Error::from(refused).hint(hint));
                }
            }
        }
    }

    async fn close(&mut self, key: &Arc<[u8]>) -> Result<()> {
        let Some(Open { key, row_group, .. }) = self.open.remove(key) else { return Ok(()) };
        self.files.append(&key, RowGroup::Encoded(row_group.finish(&mut self.compressor)?)).await.map(|_| ())
    }
}
