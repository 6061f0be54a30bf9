//! Retention over tables that exist on paper only.

use std::collections::HashMap;

use iceberg::spec::{Operation, Snapshot, SnapshotReference, SnapshotRetention, Summary, TableMetadata};

use super::{Expiry, Wanted, expiry};
use crate::catalog::{NewTable, refs};
use crate::error::ErrorKind;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The snapshot `n` is made on the day `n`; now it is the day 20.
const NOW_MS: i64 = 20 * DAY_MS;
/// An age that reaches behind all snapshots.
const BEHIND_ALL: Option<i64> = Some(NOW_MS);

/// A table on paper; time begins in 1970.
struct Paper(TableMetadata);

impl Paper {
    fn new(properties: &[(&str, &str)]) -> Self {
        let metadata = NewTable::of_one_column().metadata("s3://b/t".to_string()).unwrap();
        let mut json = serde_json::to_value(&metadata).unwrap();
        json["last-updated-ms"] = 0.into();
        let metadata: TableMetadata = serde_json::from_value(json).unwrap();
        let properties: HashMap<_, _> = properties.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Self(metadata.into_builder(None).set_properties(properties).unwrap().build().unwrap().metadata)
            .at_the_beginning()
    }

    fn at_the_beginning(self) -> Self {
        let mut json = serde_json::to_value(&self.0).unwrap();
        json["last-updated-ms"] = 0.into();
        Self(serde_json::from_value(json).unwrap())
    }

    /// A snapshot of the day `id` on top of `parent`, and where these references point then.
    fn with(self, id: i64, parent: Option<i64>, references: &[(&str, SnapshotRetention)]) -> Self {
        let snapshot = Snapshot::builder()
            .with_snapshot_id(id)
            .with_parent_snapshot_id(parent)
            .with_sequence_number(self.0.next_sequence_number())
            .with_timestamp_ms(id * DAY_MS)
            .with_manifest_list(format!("s3://b/t/{id}.avro"))
            .with_summary(Summary { operation: Operation::Append, additional_properties: HashMap::new() })
            .with_schema_id(0)
            .build();
        let mut builder = self.0.into_builder(None).add_snapshot(snapshot).unwrap();
        for (name, retention) in references {
            builder = builder.set_ref(name, SnapshotReference::new(id, retention.clone())).unwrap();
        }
        Self(builder.build().unwrap().metadata)
    }

    /// Ten snapshots of main, one a day.
    fn of_ten_days(properties: &[(&str, &str)]) -> Self {
        (1..=10)
            .fold(Self::new(properties), |paper, id| paper.with(id, (id > 1).then_some(id - 1), &[("main", plain())]))
    }

    fn tagged(self, id: i64, name: &str, retention: SnapshotRetention) -> Self {
        let builder = self.0.into_builder(None).set_ref(name, SnapshotReference::new(id, retention)).unwrap();
        Self(builder.build().unwrap().metadata)
    }

    fn expiry(&self, wanted: &Wanted) -> crate::Result<Expiry> {
        expiry(&self.0, &refs(&self.0).unwrap(), wanted, NOW_MS)
    }

    fn gone(&self, older_than_ms: Option<i64>, retain_last: Option<usize>) -> Vec<i64> {
        self.expiry(&Wanted { older_than_ms, retain_last, snapshot_ids: Vec::new() }).unwrap().snapshots
    }
}

fn plain() -> SnapshotRetention {
    SnapshotRetention::branch(None, None, None)
}

fn tag(max_ref_age_ms: Option<i64>) -> SnapshotRetention {
    SnapshotRetention::Tag { max_ref_age_ms }
}

#[test]
fn the_current_snapshot_stays_and_what_is_young() {
    let paper = Paper::of_ten_days(&[]);
    assert_eq!(paper.gone(None, None), (1..=9).collect::<Vec<_>>());
    assert_eq!(paper.gone(Some(7 * DAY_MS), None), (1..=6).collect::<Vec<_>>());
    assert_eq!(paper.gone(Some(0), None), Vec::<i64>::new());
    assert_eq!(paper.gone(BEHIND_ALL, Some(3)), (1..=7).collect::<Vec<_>>());
    assert_eq!(paper.gone(BEHIND_ALL, Some(100)), Vec::<i64>::new());
}

