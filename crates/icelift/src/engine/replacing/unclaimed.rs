//! Files that are written and that no commit names yet: removed unless they are kept, however the statement ends.

use iceberg::spec::DataFile;

use crate::storage::Store;

pub(in crate::engine) struct Unclaimed {
    store: Store,
    locations: Vec<String>,
}

impl Unclaimed {
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), locations: Vec::new() }
    }

    pub fn add(&mut self, files: &[DataFile]) {
        self.locations.extend(files.iter().map(|file| file.file_path().to_string()));
    }

    /// The files are committed, or may be: hands off.
    pub fn keep(mut self) {
        self.locations.clear();
    }

    /// Removes the files now.
    pub async fn remove(mut self) {
        remove(&self.store, std::mem::take(&mut self.locations)).await;
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let locations = std::mem::take(&mut self.locations);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !locations.is_empty() {
            let store = self.store.clone();
            self.store.cleanup().spawn_on(async move { remove(&store, locations).await }, &runtime);
        }
    }
}

async fn remove(store: &Store, locations: Vec<String>) {
    for location in locations {
        if let Err(error) = store.delete(&location).await {
            tracing::warn!(location, %error, "an uncommitted data file could not be removed");
        }
    }
}
