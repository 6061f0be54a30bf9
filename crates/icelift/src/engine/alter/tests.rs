use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use iceberg::spec::{FormatVersion, TableMetadata, Transform};
use iceberg::{TableIdent, TableRequirement};
use tokio_util::task::TaskTracker;

use super::*;
use crate::catalog::{Catalog, Dropped, ListedTable, NewTable};
use crate::sql::{self, Statement};
use crate::storage::{Store, UploadSettings};

fn statement(text: &str) -> Change {
    match sql::parse(&format!("ALTER TABLE c.n.t {text}")) {
        Ok(Statement::AlterTable(AlterTable { change, .. })) => Change { change, catalog_kind: "local".to_string() },
        other => panic!("{text}: {other:?}"),
    }
}

/// `(a int, s struct<x: int, y: string>, l list<struct<z: int>>, m map<string, float>)`, and a required `k`.
fn metadata(version: &str) -> TableMetadata {
    let text = "CREATE TABLE c.n.t (k BIGINT NOT NULL, a INT, s STRUCT<x: INT, y: STRING>, l LIST<STRUCT<z: INT>>, \
                m MAP<STRING, FLOAT>)";
    let Ok(Statement::CreateTable(create)) = sql::parse(text) else { panic!("no table") };
    let schema = crate::engine::schema::schema(create.columns.as_deref().unwrap()).unwrap();
    let new = NewTable {
        schema,
        properties: [("format-version".to_string(), version.to_string())].into(),
        ..NewTable::of_one_column()
    };
    new.metadata("file:///t".to_string()).unwrap()
}

fn table(metadata: TableMetadata) -> Table {
    let name = TableName { catalog: "c".into(), ident: TableIdent::from_strs(["n", "t"]).unwrap() };
    let store = Store::local(UploadSettings::default(), TaskTracker::new());
    Table::at(name, "file:///t/metadata/1.json".to_string(), metadata.into(), store)
}

async fn try_alter(metadata: TableMetadata, text: &str) -> Result<TableMetadata> {
    let altered = statement(text).on(&table(metadata.clone())).await?;
    Ok(altered.map_or(metadata, |altered| altered.metadata))
}

