mod commits;
mod server;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use iceberg::spec::{NestedField, PrimitiveType, Schema, SortOrder, TableMetadata, Type, UnboundPartitionSpec};
use iceberg::{NamespaceIdent, TableIdent};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use self::server::{Fault, Server};
use super::GlueCatalog;
use crate::catalog::apply::{next_location, write_metadata};
use crate::catalog::aws::AwsSource;
use crate::catalog::{Catalog, Dropped, ListedTable, NewTable, TableKind};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::storage::{Store, UploadSettings};

/// A catalog over a played Glue, with files in a folder in place of S3.
struct World {
    folder: TempDir,
    server: Server,
    catalog: GlueCatalog,
}

impl World {
    async fn new() -> Self {
        let server = Server::start().await;
        server.with(|state| state.databases.insert("db".to_string(), json!({"Name": "db"})));
        let mut catalog = opened(&server.endpoint, &[]).await.unwrap();
        catalog.store = Store::local(UploadSettings::default(), TaskTracker::new());
        catalog.client.repeat_wait = Duration::from_millis(1);
        Self { folder: tempfile::tempdir().unwrap(), server, catalog }
    }

    fn location(&self, table: &str) -> String {
        format!("file://{}/{table}", self.folder.path().display())
    }

    fn new_table(&self, name: &str) -> NewTable {
        let field = NestedField::optional(1, "id", Type::Primitive(PrimitiveType::Int));
        NewTable {
            ident: ident(name),
            schema: Schema::builder().with_fields([field.into()]).build().unwrap(),
            partition_spec: UnboundPartitionSpec::builder().build(),
            properties: BTreeMap::new(),
            sort_order: SortOrder::unsorted_order(),
            location: Some(self.location(name)),
            keep_field_ids: false,
        }
    }

    /// Puts an Iceberg table with a metadata file into `db`.
    async fn with_table(self, name: &str) -> Self {
        let metadata: TableMetadata = self.new_table(name).metadata(self.location(name)).unwrap();
        let file = next_location(None, &metadata, None);
        write_metadata(&self.catalog.store, &metadata, &file).await.unwrap();
        let entry = iceberg_entry(name, &file.to_string());
        self.server.with(|state| state.put("db", entry));
        self
    }

    fn metadata_files(&self, table: &str) -> usize {
        std::fs::read_dir(self.folder.path().join(table).join("metadata")).unwrap().count()
    }
}

async fn opened(endpoint: &str, more: &[(&str, &str)]) -> Result<GlueCatalog> {
    let given = [
        ("client.access-key-id", "key"),
        ("client.secret-access-key", "hidden"),
        ("client.region", "eu-west-1"),
        ("glue.endpoint", endpoint),
    ];
    let given = given.iter().chain(more).map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let warehouse = Some("s3://bucket/warehouse".to_string());
    GlueCatalog::open(warehouse, Options::new("g", given), &AwsSource::Options, TaskTracker::new()).await
}

fn namespace() -> NamespaceIdent {
    NamespaceIdent::new("db".to_string())
}

fn ident(name: &str) -> TableIdent {
    TableIdent::new(namespace(), name.to_string())
}

fn iceberg_entry(name: &str, metadata_location: &str) -> Value {
    json!({
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Owner": "ann",
        "Retention": 7,
        "Parameters": {"table_type": "iceberg", "metadata_location": metadata_location, "theirs": "kept"},
        "StorageDescriptor": {"Location": "file:///old", "InputFormat": "theirs", "Columns": []},
    })
}

fn refused(error: &Error) -> (ErrorKind, String, String) {
    (error.kind(), error.to_string(), error.advice().unwrap_or_default().to_string())
}

#[tokio::test]
async fn all_pages_are_read() {
    let world = World::new().await;
    world.server.with(|state| {
        for number in 0..250 {
            state.put("db", iceberg_entry(&format!("t{number:03}"), "s3://b/x.metadata.json"));
            state.databases.insert(format!("n{number:03}"), json!({"Name": format!("n{number:03}")}));
        }
    });
    let tables = world.catalog.list_tables(&namespace()).await.unwrap();
    assert_eq!(tables.len(), 250);
    assert_eq!(tables[249], ListedTable::new("t249", TableKind::Iceberg));
    assert_eq!(world.server.calls("GetTables").len(), 3);
    assert_eq!(world.catalog.list_namespaces().await.unwrap().len(), 251);
    assert_eq!(world.server.calls("GetDatabases").len(), 3);
}

