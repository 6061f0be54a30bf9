//! Every way in which a lost answer can turn out, with a catalog that says what a test tells it to.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use iceberg::spec::{Operation, Snapshot, SnapshotReference, SnapshotRetention, Summary};
use iceberg::{NamespaceIdent, TableIdent, TableUpdate};
use tokio_util::task::TaskTracker;

use super::*;
use crate::catalog::{Dropped, ListedTable, NewTable, TableName};
use crate::error::Result;
use crate::storage::{Store, UploadSettings};

/// Our snapshot.
const OURS: i64 = 77;

/// What the table shows at one look, or what one copy of the commit is told.
#[derive(Debug)]
enum Told {
    Shows(Box<TableMetadata>),
    Missing,
    Failing,
    Landed,
    Conflict,
    Refused,
    Lost,
}

/// Says what it is told to, in turn; after the last word, the same again.
#[derive(Debug)]
struct Scripted {
    store: Store,
    looks: Mutex<VecDeque<Told>>,
    commits: Mutex<VecDeque<Told>>,
    sent: Mutex<Vec<CommitRequest>>,
}

impl Scripted {
    fn new(looks: Vec<Told>, commits: Vec<Told>) -> Arc<Self> {
        let store = Store::local(UploadSettings::default(), TaskTracker::new());
        Arc::new(Self {
            store,
            looks: Mutex::new(looks.into()),
            commits: Mutex::new(commits.into()),
            sent: Mutex::default(),
        })
    }

    fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

#[async_trait]
impl Catalog for Scripted {
    fn store(&self) -> &Store {
        &self.store
    }

    async fn list_namespaces(&self) -> Result<Vec<NamespaceIdent>> {
        unreachable!()
    }

    async fn create_namespace(&self, _: &NamespaceIdent, _: HashMap<String, String>) -> Result<()> {
        unreachable!()
    }

    async fn drop_namespace(&self, _: &NamespaceIdent) -> Result<()> {
        unreachable!()
    }

    async fn list_tables(&self, _: &NamespaceIdent) -> Result<Vec<ListedTable>> {
        unreachable!()
    }

    async fn load_table(&self, _: &TableIdent) -> Result<Table> {
        match self.looks.lock().unwrap().pop_front().expect("a look that the test did not foresee") {
            Told::Shows(metadata) => Ok(table(&self.store, *metadata)),
            Told::Missing => Err(Error::new(ErrorKind::NotFound, "no such table")),
            Told::Failing => Err(Error::new(ErrorKind::Unavailable, "down")),
            other => panic!("{other:?} is no look"),
        }
    }

    async fn stage_table(&self, _: NewTable) -> Result<Table> {
        unreachable!()
    }

    async fn register_table(&self, _: &TableIdent, _: &str) -> Result<Table> {
        unreachable!()
    }

    async fn drop_table(&self, _: &TableIdent) -> Result<Dropped> {
        unreachable!()
    }

