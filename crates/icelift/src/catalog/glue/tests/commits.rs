use std::collections::HashMap;

use iceberg::spec::TableMetadataRef;
use iceberg::{TableRequirement, TableUpdate};
use serde_json::{Value, json};

use super::server::{Fault, State};
use super::{World, ident, namespace};
use crate::catalog::{Catalog, CommitOutcome, CommitRequest};
use crate::error::{Error, ErrorKind};

fn set_property() -> CommitRequest {
    let updates = HashMap::from([("k".to_string(), "v".to_string())]);
    CommitRequest { updates: vec![TableUpdate::SetProperties { updates }], ..CommitRequest::default() }
}

async fn commit(world: &World) -> CommitOutcome {
    world.catalog.commit(&ident("t"), set_property()).await
}

fn not_landed(outcome: CommitOutcome) -> Error {
    match outcome {
        CommitOutcome::NotLanded(error) => error,
        other => panic!("{other:?}"),
    }
}

/// Another writer points the entry to the file that `file` makes of the current one.
fn other_commit(file: impl FnOnce(&str) -> String + Send + 'static) -> Box<dyn FnOnce(&mut State) + Send> {
    Box::new(move |state| {
        let mut entry = state.tables[&("db".to_string(), "t".to_string())].clone();
        let current = entry["Parameters"]["metadata_location"].as_str().unwrap().to_string();
        entry["Parameters"]["metadata_location"] = json!(file(&current));
        state.put("db", entry);
    })
}

/// A copy of a metadata file under another name, with the original in its log.
fn on_top_of(current: &str) -> String {
    let path = current.trim_start_matches("file://");
    let mut metadata: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let at = metadata["last-updated-ms"].clone();
    let mut log = metadata["metadata-log"].as_array().cloned().unwrap_or_default();
    log.push(json!({"metadata-file": current, "timestamp-ms": at}));
    metadata["metadata-log"] = json!(log);
    let next = path.replace(".metadata.json", "-top.metadata.json");
    std::fs::write(&next, metadata.to_string()).unwrap();
    format!("file://{next}")
}

/// A copy of a metadata file under another name: what another writer made of the same base.
fn beside(current: &str) -> String {
    let path = current.trim_start_matches("file://");
    let next = path.replace(".metadata.json", "-other.metadata.json");
    std::fs::copy(path, &next).unwrap();
    format!("file://{next}")
}

