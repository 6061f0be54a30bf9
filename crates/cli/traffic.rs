//! What a statement asked of the catalogs that are not on this machine: requests and bytes are what clouds charge for.

use std::fmt;

use icelift::{Engine, MeterReading};

use crate::ui;

/// Readings of the attached catalogs, by name.
#[derive(Default)]
pub struct Traffic(Vec<(String, MeterReading)>);

impl Traffic {
    /// What was asked so far.
    pub fn read(engine: &Engine) -> Self {
        let remote = engine.catalogs().into_iter().filter(|catalog| catalog.kind != "local");
        Self(remote.filter_map(|catalog| engine.meter(&catalog.name).map(|reading| (catalog.name, reading))).collect())
    }

    /// What was asked since an earlier reading; catalogs that were not asked are left out.
    pub fn since(self, earlier: &Self) -> Self {
        let before = |name: &str| earlier.0.iter().find(|(known, _)| known == name).map(|(_, reading)| *reading);
        let asked = self.0.into_iter().map(|(name, now)| {
            let since = now.since(&before(&name).unwrap_or_default());
            (name, since)
        });
        Self(asked.filter(|(_, reading)| *reading != MeterReading::default()).collect())
    }

    /// One event for each catalog, for logs that are read by programs.
    pub fn log(&self) {
        for (catalog, reading) in &self.0 {
            tracing::info!(
                catalog,
                catalog_calls = reading.catalog_calls,
                put = reading.put_requests,
                list = reading.list_requests,
                get = reading.get_requests,
                head = reading.head_requests,
                delete = reading.delete_requests,
                read_bytes = reading.read_bytes,
                written_bytes = reading.written_bytes,
                "requests of a statement"
            );
        }
    }
}

/// What all catalogs together were asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Those of this machine included.
    pub read_bytes: u64,
    /// To catalogs that are not on this machine.
    pub requests: u64,
}

impl Asked {
    /// What was asked so far.
    pub fn read(engine: &Engine) -> Self {
        let mut asked = Self::default();
        for catalog in engine.catalogs() {
            let reading = engine.meter(&catalog.name).unwrap_or_default();
            asked.read_bytes += reading.read_bytes;
            if catalog.kind != "local" {
                let reads = reading.get_requests + reading.head_requests + reading.list_requests;
                asked.requests += reading.catalog_calls + reads + reading.put_requests + reading.delete_requests;
            }
        }
        asked
    }

    /// What was asked since an earlier reading.
    pub fn since(self, earlier: &Self) -> Self {
        Self {
            read_bytes: self.read_bytes.saturating_sub(earlier.read_bytes),
            requests: self.requests.saturating_sub(earlier.requests),
        }
    }
}

/// `; glue: 2 calls, 31 reads of 12.5 MB; r2: 3 calls, 9 writes of 11.0 MB`, or nothing.
impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, reading) in &self.0 {
            let reads = reading.get_requests + reading.head_requests;
            let writes = reading.put_requests + reading.list_requests;
            let parts = [
                (reading.catalog_calls, ui::counted(reading.catalog_calls, "call")),
                (reads, format!("{} of {}", ui::counted(reads, "read"), ui::bytes(reading.read_bytes))),
                (writes, format!("{} of {}", ui::counted(writes, "write"), ui::bytes(reading.written_bytes))),
            ];
            let parts: Vec<_> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
            if !parts.is_empty() {
                write!(f, "; {name}: {}", parts.join(", "))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use icelift::MeterReading;

    use super::Traffic;

    fn reading(catalog_calls: u64, get_requests: u64, read_bytes: u64) -> MeterReading {
        let mut reading = MeterReading::default();
        (reading.catalog_calls, reading.get_requests, reading.read_bytes) = (catalog_calls, get_requests, read_bytes);
        reading
    }

    #[test]
    fn only_what_was_asked_since_is_said() {
        let before = Traffic(vec![("glue".to_owned(), reading(2, 1, 10)), ("r2".to_owned(), reading(1, 0, 0))]);
        let now = Traffic(vec![("glue".to_owned(), reading(3, 32, 12_500_010)), ("r2".to_owned(), reading(1, 0, 0))]);
        assert_eq!(now.since(&before).to_string(), "; glue: 1 call, 31 reads of 12.5 MB");
    }
}