    async fn commit(&self, _: &TableIdent, request: CommitRequest) -> CommitOutcome {
        self.sent.lock().unwrap().push(request);
        match self.commits.lock().unwrap().pop_front().expect("a copy that the test did not foresee") {
            Told::Landed => CommitOutcome::Landed,
            Told::Conflict => CommitOutcome::NotLanded(Error::new(ErrorKind::CommitConflict, "lost a race")),
            Told::Refused => CommitOutcome::NotLanded(Error::new(ErrorKind::Denied, "no right")),
            Told::Lost => CommitOutcome::Unknown(Error::new(ErrorKind::CommitUnknown, "no answer")),
            other => panic!("{other:?} is no answer"),
        }
    }
}

fn table(store: &Store, metadata: TableMetadata) -> Table {
    let name = TableName { catalog: "r2".into(), ident: TableIdent::from_strs(["n", "t"]).unwrap() };
    let (store, file_io) = (store.clone(), store.file_io());
    Table { name, metadata: metadata.into(), metadata_location: None, store, file_io, staged: None }
}

fn shows(metadata: TableMetadata) -> Told {
    Told::Shows(Box::new(metadata))
}

fn empty() -> TableMetadata {
    NewTable::of_one_column().metadata("s3://b/t".to_string()).unwrap()
}

/// The table after a snapshot on top of its current one.
fn with_snapshot(table: TableMetadata, id: i64) -> TableMetadata {
    let snapshot = Snapshot::builder()
        .with_snapshot_id(id)
        .with_parent_snapshot_id(table.current_snapshot_id())
        .with_sequence_number(table.next_sequence_number())
        .with_timestamp_ms(table.last_updated_ms() + 1)
        .with_manifest_list("s3://b/t/list.avro".to_string())
        .with_summary(Summary { operation: Operation::Append, additional_properties: HashMap::new() })
        .with_schema_id(0)
        .build();
    let reference = SnapshotReference::new(id, SnapshotRetention::branch(None, None, None));
    let builder = table.into_builder(None).add_snapshot(snapshot).unwrap();
    builder.set_ref(MAIN_BRANCH, reference).unwrap().build().unwrap().metadata
}

fn without_snapshot(table: TableMetadata, id: i64) -> TableMetadata {
    table.into_builder(None).remove_snapshots(&[id]).build().unwrap().metadata
}

/// The commit of [`OURS`] on top of `base`.
fn append(base: &TableMetadata) -> CommitRequest {
    let reference = SnapshotReference::new(OURS, SnapshotRetention::branch(None, None, None));
    CommitRequest {
        create: None,
        requirements: vec![
            TableRequirement::UuidMatch { uuid: base.uuid() },
            TableRequirement::RefSnapshotIdMatch { r#ref: "main".into(), snapshot_id: base.current_snapshot_id() },
        ],
        updates: vec![TableUpdate::SetSnapshotRef { ref_name: "main".into(), reference }],
        author: None,
    }
}

async fn settled(
    catalog: &Arc<Scripted>,
    base: TableMetadata,
    request: CommitRequest,
    sign: Sign<'_>,
) -> CommitOutcome {
    let base = table(&catalog.store, base);
    let looks = vec![Duration::ZERO; catalog.looks.lock().unwrap().len()];
    let catalog = Arc::clone(catalog) as Arc<dyn Catalog>;
    let lost = Error::new(ErrorKind::CommitUnknown, "no answer");
    settle(&catalog, &Unsettled { base: &base, request, sign }, lost, &looks).await
}

/// `landed`, or the kind of the error of the other outcomes.
async fn outcome(catalog: &Arc<Scripted>, base: &TableMetadata) -> String {
    match settled(catalog, base.clone(), append(base), Sign::Snapshot(OURS)).await {
        CommitOutcome::Landed => "landed".to_string(),
        CommitOutcome::NotLanded(error) => format!("not landed, {:?}", error.kind()),
        CommitOutcome::Unknown(error) => format!("unknown, {:?}", error.kind()),
    }
}

#[tokio::test]
async fn a_snapshot_that_is_there_has_landed() {
    let base = with_snapshot(empty(), 1);
    let landed = with_snapshot(base.clone(), OURS);
    for now in [landed.clone(), with_snapshot(landed, 3)] {
        let catalog = Scripted::new(vec![shows(now)], vec![]);
        assert_eq!(outcome(&catalog, &base).await, "landed");
        assert_eq!(catalog.sent(), 0);
    }
}

#[tokio::test]
async fn the_table_is_looked_at_until_it_tells() {
    let base = with_snapshot(empty(), 1);
    let landed = with_snapshot(base.clone(), OURS);
    let looks = vec![Told::Failing, Told::Missing, Told::Failing, shows(landed)];
    let catalog = Scripted::new(looks, vec![]);
    assert_eq!(outcome(&catalog, &base).await, "landed");
}

#[tokio::test]
async fn a_branch_that_went_on_without_it_never_takes_it() {
    for base in [empty(), with_snapshot(empty(), 1)] {
        let now = with_snapshot(with_snapshot(base.clone(), 2), 3);
        let catalog = Scripted::new(vec![shows(now)], vec![]);
        assert_eq!(outcome(&catalog, &base).await, "not landed, CommitConflict");
    }
}

#[tokio::test]
async fn a_cut_history_proves_nothing() {
    // Ours landed, another one followed, and a very eager expiry took ours away.
    let base = with_snapshot(empty(), 1);
    let now = without_snapshot(with_snapshot(with_snapshot(base.clone(), OURS), 3), OURS);
    let looks = (0..3).map(|_| shows(now.clone())).collect();
    let catalog = Scripted::new(looks, vec![]);
    assert_eq!(outcome(&catalog, &base).await, "unknown, CommitUnknown");
    assert_eq!(catalog.sent(), 0);
}

#[tokio::test]
async fn a_branch_that_stays_gets_another_copy() {
    let base = with_snapshot(empty(), 1);
    let catalog = Scripted::new(vec![shows(base.clone()), shows(base.clone())], vec![Told::Landed]);
    assert_eq!(outcome(&catalog, &base).await, "landed");
    assert_eq!(catalog.sent(), 1);
}

#[tokio::test]
async fn the_conflict_of_the_second_copy_may_be_the_first_one() {
    let base = with_snapshot(empty(), 1);
    let landed = with_snapshot(base.clone(), OURS);
    let looks = vec![shows(base.clone()), shows(base.clone()), shows(landed)];
    let catalog = Scripted::new(looks, vec![Told::Conflict]);
    assert_eq!(outcome(&catalog, &base).await, "landed");
    // Or really another writer.
    let other = with_snapshot(base.clone(), 2);
    let looks = vec![shows(base.clone()), shows(base.clone()), shows(other)];
    let catalog = Scripted::new(looks, vec![Told::Conflict]);
    assert_eq!(outcome(&catalog, &base).await, "not landed, CommitConflict");
}

#[tokio::test]
async fn copies_are_bounded_and_the_end_is_unknown() {
    let base = with_snapshot(empty(), 1);
    let looks = (0..8).map(|_| shows(base.clone())).collect();
    let catalog = Scripted::new(looks, vec![Told::Lost, Told::Lost]);
    assert_eq!(outcome(&catalog, &base).await, "unknown, CommitUnknown");
    assert_eq!(catalog.sent(), 2);
}

#[tokio::test]
async fn a_request_without_a_fence_is_not_sent_again() {
    let base = with_snapshot(empty(), 1);
    let catalog = Scripted::new((0..3).map(|_| shows(base.clone())).collect(), vec![]);
    let request = CommitRequest { updates: Vec::new(), ..append(&base) };
    let settled = settled(&catalog, base, request, Sign::Snapshot(OURS)).await;
    assert!(matches!(settled, CommitOutcome::Unknown(_)));
    assert_eq!(catalog.sent(), 0);
}

#[tokio::test]
async fn another_table_of_the_name_proves_nothing() {
    let base = with_snapshot(empty(), 1);
    let other = with_snapshot(with_snapshot(empty(), 5), 6);
    assert_ne!(base.uuid(), other.uuid());
    let catalog = Scripted::new(vec![shows(other.clone()), shows(other)], vec![]);
    assert_eq!(outcome(&catalog, &base).await, "unknown, CommitUnknown");
}

#[tokio::test]
async fn a_new_table_is_known_by_its_uuid() {
    let base = empty();
    let request = CommitRequest {
        create: Some(base.clone().into()),
        requirements: vec![TableRequirement::NotExist],
        ..CommitRequest::default()
    };
    let catalog = Scripted::new(vec![Told::Missing, shows(base.clone())], vec![]);
    let outcome = settled(&catalog, base.clone(), request.clone(), Sign::Table).await;
    assert!(matches!(outcome, CommitOutcome::Landed));
    // It is not there: another copy cannot make two of it.
    let catalog = Scripted::new(vec![Told::Missing, Told::Missing], vec![Told::Landed]);
    let outcome = settled(&catalog, base.clone(), request.clone(), Sign::Table).await;
    assert!(matches!(outcome, CommitOutcome::Landed));
    // Somebody else's.
    let catalog = Scripted::new(vec![shows(empty())], vec![]);
    let outcome = settled(&catalog, base, request, Sign::Table).await;
    assert!(matches!(outcome, CommitOutcome::Unknown(_)));
}

#[tokio::test]
async fn a_replacement_without_rows_leaves_nothing_to_wait_for() {
    let base = with_snapshot(empty(), 1);
    let catalog = Scripted::new(vec![shows(base.clone()), shows(base.clone())], vec![]);
    let outcome = settled(&catalog, base.clone(), append(&base), Sign::Table).await;
    let CommitOutcome::Unknown(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.to_string().contains("whether the table was replaced"), "{error}");
    assert_eq!(catalog.looks.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_conflict_is_looked_at() {
    let base = with_snapshot(empty(), 1);
    let (landed, other) = (with_snapshot(base.clone(), OURS), with_snapshot(base.clone(), 2));
    for (looks, expected) in [
        (vec![shows(landed.clone())], "Landed"),
        (vec![Told::Failing, shows(landed)], "Landed"),
        (vec![shows(other)], "NotLanded"),
        (vec![shows(base.clone())], "NotLanded"),
        (vec![Told::Missing], "NotLanded"),
        (vec![Told::Failing, Told::Failing], "Unknown"),
    ] {
        let waits = vec![Duration::ZERO; looks.len()];
        let catalog = Scripted::new(looks, vec![]);
        let base_table = table(&catalog.store, base.clone());
        let sent = Unsettled { base: &base_table, request: append(&base), sign: Sign::Snapshot(OURS) };
        let conflict = Error::new(ErrorKind::CommitConflict, "lost a race");
        let outcome = confirm(&(Arc::clone(&catalog) as Arc<dyn Catalog>), &sent, conflict, &waits).await;
        assert!(format!("{outcome:?}").starts_with(expected), "{outcome:?}");
    }
}

#[tokio::test]
async fn whatever_is_not_told_to_have_landed_is_looked_at() {
    let base = with_snapshot(empty(), 1);
    for (told, looks, expected) in [
        (Told::Landed, vec![], "Landed"),
        // What is refused may be a second copy.
        (Told::Refused, vec![shows(base.clone())], "NotLanded"),
        (Told::Refused, vec![shows(with_snapshot(base.clone(), OURS))], "Landed"),
        (Told::Refused, vec![Told::Failing], "NotLanded"),
        (Told::Conflict, vec![shows(with_snapshot(base.clone(), 2))], "NotLanded"),
        (Told::Lost, vec![shows(with_snapshot(base.clone(), OURS))], "Landed"),
    ] {
        let catalog = Scripted::new(looks, vec![told]);
        let base_table = table(&catalog.store, base.clone());
        let sent = Unsettled { base: &base_table, request: append(&base), sign: Sign::Snapshot(OURS) };
        let outcome = commit(&(Arc::clone(&catalog) as Arc<dyn Catalog>), &sent).await;
        assert!(format!("{outcome:?}").starts_with(expected), "{outcome:?}");
        assert!(catalog.looks.lock().unwrap().is_empty());
    }
}