#[tokio::test]
async fn what_is_no_iceberg_table_is_listed_and_refused() {
    let world = World::new().await.with_table("ice").await;
    world.server.with(|state| {
        state.put("db", json!({"Name": "hive", "TableType": "EXTERNAL_TABLE", "Parameters": {}}));
        state.put("db", json!({"Name": "view", "TableType": "VIRTUAL_VIEW"}));
    });
    let listed = world.catalog.list_tables(&namespace()).await.unwrap();
    let expected =
        [("hive", TableKind::Foreign("Hive".into())), ("ice", TableKind::Iceberg), ("view", TableKind::View)];
    assert_eq!(listed, expected.map(|(name, kind)| ListedTable::new(name, kind)));
    let (kind, message, _) = refused(&world.catalog.load_table(&ident("hive")).await.unwrap_err());
    assert_eq!((kind, message.as_str()), (ErrorKind::Unsupported, "`g.db.hive` is a Hive table, not an Iceberg table"));
    let (_, message, _) = refused(&world.catalog.load_table(&ident("view")).await.unwrap_err());
    assert_eq!(message, "`g.db.view` is a view, not an Iceberg table");
    world.catalog.drop_table(&ident("hive")).await.unwrap_err();
    assert!(world.server.calls("DeleteTable").is_empty());
}

