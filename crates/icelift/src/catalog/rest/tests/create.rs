//! New tables: staged, created by their first commit, with the ids that they were given.
//!
//! There are two kinds of servers: those that build the table from the updates alone, and those that apply the updates to
//! what they staged. The tests stand in for both, with iceberg-rust's builder, which is what Lakekeeper runs.

use iceberg::TableUpdate;
use iceberg::spec::{NullOrder, SortDirection, SortField, TableMetadataBuilder};

use super::*;
use crate::catalog::{Catalog, CommitOutcome, Table};
use crate::error::ErrorKind;

/// What a server makes of a createTable request: new ids, at a place of its choice.
fn staged_by_server(asked: &Asked) -> TableMetadata {
    let sent: Value = serde_json::from_slice(&asked.body).unwrap();
    let schema: Schema = serde_json::from_value(sent["schema"].clone()).unwrap();
    let spec = sent.get("partition-spec").map(|spec| serde_json::from_value(spec.clone()).unwrap());
    let order = sent.get("write-order").map(|order| serde_json::from_value(order.clone()).unwrap());
    let mut properties: BTreeMap<String, String> = serde_json::from_value(sent["properties"].clone()).unwrap();
    properties.insert("created-by".to_string(), "server".to_string());
    let new = NewTable {
        ident: ident(),
        schema,
        partition_spec: spec.unwrap_or_else(|| UnboundPartitionSpec::builder().build()),
        properties,
        sort_order: order.unwrap_or_else(SortOrder::unsorted_order),
        location: None,
        keep_field_ids: false,
    };
    new.metadata("s3://b/staged/t".to_string()).unwrap()
}

async fn stage(new: NewTable) -> (Server, Rest, Table) {
    let (server, rest) = attached(|asked| {
        if asked.target == "/v1/namespaces/n/tables" {
            answer(&json!({"metadata": staged_by_server(asked), "config": {}}))
        } else {
            answer(&loaded(json!({}), json!([])))
        }
    })
    .await;
    let table = rest.stage_table(new).await.unwrap();
    (server, rest, table)
}

fn updates(table: &Table) -> Vec<TableUpdate> {
    table.staged.as_ref().unwrap().updates.clone()
}

fn actions(table: &Table) -> Vec<String> {
    let action = |update: &TableUpdate| serde_json::to_value(update).unwrap()["action"].as_str().unwrap().to_string();
    updates(table).iter().map(action).collect()
}

/// The table as a server builds it that applies the updates to what it staged.
fn on_top_of(staged: TableMetadata, table: &Table) -> TableMetadata {
    let builder = staged.into_builder(None);
    let built = updates(table).into_iter().try_fold(builder, |builder, update| update.apply(builder));
    built.unwrap().build().unwrap().metadata
}

/// The table as a server builds it that starts with nothing, in the way of Java: ids of schemas and specs are counted from 0
/// in the order in which they come, and what is there already is found again.
fn from_nothing(table: &Table) -> (Vec<Value>, Vec<Value>, usize, usize) {
    let (mut schemas, mut specs, mut schema, mut spec) = (Vec::<Value>::new(), Vec::<Value>::new(), 0, 0);
    let (mut last_schema, mut last_spec) = (0, 0);
    let add = |known: &mut Vec<Value>, new: Value| {
        let found = known.iter().position(|it| *it == new);
        found.unwrap_or_else(|| {
            known.push(new);
            known.len() - 1
        })
    };
    for update in updates(table) {
        match update {
            TableUpdate::AddSchema { schema } => {
                last_schema = add(&mut schemas, serde_json::to_value(schema).unwrap()["fields"].clone());
            }
            TableUpdate::SetCurrentSchema { schema_id: -1 } => schema = last_schema,
            TableUpdate::AddSpec { spec } => {
                last_spec = add(&mut specs, serde_json::to_value(spec).unwrap()["fields"].clone());
            }
            TableUpdate::SetDefaultSpec { spec_id: -1 } => spec = last_spec,
            _ => {}
        }
    }
    (schemas, specs, schema, spec)
}