#[tokio::test]
async fn a_commit_names_the_version_and_keeps_what_is_not_its_own() {
    let world = World::new().await.with_table("t").await;
    let before = world.server.table("t");
    assert!(matches!(commit(&world).await, CommitOutcome::Landed));
    let sent = world.server.calls("UpdateTable").pop().unwrap();
    assert_eq!((&sent["VersionId"], &sent["SkipArchive"]), (&json!("0"), &json!(true)));
    let after = world.server.table("t");
    assert_eq!(after["VersionId"], json!("1"));
    assert_eq!((&after["Owner"], &after["Retention"]), (&json!("ann"), &json!(7)));
    assert_eq!(after["StorageDescriptor"]["InputFormat"], json!("theirs"));
    assert_eq!(after["Parameters"]["theirs"], json!("kept"));
    assert_eq!(after["Parameters"]["previous_metadata_location"], before["Parameters"]["metadata_location"]);
    let table = world.catalog.load_table(&ident("t")).await.unwrap();
    assert_eq!(table.metadata.properties()["k"], "v");
    assert!(table.metadata_location.unwrap().contains("/metadata/00001-"));
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_lands_once() {
    let world = World::new().await.with_table("t").await;
    world.server.fail("UpdateTable", [Fault::LostAfter]);
    assert!(matches!(commit(&world).await, CommitOutcome::Landed));
    assert_eq!(world.server.calls("UpdateTable").len(), 2);
    assert_eq!(world.server.table("t")["VersionId"], json!("1"));
    assert_eq!(world.metadata_files("t"), 2);
}

#[tokio::test]
async fn a_commit_that_is_lost_on_the_way_there_is_sent_again() {
    let world = World::new().await.with_table("t").await;
    world.server.fail("UpdateTable", [Fault::LostBefore, Fault::LostBefore]);
    assert!(matches!(commit(&world).await, CommitOutcome::Landed));
    assert_eq!(world.server.table("t")["VersionId"], json!("1"));
}

#[tokio::test]
async fn a_commit_that_others_built_upon_has_landed() {
    let world = World::new().await.with_table("t").await;
    world.server.fail("UpdateTable", [Fault::LostAndTopped(other_commit(on_top_of))]);
    assert!(matches!(commit(&world).await, CommitOutcome::Landed));
    assert_eq!(world.metadata_files("t"), 3);
}

#[tokio::test]
async fn a_lost_race_is_a_conflict_and_leaves_no_file() {
    let world = World::new().await.with_table("t").await;
    world.server.fail("UpdateTable", [Fault::Outrun(other_commit(beside))]);
    let error = not_landed(commit(&world).await);
    assert_eq!(error.kind(), ErrorKind::CommitConflict);
    assert_eq!(error.to_string(), "snapshot of `g.db.t`: the table was changed by another writer");
    assert_eq!(world.server.calls("UpdateTable").len(), 1);
    assert_eq!(world.metadata_files("t"), 2);
}

#[tokio::test]
async fn a_lost_call_that_others_passed_by_cannot_land_any_more() {
    let world = World::new().await.with_table("t").await;
    let passed = Fault::Outrun(other_commit(beside));
    world.server.fail("UpdateTable", [Fault::LostBefore, passed]);
    assert_eq!(not_landed(commit(&world).await).kind(), ErrorKind::CommitConflict);
    assert_eq!(world.metadata_files("t"), 2);
}

#[tokio::test]
async fn a_lost_call_to_an_entry_that_did_not_move_is_unknown() {
    let world = World::new().await.with_table("t").await;
    world.server.fail("UpdateTable", (0..5).map(|_| Fault::LostBefore));
    let outcome = commit(&world).await;
    let CommitOutcome::Unknown(error) = outcome else { panic!("{outcome:?}") };
    assert!(error.to_string().ends_with("it is not known whether it was done"), "{error}");
    assert_eq!(world.server.calls("UpdateTable").len(), 5);
    assert_eq!(world.metadata_files("t"), 2);
}

#[tokio::test]
async fn a_refusal_after_a_lost_call_is_not_taken_for_an_answer_to_it() {
    let world = World::new().await.with_table("t").await;
    let refused = Fault::Refused("AccessDeniedException", "no");
    world.server.fail("UpdateTable", [Fault::LostBefore, refused]);
    assert!(matches!(commit(&world).await, CommitOutcome::Unknown(_)));
    assert_eq!(world.metadata_files("t"), 2);
}

#[tokio::test]
async fn a_denied_commit_names_the_rights_and_leaves_no_file() {
    let world = World::new().await.with_table("t").await;
    world.server.fail("UpdateTable", [Fault::Refused("AccessDeniedException", "u may not")]);
    let error = not_landed(commit(&world).await);
    assert_eq!(error.to_string(), "catalog of `g`: AWS denies glue:UpdateTable on `db.t`: u may not");
    assert!(error.advice().unwrap().contains("committing needs glue:GetTable and glue:UpdateTable"));
    assert_eq!(world.metadata_files("t"), 1);
}

#[tokio::test]
async fn a_throttled_commit_is_sent_again() {
    let world = World::new().await.with_table("t").await;
    world.server.fail("UpdateTable", [Fault::Refused("ThrottlingException", "Rate exceeded")]);
    assert!(matches!(commit(&world).await, CommitOutcome::Landed));
}

#[tokio::test]
async fn a_requirement_that_does_not_hold_changes_nothing() {
    let world = World::new().await.with_table("t").await;
    let requirements = vec![TableRequirement::UuidMatch { uuid: uuid::Uuid::new_v4() }];
    let request = CommitRequest { requirements, ..set_property() };
    let error = not_landed(world.catalog.commit(&ident("t"), request).await);
    assert_eq!(error.kind(), ErrorKind::CommitConflict);
    assert!(world.server.calls("UpdateTable").is_empty());
    assert_eq!(world.metadata_files("t"), 1);
}

#[tokio::test]
async fn an_entry_without_a_version_is_not_written() {
    let world = World::new().await.with_table("t").await;
    world.server.with(|state| {
        let entry = state.tables.get_mut(&("db".to_string(), "t".to_string())).unwrap();
        entry.as_object_mut().unwrap().remove("VersionId");
    });
    assert_eq!(not_landed(commit(&world).await).kind(), ErrorKind::Unsupported);
    assert_eq!(world.metadata_files("t"), 1);
}

async fn create(world: &World) -> CommitOutcome {
    let staged = world.catalog.stage_table(world.new_table("t")).await.unwrap();
    let created: Option<TableMetadataRef> = Some(staged.metadata.clone());
    world.catalog.commit(&ident("t"), CommitRequest { create: created, ..CommitRequest::default() }).await
}

#[tokio::test]
async fn a_table_is_created_by_its_first_commit() {
    let world = World::new().await;
    assert!(matches!(create(&world).await, CommitOutcome::Landed));
    let entry = world.server.table("t");
    assert_eq!(entry["TableType"], json!("EXTERNAL_TABLE"));
    assert_eq!(entry["Parameters"]["table_type"], json!("ICEBERG"));
    assert_eq!(entry["StorageDescriptor"]["Columns"][0]["Type"], json!("int"));
    let table = world.catalog.load_table(&ident("t")).await.unwrap();
    assert_eq!(table.metadata.location(), world.location("t"));
}

#[tokio::test]
async fn a_created_table_whose_answer_is_lost_is_created_once() {
    let world = World::new().await;
    world.server.fail("CreateTable", [Fault::LostAfter]);
    assert!(matches!(create(&world).await, CommitOutcome::Landed));
    assert_eq!(world.server.calls("CreateTable").len(), 2);
    assert_eq!(world.metadata_files("t"), 1);
}

#[tokio::test]
async fn a_name_that_another_writer_took_first_is_refused() {
    let world = World::new().await;
    let theirs = |state: &mut State| state.put("db", json!({"Name": "t", "TableType": "EXTERNAL_TABLE"}));
    world.server.fail("CreateTable", [Fault::Outrun(Box::new(theirs))]);
    let error = not_landed(create(&world).await);
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.to_string(), "the table `g.db.t` exists already");
    assert_eq!(world.metadata_files("t"), 0);
    assert_eq!(world.server.table("t")["Parameters"], Value::Null);
}

#[tokio::test]
async fn a_new_table_of_which_nothing_is_heard_is_unknown() {
    let world = World::new().await;
    world.server.fail("CreateTable", (0..5).map(|_| Fault::LostBefore));
    assert!(matches!(create(&world).await, CommitOutcome::Unknown(_)));
    assert_eq!(world.metadata_files("t"), 1);
}

#[tokio::test]
async fn a_new_table_lies_below_its_database() {
    let world = World::new().await;
    let mut new = world.new_table("t");
    new.location = None;
    let staged = world.catalog.stage_table(new.clone()).await.unwrap();
    assert_eq!(staged.metadata.location(), "s3://bucket/warehouse/db.db/t");
    world.server.with(|state| state.databases.insert("db".into(), json!({"Name": "db", "LocationUri": "s3://own/d/"})));
    let staged = world.catalog.stage_table(new).await.unwrap();
    assert_eq!(staged.metadata.location(), "s3://own/d/t");
    assert!(world.catalog.list_tables(&namespace()).await.unwrap().is_empty());
}
