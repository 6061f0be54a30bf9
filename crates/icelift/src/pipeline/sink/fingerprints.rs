//! Fingerprints of the rows that come in, for whoever verifies the files later.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;

use super::delivery::Delivery;
use super::{SinkTarget, paths};
use crate::error::Result;
use crate::pipeline::shuffle::PartitionKey;
use crate::pipeline::verify::{Hashers, Prints};

/// Those of all inputs, by the folder of their partition.
pub(super) type SharedPrints = Arc<Mutex<BTreeMap<String, Prints>>>;

/// Takes the fingerprints of one input.
pub(super) struct Fingerprints {
    hashers: Hashers,
    by_key: HashMap<Arc<[u8]>, (PartitionKey, Prints)>,
    all: SharedPrints,
}

impl Fingerprints {
    pub fn new(target: &SinkTarget, delivery: &Delivery, all: &SharedPrints) -> Result<Self> {
        let hashers = Hashers::new(&target.schema, delivery.portable.as_ref())?;
        Ok(Self { hashers, by_key: HashMap::new(), all: Arc::clone(all) })
    }

    /// Adds rows of one partition.
    pub fn add(&mut self, key: &PartitionKey, rows: &RecordBatch) -> Result<()> {
        let prints = self.hashers.hash(rows)?;
        let new = || (key.clone(), Prints::default());
        self.by_key.entry(Arc::clone(&key.bytes)).or_insert_with(new).1.merge(prints);
        Ok(())
    }

    /// Adds what this input had to that of the others.
    pub fn finish(self, target: &SinkTarget) {
        let metadata = &target.table.metadata;
        let (spec, schema) = (metadata.default_partition_spec(), metadata.current_schema());
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, prints) in self.by_key.into_values() {
            all.entry(paths::partition_folder(spec, schema, &key.values)).or_default().merge(prints);
        }
    }
}