#[tokio::test]
async fn a_table_is_staged_where_the_server_says() {
    let (server, _rest, table) = stage(new_table(false)).await;
    let sent: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
    assert_eq!(sent["stage-create"], json!(true));
    assert_eq!((sent["name"].as_str(), sent.get("location")), (Some("t"), None));
    assert_eq!(sent["properties"], json!({"k": "v", "format-version": "2"}));
    assert_eq!(table.metadata.location(), "s3://b/staged/t");
    assert_eq!(table.metadata_location, None);
    let request = table.staged.as_ref().unwrap();
    assert_eq!(serde_json::to_value(&request.requirements).unwrap(), json!([{"type": "assert-create"}]));
    assert!(request.create.is_some() && request.is_fenced());
    assert_eq!(
        actions(&table),
        [
            "assign-uuid",
            "upgrade-format-version",
            "add-schema",
            "set-current-schema",
            "add-spec",
            "set-default-spec",
            "add-sort-order",
            "set-default-sort-order",
            "set-location",
            "set-properties"
        ]
    );
    // What the server set is kept, and the version is none of the properties.
    let TableUpdate::SetProperties { updates } = updates(&table).pop().unwrap() else { panic!("other") };
    let expected = [("k", "v"), ("created-by", "server")].map(|(key, value)| (key.to_string(), value.to_string()));
    assert_eq!(updates, HashMap::from(expected));
}

#[tokio::test]
async fn given_ids_are_kept_on_both_kinds_of_servers() {
    for version in ["1", "2", "3"] {
        let mut new = new_table(true);
        new.properties.insert("format-version".to_string(), version.to_string());
        let (server, _rest, table) = stage(new).await;
        let staged = {
            // The uuid differs from staging to staging; the one that was answered counts.
            let staged = staged_by_server(&server.asked()[1]);
            staged.into_builder(None).assign_uuid(table.metadata.uuid()).build().unwrap().metadata
        };
        assert_eq!(staged.current_schema().field_id_by_name("a"), Some(1));
        let built = on_top_of(staged, &table);
        for metadata in [&built, table.metadata.as_ref()] {
            assert_eq!(metadata.current_schema().field_id_by_name("a"), Some(7), "format {version}");
            assert_eq!(metadata.current_schema().field_id_by_name("b"), Some(3));
            assert_eq!(metadata.last_column_id(), 7);
            let spec = metadata.default_partition_spec();
            assert_eq!((spec.fields()[0].source_id, spec.fields()[0].field_id), (3, 1000));
            assert_eq!((metadata.current_schema_id(), spec.spec_id()), (1, 1));
            assert_eq!(metadata.format_version() as u8, version.parse::<u8>().unwrap());
        }
        let (schemas, specs, schema, spec) = from_nothing(&table);
        assert_eq!((schemas.len(), schema), (2, table.metadata.current_schema_id() as usize));
        assert_eq!((specs.len(), spec), (2, table.metadata.default_partition_spec_id() as usize));
        assert_eq!(schemas[1][0]["id"], json!(7));
        assert_eq!(
            specs,
            [json!([]), json!([{"source-id": 3, "field-id": 1000, "name": "b", "transform": "identity"}])]
        );
    }
}

#[tokio::test]
async fn ids_that_the_server_would_give_anyway_leave_no_second_schema() {
    let mut new = new_table(false);
    let fresh = metadata();
    new.schema = fresh.current_schema().as_ref().clone();
    new.partition_spec = fresh.default_partition_spec().as_ref().clone().into_unbound();
    new.keep_field_ids = true;
    let (server, _rest, table) = stage(new).await;
    let sent: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
    assert!(sent.get("partition-spec").is_some());
    assert_eq!((table.metadata.current_schema_id(), table.metadata.default_partition_spec_id()), (0, 0));
    let (schemas, specs, ..) = from_nothing(&table);
    assert_eq!((schemas.len(), specs.len()), (1, 1));
}

#[tokio::test]
async fn ids_that_need_not_be_kept_are_the_servers() {
    let (_server, _rest, table) = stage(new_table(false)).await;
    assert_eq!(table.metadata.current_schema().field_id_by_name("a"), Some(1));
    assert_eq!(table.metadata.default_partition_spec().fields()[0].source_id, 2);
}

#[tokio::test]
async fn the_first_commit_creates_it() {
    let (server, rest, table) = stage(new_table(true)).await;
    let request = table.staged.as_deref().unwrap().clone();
    assert!(matches!(rest.commit(&ident(), request).await, CommitOutcome::Landed));
    assert_eq!(calls(&server), ["POST /v1/namespaces/n/tables", "POST /v1/namespaces/n/tables/t"]);
}