#[tokio::test]
async fn links_lead_to_tables_of_other_accounts() {
    let world = World::new().await.with_table("real").await;
    let target = json!({"CatalogId": "222222222222", "DatabaseName": "db", "Name": "real"});
    let database = json!({"CatalogId": "222222222222", "DatabaseName": "db"});
    world.server.with(|state| {
        state.databases.insert("far".to_string(), json!({"Name": "far", "TargetDatabase": database}));
        state.put("db", json!({"Name": "link", "TargetTable": target}));
    });
    let listed = world.catalog.list_tables(&namespace()).await.unwrap();
    assert_eq!(listed[0], ListedTable::new("link", TableKind::Iceberg));
    let table = world.catalog.load_table(&ident("link")).await.unwrap();
    assert_eq!(table.name.to_string(), "`g.db.link`");
    let asked = world.server.calls("GetTable").pop().unwrap();
    assert_eq!(asked, json!({"CatalogId": "222222222222", "DatabaseName": "db", "Name": "real"}));
    let (kind, message, _) = refused(&world.catalog.drop_table(&ident("link")).await.unwrap_err());
    assert_eq!((kind, message.as_str()), (ErrorKind::Unsupported, "`g.db.link` is a resource link to `db.real`"));
    let far = NamespaceIdent::new("far".to_string());
    world.catalog.load_table(&TableIdent::new(far.clone(), "real".to_string())).await.unwrap();
    let (kind, ..) = refused(&world.catalog.drop_namespace(&far).await.unwrap_err());
    assert_eq!(kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_missing_database_a_missing_table_and_a_denial_are_told_apart() {
    let world = World::new().await;
    let missing = TableIdent::from_strs(["nowhere", "t"]).unwrap();
    let error = world.catalog.load_table(&missing).await.unwrap_err();
    assert_eq!(refused(&error).1, "the namespace `g.nowhere` does not exist");
    let error = world.catalog.load_table(&ident("T")).await.unwrap_err();
    assert_eq!((error.kind(), error.at()), (ErrorKind::NotFound, None));
    assert_eq!(refused(&error).1, "the table `g.db.T` does not exist");
    assert_eq!(refused(&error).2, "Glue keeps names in lower case: g.db.t");
    let denial = "Insufficient Lake Formation permission(s): Required Describe on t";
    world.server.fail("GetTable", [Fault::Refused("AccessDeniedException", denial)]);
    let (kind, message, hint) = refused(&world.catalog.load_table(&ident("t")).await.unwrap_err());
    assert_eq!(kind, ErrorKind::Denied);
    assert_eq!(message, format!("catalog of `g`: AWS denies glue:GetTable on `db.t`: {denial}"));
    assert!(hint.starts_with("have Lake Formation grant DESCRIBE"), "{hint}");
}

#[tokio::test]
async fn a_metadata_file_that_is_gone_is_named() {
    let world = World::new().await;
    let location = format!("{}/metadata/gone.metadata.json", world.location("t"));
    world.server.with(|state| state.put("db", iceberg_entry("t", &location)));
    let (kind, message, _) = refused(&world.catalog.load_table(&ident("t")).await.unwrap_err());
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(message, format!("catalog of `g.db.t`: `{location}`: the object does not exist"));
}

#[tokio::test]
async fn a_refused_signature_shows_no_token() {
    let world = World::new().await;
    let message = "The request signature we calculated does not match.\n\nx-amz-security-token:hidden";
    world.server.fail("GetTable", [Fault::Refused("InvalidSignatureException", message)]);
    let error = world.catalog.load_table(&ident("t")).await.unwrap_err();
    assert_eq!(error.to_string(), "catalog of `g`: AWS refuses GetTable: the signature does not match");
    let said = format!("{error:?}");
    assert!(said.contains("InvalidSignatureException") && !said.contains("hidden"), "{said}");
}

#[tokio::test]
async fn reads_are_repeated_and_an_endpoint_that_is_down_is_named() {
    let world = World::new().await.with_table("t").await;
    world.server.fail("GetTable", [Fault::LostBefore]);
    world.catalog.load_table(&ident("t")).await.unwrap();
    // Nobody listens on the port of a listener that is closed.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let catalog = opened(&format!("http://{closed}"), &[]).await.unwrap();
    let (kind, message, hint) = refused(&catalog.load_table(&ident("t")).await.unwrap_err());
    assert_eq!(
        (kind, message.as_str()),
        (ErrorKind::Unavailable, "catalog of `g`: Glue gave no answer to GetTable on `db.t`")
    );
    assert!(hint.contains("glue.endpoint"), "{hint}");
}

#[tokio::test]
async fn databases_are_made_with_place_and_description_and_dropped_only_when_empty() {
    let world = World::new().await;
    let properties = [("location", "s3://b/x"), ("comment", "of a test"), ("team", "a")];
    let properties: HashMap<_, _> = properties.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    let new = NamespaceIdent::new("new".to_string());
    world.catalog.create_namespace(&new, properties).await.unwrap();
    let input =
        json!({"Name": "new", "LocationUri": "s3://b/x", "Description": "of a test", "Parameters": {"team": "a"}});
    assert_eq!(world.server.calls("CreateDatabase")[0]["DatabaseInput"], input);
    let error = world.catalog.create_namespace(&new, HashMap::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    world.server.with(|state| state.put("new", json!({"Name": "v", "TableType": "VIRTUAL_VIEW"})));
    let error = world.catalog.drop_namespace(&new).await.unwrap_err();
    assert_eq!(error.to_string(), "the namespace `g.new` holds tables or views");
    assert!(world.server.calls("DeleteDatabase").is_empty());
    world.server.with(|state| state.tables.clear());
    world.catalog.drop_namespace(&new).await.unwrap();
    assert!(world.server.with(|state| !state.databases.contains_key("new")));
}

#[tokio::test]
async fn a_database_that_was_made_by_a_lost_call_is_made() {
    let world = World::new().await;
    world.server.fail("CreateDatabase", [Fault::LostAfter]);
    world.catalog.create_namespace(&NamespaceIdent::new("new".to_string()), HashMap::new()).await.unwrap();
    assert_eq!(world.server.calls("CreateDatabase").len(), 2);
}

#[tokio::test]
async fn a_deletion_without_an_answer_is_not_repeated() {
    let world = World::new().await.with_table("t").await;
    world.server.fail("DeleteTable", [Fault::Refused("ThrottlingException", "slow"), Fault::LostBefore]);
    let error = world.catalog.drop_table(&ident("t")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(world.server.calls("DeleteTable").len(), 2, "once where Glue turned it away");
    world.server.fail("DeleteTable", [Fault::LostAfter]);
    assert_eq!(world.catalog.drop_table(&ident("t")).await.unwrap(), Dropped::Gone);
    assert_eq!(world.server.calls("DeleteTable").len(), 3);
    world.server.fail("DeleteDatabase", [Fault::LostBefore]);
    let error = world.catalog.drop_namespace(&namespace()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    world.server.fail("DeleteDatabase", [Fault::LostAfter]);
    world.catalog.drop_namespace(&namespace()).await.unwrap();
    assert_eq!(world.server.calls("DeleteDatabase").len(), 2);
}

#[tokio::test]
async fn a_table_that_another_one_dropped_is_not_dropped_by_us() {
    let world = World::new().await.with_table("t").await;
    let drops = |state: &mut server::State| state.tables.clear();
    world.server.fail("DeleteTable", [Fault::Outrun(Box::new(drops))]);
    assert_eq!(world.catalog.drop_table(&ident("t")).await.unwrap_err().kind(), ErrorKind::NotFound);
    let world = world.with_table("t").await;
    assert_eq!(world.catalog.drop_table(&ident("t")).await.unwrap(), Dropped::ByUs);
}

#[tokio::test]
async fn options_are_checked() {
    let error = opened("ftp://x", &[]).await.unwrap_err();
    assert!(error.to_string().contains("`glue.endpoint` must be an address"), "{error}");
    let error = opened("http://127.0.0.1:1", &[("glue.skip-archiv", "true")]).await.unwrap_err();
    assert_eq!(error.to_string(), "catalog of `g`: the option `glue.skip-archiv` is unknown");
    let options = Options::new("g", BTreeMap::new());
    let opened = GlueCatalog::open(Some("123456789012".into()), options, &AwsSource::Options, TaskTracker::new());
    assert!(opened.await.unwrap_err().advice().unwrap().contains("glue.id"));
}
