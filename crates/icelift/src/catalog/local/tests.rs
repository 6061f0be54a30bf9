//! What becomes of a commit whose answer is lost.

use std::collections::BTreeMap;

use iceberg::TableUpdate;
use iceberg::spec::{NestedField, PrimitiveType, Schema, SortOrder, Type, UnboundPartitionSpec};
use tokio_util::task::TaskTracker;

use super::*;
use crate::storage::UploadSettings;

fn ident() -> TableIdent {
    TableIdent::from_strs(["n", "t"]).unwrap()
}

fn new_table() -> NewTable {
    let field = NestedField::optional(1, "a", Type::Primitive(PrimitiveType::Int));
    NewTable {
        ident: ident(),
        schema: Schema::builder().with_fields([field.into()]).build().unwrap(),
        partition_spec: UnboundPartitionSpec::builder().build(),
        properties: BTreeMap::new(),
        sort_order: SortOrder::unsorted_order(),
        location: None,
        keep_field_ids: false,
    }
}

/// Commits and says where the metadata file is.
async fn committed(catalog: &LocalCatalog, request: CommitRequest) -> String {
    assert!(matches!(catalog.commit(&ident(), request).await, CommitOutcome::Landed));
    catalog.load_table(&ident()).await.unwrap().metadata_location.unwrap()
}

fn set(value: &str) -> CommitRequest {
    let updates = HashMap::from([("k".to_string(), value.to_string())]);
    CommitRequest { updates: vec![TableUpdate::SetProperties { updates }], ..CommitRequest::default() }
}

#[tokio::test]
async fn a_commit_that_others_built_upon_has_landed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::local(UploadSettings::default(), TaskTracker::new());
    let options = Options::new("l", BTreeMap::new());
    let catalog = LocalCatalog::open(&folder.path().display().to_string(), options, store).await.unwrap();
    catalog.create_namespace(&ident().namespace, HashMap::new()).await.unwrap();
    let staged = catalog.stage_table(new_table()).await.unwrap().staged.unwrap();
    let first = committed(&catalog, staged.as_ref().clone()).await;
    let second = committed(&catalog, set("1")).await;
    let third = committed(&catalog, set("2")).await;
    let name = catalog.table_name(&ident());
    let has_landed =
        async |before: Option<&str>, location: &str| catalog.has_landed(&name, before, location, &[]).await.unwrap();
    assert_eq!(has_landed(Some(&second), &third).await, Some(true));
    assert_eq!(has_landed(Some(&first), &second).await, Some(true));
    assert_eq!(has_landed(None, &first).await, Some(true));
    // Nothing happened, or others were faster.
    assert_eq!(has_landed(Some(&third), "file:///other").await, Some(false));
    assert_eq!(has_landed(Some(&first), "file:///other").await, Some(false));
    assert_eq!(has_landed(None, "file:///other").await, Some(false));
    catalog.drop_table(&ident()).await.unwrap();
    assert_eq!(has_landed(Some(&second), &third).await, None);
    assert_eq!(has_landed(None, &first).await, Some(false));
}