#[tokio::test]
async fn a_name_that_is_taken_is_said_so_early_or_late() {
    let (_server, rest) = attached(|_| refuse(409, "AlreadyExistsException", "there")).await;
    let error = rest.stage_table(new_table(false)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::AlreadyExists, "the table `r.n.t` exists already".into())
    );
    let (_server, rest) = attached(|_| refuse(404, "NoSuchNamespaceException", "no")).await;
    let error = rest.stage_table(new_table(false)).await.unwrap_err();
    assert_eq!(error.to_string(), "the namespace `r.n` does not exist");
    let (_server, rest) = attached(|asked| {
        if asked.target == "/v1/namespaces/n/tables" {
            answer(&json!({"metadata": staged_by_server(asked)}))
        } else {
            refuse(409, "CommitFailedException", "Table was created concurrently")
        }
    })
    .await;
    let table = rest.stage_table(new_table(false)).await.unwrap();
    let request = table.staged.as_deref().unwrap().clone();
    let CommitOutcome::NotLanded(error) = rest.commit(&ident(), request).await else { panic!("not told") };
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn staging_is_repeated_as_nobody_sees_it() {
    let mut asked_for = 0;
    let (server, rest) = attached(move |asked| {
        asked_for += 1;
        if asked_for == 1 { Reply::Close } else { answer(&json!({"metadata": staged_by_server(asked)})) }
    })
    .await;
    rest.stage_table(new_table(false)).await.unwrap();
    assert_eq!(calls(&server).len(), 2);
}

/// A server that creates tables but cannot stage them.
async fn without_staging(refusal: Reply) -> (Server, Rest) {
    let mut current: Option<TableMetadata> = None;
    attached(move |asked| {
        let sent: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        if sent["stage-create"] == json!(true) {
            return refusal.clone();
        }
        if asked.target == "/v1/namespaces/n/tables" {
            current = Some(staged_by_server(asked));
        } else if asked.method == "POST" {
            let updates: Vec<TableUpdate> = serde_json::from_value(sent["updates"].clone()).unwrap();
            let builder = current.take().unwrap().into_builder(None);
            let built = updates.into_iter().try_fold(builder, |builder, update| update.apply(builder)).unwrap();
            current = Some(TableMetadataBuilder::build(built).unwrap().metadata);
        }
        answer(&json!({"metadata": current, "metadata-location": "s3://b/staged/t/metadata/1.json"}))
    })
    .await
}

#[tokio::test]
async fn where_nothing_can_be_staged_the_table_is_created_at_once() {
    for refusal in [
        refuse(501, "NotImplementedException", "stage-create is disabled"),
        refuse(400, "BadRequestException", "Stage create is not supported"),
        refuse(406, "UnsupportedOperationException", "no"),
    ] {
        let (server, rest) = without_staging(refusal).await;
        let table = rest.stage_table(new_table(true)).await.unwrap();
        assert!(table.staged.is_none());
        assert_eq!(table.metadata.current_schema().field_id_by_name("a"), Some(7));
        assert_eq!(table.metadata.default_partition_spec().fields()[0].source_id, 3);
        // Staging, creation, the ids, the table as it is now.
        assert_eq!(calls(&server).len(), 4);
        // There is nothing left to commit for a table without rows.
        assert!(matches!(rest.commit(&ident(), Default::default()).await, CommitOutcome::Landed));
        assert_eq!(calls(&server).len(), 4);
    }
    let (_server, rest) = attached(|_| refuse(400, "BadRequestException", "bad column")).await;
    assert_eq!(rest.stage_table(new_table(true)).await.unwrap_err().kind(), ErrorKind::Sql);
}

#[tokio::test]
async fn a_creation_without_an_answer_is_unknown() {
    let (server, rest) = attached(|asked| {
        let sent: Value = serde_json::from_slice(&asked.body).unwrap();
        if sent["stage-create"] == json!(true) { Reply::status(501) } else { Reply::Close }
    })
    .await;
    let error = rest.stage_table(new_table(false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommitUnknown);
    assert_eq!(calls(&server).len(), 2);
}

/// With ids that the server gives, and with those that are put right behind it.
#[tokio::test]
async fn a_sort_order_is_staged_or_added() {
    for keeps in [false, true] {
        let by_a = SortField::builder()
            .source_id(7)
            .transform(Transform::Identity)
            .direction(SortDirection::Descending)
            .null_order(NullOrder::Last)
            .build();
        let sort_order = SortOrder { order_id: 1, fields: vec![by_a.clone()] };
        let (server, _rest, table) = stage(NewTable { sort_order, ..new_table(keeps) }).await;
        let sent: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
        let id = if keeps { 7 } else { 1 };
        let expected = SortField { source_id: id, ..by_a };
        assert_eq!(sent.get("write-order").is_some(), !keeps, "{sent}");
        assert_eq!(table.metadata.default_sort_order().fields, std::slice::from_ref(&expected));
        let built = on_top_of(staged_by_server(&server.asked()[1]), &table);
        assert_eq!(built.default_sort_order().fields, [expected]);
        let set = updates(&table).into_iter().rfind(|update| matches!(update, TableUpdate::SetDefaultSortOrder { .. }));
        assert_eq!(set, Some(TableUpdate::SetDefaultSortOrder { sort_order_id: -1 }));
    }
}