#[test]
fn properties_of_the_table_hold_where_the_statement_says_nothing() {
    let days = (15 * DAY_MS).to_string();
    let paper = Paper::of_ten_days(&[("history.expire.max-snapshot-age-ms", &days)]);
    assert_eq!(paper.gone(None, None), (1..=4).collect::<Vec<_>>());
    let paper = Paper::of_ten_days(&[("history.expire.min-snapshots-to-keep", "4")]);
    assert_eq!(paper.gone(None, None), (1..=6).collect::<Vec<_>>());
    assert_eq!(paper.gone(None, Some(2)), (1..=8).collect::<Vec<_>>());
    for (key, value, told) in [
        ("history.expire.min-snapshots-to-keep", "many", "is `many`, it takes a number"),
        ("history.expire.min-snapshots-to-keep", "0", "is `0`, expected 1 or more"),
        ("history.expire.max-snapshot-age-ms", "5d", "is `5d`, it takes a number"),
        ("history.expire.max-ref-age-ms", "", "is ``, it takes a number"),
    ] {
        let error = Paper::of_ten_days(&[(key, value)]).expiry(&Wanted::default()).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Config, format!("the table property `{key}` {told}"))
        );
    }
}

#[test]
fn branches_and_tags_keep_what_they_point_to() {
    let paper = Paper::of_ten_days(&[]).tagged(3, "v3", tag(None)).tagged(
        6,
        "audit",
        SnapshotRetention::branch(Some(2), None, None),
    );
    // The tag keeps one, the branch two.
    assert_eq!(paper.gone(BEHIND_ALL, None), [1, 2, 4, 7, 8, 9]);
    let aged = SnapshotRetention::branch(None, Some(16 * DAY_MS), None);
    let paper = Paper::of_ten_days(&[]).tagged(6, "audit", aged);
    assert_eq!(paper.gone(BEHIND_ALL, None), [1, 2, 3, 7, 8, 9]);
}

#[test]
fn references_go_at_their_age_and_main_does_not() {
    let old = SnapshotRetention::branch(None, None, Some(DAY_MS));
    let paper = Paper::of_ten_days(&[]).tagged(3, "v3", tag(Some(16 * DAY_MS))).tagged(5, "v5", tag(Some(15 * DAY_MS)));
    let paper = paper.tagged(6, "audit", old.clone()).tagged(10, "main", old);
    let expiry = paper.expiry(&Wanted { older_than_ms: BEHIND_ALL, ..Wanted::default() }).unwrap();
    assert_eq!(expiry, Expiry { snapshots: vec![1, 2, 3, 4, 6, 7, 8, 9], refs: vec!["audit".into(), "v3".into()] });
    let age = (10 * DAY_MS).to_string();
    let paper = Paper::of_ten_days(&[("history.expire.max-ref-age-ms", &age)]).tagged(9, "v9", tag(None));
    assert_eq!(paper.expiry(&Wanted::default()).unwrap().refs, ["v9"]);
}

/// A snapshot that no reference leads to, such as one that was rolled back, stays until it is old.
#[test]
fn what_nothing_leads_to_goes_by_its_age() {
    let paper = Paper::of_ten_days(&[]).with(11, Some(4), &[("main", plain())]);
    assert_eq!(paper.gone(Some(8 * DAY_MS), Some(2)), [1, 2, 3, 5, 6, 7]);
    // Behind the first ancestor that goes all go, whatever their clock said.
    let paper = Paper::new(&[]).with(1, None, &[("main", plain())]).with(9, Some(1), &[("main", plain())]);
    assert_eq!(paper.gone(Some(9 * DAY_MS), None), [1]);
}

#[test]
fn snapshots_that_are_named() {
    let paper = Paper::of_ten_days(&[]).tagged(3, "v3", tag(None));
    let named =
        |ids: &[i64]| paper.expiry(&Wanted { older_than_ms: Some(0), retain_last: None, snapshot_ids: ids.to_vec() });
    assert_eq!(named(&[4, 9, 4]).unwrap().snapshots, [4, 9]);
    let refused = |ids: &[i64]| {
        let error = named(ids).unwrap_err();
        (error.kind(), error.to_string())
    };
    assert_eq!(refused(&[4, 44]), (ErrorKind::NotFound, "the table has no snapshot 44".to_string()));
    assert_eq!(refused(&[10]), (ErrorKind::Sql, "the snapshot 10 cannot expire: `main` points to it".to_string()));
    assert_eq!(refused(&[3]), (ErrorKind::Sql, "the snapshot 3 cannot expire: `v3` points to it".to_string()));
}
