//! Namespaces and tables: pages, levels, names.

use super::*;
use crate::catalog::{Catalog, Dropped, ListedTable, TableKind};
use crate::error::ErrorKind;

#[tokio::test]
async fn nested_namespaces_are_found_page_by_page() {
    let (server, rest) = attached(|asked| {
        body(match asked.target.as_str() {
            "/v1/namespaces?pageToken=" => r#"{"namespaces": [["a"], ["c"]], "next-page-token": "p 2"}"#,
            "/v1/namespaces?pageToken=p%202" => r#"{"namespaces": [["d"]], "next-page-token": null}"#,
            "/v1/namespaces?pageToken=&parent=a" => r#"{"namespaces": [["a", "b.x"]]}"#,
            "/v1/namespaces?pageToken=&parent=a%1Fb.x" => r#"{"namespaces": [["a", "b.x", "y"]]}"#,
            _ => r#"{"namespaces": []}"#,
        })
    })
    .await;
    let found = rest.list_namespaces().await.unwrap();
    let found: Vec<_> = found.iter().map(|namespace| namespace.as_ref().join("/")).collect();
    assert_eq!(found, ["a", "a/b.x", "a/b.x/y", "c", "d"]);
    assert_eq!(calls(&server).len(), 7);
}

#[tokio::test]
async fn a_server_without_nested_namespaces_is_not_asked_for_ever() {
    for below in [
        body(r#"{"namespaces": [["a"]]}"#),
        refuse(400, "BadRequestException", "unknown parameter"),
        refuse(404, "NoSuchNamespaceException", "gone"),
        refuse(501, "UnsupportedOperationException", "no"),
    ] {
        let (server, rest) =
            attached(
                move |asked| {
                    if asked.target.contains("parent=") { below.clone() } else { body(r#"{"namespaces": [["a"]]}"#) }
                },
            )
            .await;
        assert_eq!(rest.list_namespaces().await.unwrap().len(), 1);
        assert_eq!(calls(&server).len(), 2);
    }
}

#[tokio::test]
async fn the_forbidden_is_an_error_not_an_empty_list() {
    let (_server, rest) = attached(|_| Reply::with(403, &[], b"no rights")).await;
    let error = rest.list_namespaces().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(error.to_string(), "catalog of `r`: listNamespaces: the REST catalog answers 403: no rights");
}

#[tokio::test]
async fn tables_are_listed_page_by_page_with_the_views_beside_them() {
    let config = r#"{"endpoints": ["GET /v1/{prefix}/namespaces/{namespace}/tables",
                                   "GET /v1/{prefix}/namespaces/{namespace}/views"]}"#;
    let server = serving(config, |asked| {
        body(match asked.target.as_str() {
            "/v1/namespaces/n/tables?pageToken=&pageSize=2" => {
                r#"{"identifiers": [{"namespace": ["n"], "name": "t"}, {"namespace": ["n", "m"], "name": "deeper"}],
                    "next-page-token": "2"}"#
            }
            "/v1/namespaces/n/tables?pageToken=2&pageSize=2" => {
                r#"{"identifiers": [{"namespace": ["n"], "name": "u"}], "next-page-token": ""}"#
            }
            _ => r#"{"identifiers": [{"namespace": ["n"], "name": "v"}]}"#,
        })
    })
    .await;
    let rest = attach(&server, &[("rest-page-size", "2")]).await.unwrap();
    let expected = [
        ListedTable::from("t".to_string()),
        ListedTable::from("u".to_string()),
        ListedTable::new("v", TableKind::View),
    ];
    assert_eq!(rest.list_tables(&namespace()).await.unwrap(), expected);
}

#[tokio::test]
async fn a_list_without_end_is_an_error() {
    let (_server, rest) = attached(|_| body(r#"{"identifiers": [], "next-page-token": "x"}"#)).await;
    let error = rest.list_tables(&namespace()).await.unwrap_err();
    assert_eq!(error.to_string(), "catalog of `r`: listTables of `n`: the list has no end, page 2 leads to itself");
}

#[tokio::test]
async fn a_namespace_is_created_once() {
    let (server, rest) = attached(in_turn(vec![
        answer(&json!({"namespace": ["n"], "properties": {}})),
        refuse(409, "AlreadyExistsException", "there"),
    ]))
    .await;
    let properties = HashMap::from([("owner".to_string(), "me".to_string())]);
    rest.create_namespace(&namespace(), properties).await.unwrap();
    let sent: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
    assert_eq!(sent, json!({"namespace": ["n"], "properties": {"owner": "me"}}));
    let error = rest.create_namespace(&namespace(), no_properties()).await.unwrap_err();
    assert_eq!((error.kind(), error.at()), (ErrorKind::AlreadyExists, None));
}

#[tokio::test]
async fn a_creation_without_an_answer_is_not_repeated() {
    let (server, rest) = attached(|_| Reply::Close).await;
    let error = rest.create_namespace(&namespace(), no_properties()).await.unwrap_err();
    assert!(error.to_string().ends_with("did not answer completely"), "{error}");
    assert_eq!(calls(&server).len(), 1);
}

#[tokio::test]
async fn a_namespace_is_dropped_and_the_second_try_may_find_it_gone() {
    let (_server, rest) = attached(in_turn(vec![Reply::status(204)])).await;
    rest.drop_namespace(&namespace()).await.unwrap();
    let gone = refuse(404, "NoSuchNamespaceException", "gone");
    let (server, rest) = attached(in_turn(vec![Reply::Close, gone.clone()])).await;
    rest.drop_namespace(&namespace()).await.unwrap();
    assert_eq!(calls(&server).len(), 2);
    let (_server, rest) = attached(in_turn(vec![gone])).await;
    let error = rest.drop_namespace(&namespace()).await.unwrap_err();
    assert_eq!((error.kind(), error.at()), (ErrorKind::NotFound, None));
    let (_server, rest) = attached(in_turn(vec![refuse(409, "NamespaceNotEmptyException", "full")])).await;
    let error = rest.drop_namespace(&namespace()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sql);
    assert_eq!(error.advice(), Some("drop its tables and namespaces first"));
}

#[tokio::test]
async fn a_drop_without_an_answer_is_settled_by_looking() {
    let gone = || refuse(404, "NoSuchTableException", "gone");
    let (server, rest) = attached(in_turn(vec![Reply::Close, gone()])).await;
    assert_eq!(rest.drop_table(&ident()).await.unwrap(), Dropped::Gone);
    assert_eq!(calls(&server), ["DELETE /v1/namespaces/n/tables/t", "GET /v1/namespaces/n/tables/t"]);
    let there = answer(&loaded(json!({}), json!([])));
    let (server, rest) = attached(in_turn(vec![Reply::Close, there])).await;
    assert!(rest.drop_table(&ident()).await.is_err());
    // Never twice: somebody may have created the table anew.
    assert_eq!(calls(&server).iter().filter(|call| call.starts_with("DELETE")).count(), 1);
    let (_server, rest) = attached(in_turn(vec![gone()])).await;
    assert_eq!(rest.drop_table(&ident()).await.unwrap_err().kind(), ErrorKind::NotFound);
}