async fn alter(metadata: TableMetadata, statements: &[&str]) -> TableMetadata {
    let mut metadata = metadata;
    for text in statements {
        metadata = try_alter(metadata, text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    metadata
}

/// Every column and part with its id.
fn ids(metadata: &TableMetadata) -> Vec<(String, i32)> {
    let mut ids: Vec<_> =
        metadata.current_schema().field_id_to_name_map().iter().map(|(id, name)| (name.clone(), *id)).collect();
    ids.sort_by_key(|(_, id)| *id);
    ids
}

#[tokio::test]
async fn ids_are_given_once() {
    let mut metadata = metadata("2");
    let mut seen: BTreeSet<i32> = ids(&metadata).into_iter().map(|(_, id)| id).collect();
    for round in 0..4 {
        let before = metadata.clone();
        metadata = alter(metadata, &["ADD COLUMNS (b STRUCT<p: INT, q: LIST<INT>>, s.w INT, l.element.w INT)"]).await;
        let new: Vec<_> = ids(&metadata)
            .into_iter()
            .map(|(_, id)| id)
            .filter(|id| before.current_schema().field_by_id(*id).is_none())
            .collect();
        assert_eq!(new.len(), 6, "round {round}");
        for id in new {
            assert!(seen.insert(id), "round {round} gives {id} again");
        }
        // The highest ids go, and are not given again.
        metadata = alter(metadata, &["DROP COLUMNS (b, s.w, l.element.w)"]).await;
    }
    let names: Vec<_> = metadata.current_schema().as_struct().fields().iter().map(|field| field.name.clone()).collect();
    assert_eq!(names, ["k", "a", "s", "l", "m"]);
}

#[tokio::test]
async fn parts_change_in_place() {
    let before = metadata("2");
    let after = alter(
        before.clone(),
        &[
            "RENAME COLUMN s.x TO x2",
            "ALTER COLUMN s.x2 TYPE bigint",
            "ALTER COLUMN s.y FIRST",
            "ALTER COLUMN l.element.z TYPE long COMMENT 'zed'",
            "ALTER COLUMN m.value TYPE double",
            "ALTER COLUMN a AFTER m",
        ],
    )
    .await;
    let schema = after.current_schema();
    let id = |name: &str| before.current_schema().field_id_by_name(name);
    assert_eq!(schema.field_id_by_name("s.x2"), id("s.x"));
    assert_eq!(schema.field_by_name("s.x2").unwrap().field_type.to_string(), "long");
    assert_eq!(schema.field_by_name("l.element.z").unwrap().doc.as_deref(), Some("zed"));
    assert_eq!(schema.field_by_name("m.value").unwrap().field_type.to_string(), "double");
    let order: Vec<_> = schema.as_struct().fields().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(order, ["k", "s", "l", "m", "a"]);
    assert_eq!(after.last_column_id(), before.last_column_id());
}

#[tokio::test]
async fn what_changes_nothing_commits_nothing() {
    let metadata = alter(metadata("2"), &["SET TBLPROPERTIES ('x' = '1')", "WRITE ORDERED BY a"]).await;
    for text in [
        "ADD COLUMN IF NOT EXISTS a INT",
        "DROP COLUMN IF EXISTS nothing",
        "ALTER COLUMN a TYPE int",
        "ALTER COLUMN a DROP NOT NULL",
        "ALTER COLUMN k SET NOT NULL",
        "ALTER COLUMN k FIRST",
        "RENAME COLUMN a TO a",
        "SET TBLPROPERTIES ('x' = '1', 'format-version' = '2')",
        "UNSET TBLPROPERTIES IF EXISTS ('y')",
        "WRITE ORDERED BY a",
    ] {
        let altered = statement(text).on(&table(metadata.clone())).await.unwrap();
        assert!(altered.is_none(), "{text}: {:?}", altered.map(|altered| altered.changes));
    }
}

#[tokio::test]
async fn fields_of_format_2_come_and_go() {
    let spec = |metadata: &TableMetadata| -> Vec<(String, i32, Transform)> {
        let fields = metadata.default_partition_spec().fields().iter();
        fields.map(|field| (field.name.clone(), field.field_id, field.transform)).collect()
    };
    let one = alter(metadata("2"), &["ADD PARTITION FIELD bucket(4, a)", "ADD PARTITION FIELD a"]).await;
    let bucket = ("a_bucket_4".to_string(), 1000, Transform::Bucket(4));
    let identity = ("a".to_string(), 1001, Transform::Identity);
    assert_eq!(spec(&one), [bucket.clone(), identity.clone()]);
    let two = alter(one, &["DROP PARTITION FIELD bucket(4, a)"]).await;
    assert_eq!(spec(&two), std::slice::from_ref(&identity));
    let three = alter(two, &["ADD PARTITION FIELD truncate(10, k) AS tens"]).await;
    let tens = ("tens".to_string(), 1002, Transform::Truncate(10));
    assert_eq!(spec(&three), [identity.clone(), tens.clone()]);
    let four = alter(three, &["REPLACE PARTITION FIELD a WITH bucket(4, a)"]).await;
    assert_eq!(spec(&four), [tens.clone(), bucket.clone()], "the old id");
    let five = alter(four, &["REPLACE PARTITION FIELD tens WITH truncate(10, k) AS decades"]).await;
    assert_eq!(spec(&five), [("decades".to_string(), 1002, Transform::Truncate(10)), bucket]);
    assert_eq!(five.partition_specs_iter().len(), 7);
}

#[tokio::test]
async fn fields_of_format_1_stay_without_values() {
    let metadata = alter(
        metadata("1"),
        &[
            "ADD PARTITION FIELD a",
            "ADD PARTITION FIELD bucket(4, k)",
            "DROP PARTITION FIELD a",
            "ADD PARTITION FIELD a",
        ],
    )
    .await;
    let fields = metadata.default_partition_spec().fields().iter();
    let fields: Vec<_> = fields.map(|field| (field.name.as_str(), field.field_id, field.transform)).collect();
    assert_eq!(
        fields,
        [
            ("a_1000", 1000, Transform::Void),
            ("k_bucket_4", 1001, Transform::Bucket(4)),
            ("a", 1002, Transform::Identity)
        ]
    );
    let error = try_alter(metadata, "DROP PARTITION FIELD a_1000").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn mistakes_are_named() {
    let identified =
        alter(metadata("2"), &["SET IDENTIFIER FIELDS k", "ADD PARTITION FIELD bucket(2, a)", "WRITE ORDERED BY s.x"])
            .await;
    for (text, kind, message) in [
        ("ADD COLUMN a INT", ErrorKind::AlreadyExists, "there is a column `a` already"),
        ("ADD COLUMN b INT NOT NULL", ErrorKind::Sql, "the new column `b` cannot be NOT NULL"),
        ("ADD COLUMN b TIMESTAMP_NS", ErrorKind::Unsupported, "needs format version 3, the table has 2"),
        ("ADD COLUMN a.b INT", ErrorKind::Sql, "`a` is a int, it has no fields"),
        ("ADD COLUMN l.w INT", ErrorKind::Sql, "`l` is a list, it has no fields"),
        ("ADD COLUMN b INT AFTER c", ErrorKind::NotFound, "there is no column `c`"),
        ("ADD COLUMN x.b INT", ErrorKind::NotFound, "there is no column `x`"),
        ("DROP COLUMN b", ErrorKind::NotFound, "there is no column `b`"),
        ("DROP COLUMN m.value", ErrorKind::Sql, "`m` is a map, it has no fields"),
        ("DROP COLUMN k", ErrorKind::Sql, "`k` is an identifier field"),
        ("DROP COLUMN a", ErrorKind::Sql, "the table is partitioned by it, as `a_bucket_2`"),
        ("DROP COLUMN s", ErrorKind::Sql, "`s.x` cannot be dropped: the table's sort order is made of it"),
        ("DROP COLUMN l.element.z", ErrorKind::Sql, "nothing would be left"),
        ("RENAME COLUMN a TO k", ErrorKind::AlreadyExists, "there is a column `k` already"),
        ("RENAME COLUMN l.element TO e", ErrorKind::Sql, "`l` is a list, it has no fields"),
        ("ALTER COLUMN a TYPE string", ErrorKind::Unsupported, "`a` cannot become string from int"),
        ("ALTER COLUMN k TYPE int", ErrorKind::Unsupported, "`k` cannot become int from long"),
        ("ALTER COLUMN a SET NOT NULL", ErrorKind::Unsupported, "`a` cannot become NOT NULL"),
        ("ALTER COLUMN k DROP NOT NULL", ErrorKind::Sql, "`k` is an identifier field"),
        ("ALTER COLUMN m.key TYPE bigint", ErrorKind::Unsupported, "the keys of the map `m` cannot change"),
        (
            "ADD PARTITION FIELD bucket(2, a)",
            ErrorKind::AlreadyExists,
            "partitioned by bucket(2, a) already, as `a_bucket_2`",
        ),
        ("ADD PARTITION FIELD day(a)", ErrorKind::Sql, "day does not take `a` of type int"),
        ("ADD PARTITION FIELD bucket(2, k) AS a_bucket_2", ErrorKind::AlreadyExists, "there is a partition field"),
        ("ADD PARTITION FIELD bucket(2, k) AS a", ErrorKind::Sql, "conflicts with schema field"),
        ("DROP PARTITION FIELD day(a)", ErrorKind::NotFound, "there is no partition field day(a)"),
        ("SET IDENTIFIER FIELDS a", ErrorKind::Sql, "`a` cannot identify rows: `a` may be NULL"),
        ("DROP IDENTIFIER FIELDS a", ErrorKind::NotFound, "`a` is no identifier field"),
        ("WRITE ORDERED BY b", ErrorKind::NotFound, "there is no column `b`"),
        ("SET TBLPROPERTIES ('icelift.migration' = 'x')", ErrorKind::Sql, "belongs to icelift's migrations"),
        ("UNSET TBLPROPERTIES ('icelift.migration')", ErrorKind::Sql, "belongs to icelift's migrations"),
        ("SET TBLPROPERTIES ('current-schema' = 'x')", ErrorKind::Sql, "`current-schema` is reserved"),
        ("SET TBLPROPERTIES ('format-version' = '1')", ErrorKind::Unsupported, "cannot go back to 1"),
        ("SET TBLPROPERTIES ('commit.retry.num-retries' = 'x')", ErrorKind::Config, "it takes a number"),
        ("UNSET TBLPROPERTIES ('x')", ErrorKind::NotFound, "the table has no property `x`"),
    ] {
        let error = try_alter(identified.clone(), text).await.unwrap_err();
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert_eq!(error.kind(), kind, "{text}: {error}");
    }
}

/// A catalog with one table, which others change before, and an answer that may be lost.
#[derive(Debug)]
struct Contended {
    store: Store,
    table: Mutex<TableMetadata>,
    /// What others do before the next commits, one each.
    others: Mutex<Vec<&'static str>>,
    loses_answers: bool,
    commits: Mutex<usize>,
}

impl Contended {
    fn new(others: &[&'static str], loses_answers: bool) -> Arc<Self> {
        let store = Store::local(UploadSettings::default(), TaskTracker::new());
        let others = others.iter().rev().copied().collect();
        let hasty = [("commit.retry.min-wait-ms", "1"), ("commit.status-check.total-timeout-ms", "3000")];
        let hasty = hasty.map(|(key, value)| (key.to_string(), value.to_string())).into();
        let table = metadata("2").into_builder(None).set_properties(hasty).unwrap().build().unwrap().metadata;
        Arc::new(Self {
            store,
            table: Mutex::new(table),
            others: Mutex::new(others),
            loses_answers,
            commits: Mutex::default(),
        })
    }

    fn now(&self) -> TableMetadata {
        self.table.lock().unwrap().clone()
    }

    async fn run(self: &Arc<Self>, text: &str) -> CommitOutcome {
        let catalog: Arc<dyn Catalog> = Arc::clone(self) as _;
        snapshot::alter(&catalog, table(self.now()), &statement(text)).await
    }
}

#[async_trait]
impl Catalog for Contended {
    fn store(&self) -> &Store {
        &self.store
    }

    async fn list_namespaces(&self) -> Result<Vec<iceberg::NamespaceIdent>> {
        Ok(Vec::new())
    }

    async fn create_namespace(
        &self,
        _: &iceberg::NamespaceIdent,
        _: std::collections::HashMap<String, String>,
    ) -> Result<()> {
        Ok(())
    }

    async fn drop_namespace(&self, _: &iceberg::NamespaceIdent) -> Result<()> {
        Ok(())
    }

    async fn list_tables(&self, _: &iceberg::NamespaceIdent) -> Result<Vec<ListedTable>> {
        Ok(Vec::new())
    }

    async fn load_table(&self, _: &TableIdent) -> Result<Table> {
        Ok(table(self.now()))
    }

    async fn stage_table(&self, _: NewTable) -> Result<Table> {
        Ok(table(self.now()))
    }

    async fn register_table(&self, _: &TableIdent, _: &str) -> Result<Table> {
        Ok(table(self.now()))
    }

    async fn drop_table(&self, _: &TableIdent) -> Result<Dropped> {
        Ok(Dropped::Gone)
    }

    async fn commit(&self, _: &TableIdent, request: crate::catalog::CommitRequest) -> CommitOutcome {
        *self.commits.lock().unwrap() += 1;
        let other = self.others.lock().unwrap().pop();
        if let Some(other) = other {
            let changed = alter(self.now(), &[other]).await;
            *self.table.lock().unwrap() = changed;
        }
        let now = self.now();
        if request.requirements.iter().any(|requirement| requirement.check(Some(&now)).is_err()) {
            let conflict = Error::new(ErrorKind::CommitConflict, "the table was changed by another writer");
            return CommitOutcome::NotLanded(conflict);
        }
        let mut builder = now.into_builder(None);
        for update in &request.updates {
            builder = update.clone().apply(builder).unwrap();
        }
        *self.table.lock().unwrap() = builder.build().unwrap().metadata;
        match self.loses_answers {
            true => CommitOutcome::Unknown(Error::new(ErrorKind::CommitUnknown, "the answer was lost")),
            false => CommitOutcome::Landed,
        }
    }
}

#[tokio::test]
async fn a_lost_race_is_run_again_on_what_won_it() {
    let catalog = Contended::new(&["ADD COLUMN b INT"], false);
    assert!(matches!(catalog.run("ADD COLUMN c INT").await, CommitOutcome::Landed));
    let now = catalog.now();
    let id = |name: &str| now.current_schema().field_id_by_name(name).unwrap();
    assert!(id("c") > id("b"), "both, with ids of their own");

    let catalog = Contended::new(&["ADD PARTITION FIELD bucket(2, k)"], false);
    assert!(matches!(catalog.run("ADD PARTITION FIELD bucket(3, a)").await, CommitOutcome::Landed));
    let names: Vec<_> = catalog.now().default_partition_spec().fields().iter().map(|it| it.name.clone()).collect();
    assert_eq!(names, ["k_bucket_2", "a_bucket_3"]);
}

#[tokio::test]
async fn a_change_that_fits_no_more_is_refused() {
    for (other, text, message) in [
        ("ADD COLUMN b INT", "ADD COLUMN b STRING", "there is a column `b` already"),
        ("DROP COLUMN a", "ALTER COLUMN a TYPE bigint", "there is no column `a`"),
        ("RENAME COLUMN a TO z", "DROP COLUMN a", "there is no column `a`"),
    ] {
        let catalog = Contended::new(&[other], false);
        match catalog.run(text).await {
            CommitOutcome::NotLanded(error) => assert!(error.to_string().contains(message), "{text}: {error}"),
            other => panic!("{text}: {other:?}"),
        }
        let expected = alter(Contended::new(&[], false).now(), &[other]).await;
        assert_eq!(ids(&catalog.now()), ids(&expected), "{text}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_what_the_table_shows() {
    for text in [
        "ADD COLUMN b INT",
        "DROP COLUMN a",
        "ADD PARTITION FIELD bucket(2, a)",
        "WRITE ORDERED BY a",
        "SET TBLPROPERTIES ('x' = 'y')",
        "UNSET TBLPROPERTIES ('commit.retry.min-wait-ms')",
        "SET IDENTIFIER FIELDS k",
        "SET TBLPROPERTIES ('format-version' = '3')",
    ] {
        let catalog = Contended::new(&[], true);
        let expected = alter(catalog.now(), &[text]).await;
        assert!(matches!(catalog.run(text).await, CommitOutcome::Landed), "{text}");
        assert_eq!(*catalog.commits.lock().unwrap(), 1, "{text}");
        let now = catalog.now();
        assert_eq!(now.current_schema().as_struct(), expected.current_schema().as_struct(), "{text}");
        assert_eq!(now.properties(), expected.properties(), "{text}");
        assert_eq!(now.format_version(), expected.format_version(), "{text}");
    }
}

#[tokio::test]
async fn requirements_are_those_of_java() {
    let base = table(metadata("2"));
    for (text, expected) in [
        ("SET TBLPROPERTIES ('x' = 'y')", 1),
        ("ADD COLUMN b INT", 3),
        ("ADD PARTITION FIELD a", 3),
        ("WRITE ORDERED BY a", 2),
    ] {
        let altered = statement(text).on(&base).await.unwrap().unwrap();
        let request = snapshot::metadata_request(&base.metadata, &altered);
        assert_eq!(request.requirements.len(), expected, "{text}");
        assert!(matches!(request.requirements[0], TableRequirement::UuidMatch { .. }));
        let after = &altered.metadata;
        let is_fenced = request.requirements.iter().any(|requirement| requirement.check(Some(after)).is_err());
        assert_eq!(request.is_fenced(), is_fenced, "{text}: a second copy fails exactly if the request is fenced");
    }
    assert_eq!(base.metadata.format_version(), FormatVersion::V2);
}
