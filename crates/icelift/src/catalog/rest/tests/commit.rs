//! Every end that a commit can come to, over the wire.

use iceberg::spec::{SnapshotReference, SnapshotRetention};
use iceberg::{TableRequirement, TableUpdate};

use super::*;
use crate::catalog::{Catalog, CommitOutcome, CommitRequest};
use crate::error::ErrorKind;

/// A commit that moves the main branch.
fn fenced() -> CommitRequest {
    let reference = SnapshotReference::new(7, SnapshotRetention::branch(None, None, None));
    CommitRequest {
        create: None,
        requirements: vec![
            TableRequirement::UuidMatch { uuid: metadata().uuid() },
            TableRequirement::RefSnapshotIdMatch { r#ref: "main".into(), snapshot_id: None },
        ],
        updates: vec![TableUpdate::SetSnapshotRef { ref_name: "main".into(), reference }],
        author: None,
    }
}

/// A commit that only sets a property.
fn unfenced() -> CommitRequest {
    let updates = HashMap::from([("k".to_string(), "v".to_string())]);
    let updates = vec![TableUpdate::SetProperties { updates }];
    let requirements = vec![TableRequirement::UuidMatch { uuid: metadata().uuid() }];
    CommitRequest { requirements, updates, ..CommitRequest::default() }
}

fn landed() -> Reply {
    answer(&loaded(json!({}), json!([])))
}

/// The outcome in words and how many requests it took.
async fn outcome(replies: Vec<Reply>, request: CommitRequest) -> (String, usize) {
    let (server, rest) = attached(in_turn(replies)).await;
    let outcome = match rest.commit(&ident(), request).await {
        CommitOutcome::Landed => "landed".to_string(),
        CommitOutcome::NotLanded(error) => format!("not landed, {:?}", error.kind()),
        CommitOutcome::Unknown(error) => format!("unknown, {:?}", error.kind()),
    };
    (outcome, calls(&server).len())
}

fn after(status: u16, seconds: &str) -> Reply {
    Reply::with(status, &[("retry-after", seconds)], b"")
}

#[tokio::test]
async fn the_request_is_the_specifications() {
    let (server, rest) = attached(|_| landed()).await;
    assert!(matches!(rest.commit(&ident(), fenced()).await, CommitOutcome::Landed));
    assert_eq!(calls(&server), ["POST /v1/namespaces/n/tables/t"]);
    let sent: Value = serde_json::from_slice(&server.asked()[1].body).unwrap();
    let uuid = sent["requirements"][0]["uuid"].clone();
    assert!(uuid.is_string());
    assert_eq!(
        sent,
        json!({
            "requirements": [
                {"type": "assert-table-uuid", "uuid": uuid},
                {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": null},
            ],
            "updates": [{"action": "set-snapshot-ref", "ref-name": "main", "snapshot-id": 7, "type": "branch"}],
        })
    );
}

/// The next commit is built on what the last one was answered, and on nothing while it is not known what became of it.
#[tokio::test]
async fn the_table_is_known_from_the_answer() {
    let table = loaded(json!({}), json!([]));
    let with_property = |value: &str| {
        let mut reply = table.clone();
        reply["metadata"]["properties"] = json!({"k": value});
        answer(&reply)
    };
    let replies =
        [with_property("loaded"), with_property("first"), Reply::status(500), with_property("second"), landed()];
    let (_server, rest) = attached(in_turn(replies.to_vec())).await;
    let known = rest.load_table(&ident()).await.unwrap();
    let told = || rest.committed(&known).map(|table| table.metadata.properties()["k"].clone());
    assert_eq!(told(), None);
    assert!(matches!(rest.commit(&ident(), unfenced()).await, CommitOutcome::Landed));
    assert_eq!(told().as_deref(), Some("first"));
    assert!(matches!(rest.commit(&ident(), unfenced()).await, CommitOutcome::Unknown(_)));
    assert_eq!(told(), None);
    assert!(matches!(rest.commit(&ident(), unfenced()).await, CommitOutcome::Landed));
    assert_eq!(told().as_deref(), Some("second"));
    let other = TableIdent::from_strs(["n", "other"]).unwrap();
    assert!(matches!(rest.commit(&other, unfenced()).await, CommitOutcome::Landed));
    assert_eq!(told(), None, "only the last table is kept");
}

#[tokio::test]
async fn one_answer_tells() {
    for (reply, expected) in [
        (refuse(409, "CommitFailedException", "branch main has changed"), "not landed, CommitConflict"),
        (refuse(400, "ConcurrentUpdateError", "try again"), "not landed, CommitConflict"),
        (refuse(409, "FailedToSetProperties", "write.data.path"), "not landed, Write"),
        (refuse(400, "BadRequestException", "no"), "not landed, Sql"),
        (Reply::with(403, &[], b"no rights"), "not landed, Denied"),
        (refuse(404, "NoSuchTableException", "gone"), "not landed, NotFound"),
        (refuse(500, "", ""), "unknown, CommitUnknown"),
        (Reply::status(502), "unknown, CommitUnknown"),
        (Reply::status(503), "unknown, CommitUnknown"),
        (Reply::status(504), "unknown, CommitUnknown"),
        (refuse(500, "CommitStateUnknownException", "who knows"), "unknown, CommitUnknown"),
        (Reply::Close, "unknown, CommitUnknown"),
        (landed().cut(50), "unknown, CommitUnknown"),
        (body(r#"{"metadata": {"format-ver"#), "unknown, CommitUnknown"),
        (body("<html>captive portal</html>"), "unknown, CommitUnknown"),
        (body(r#"{"metadata": null}"#), "unknown, CommitUnknown"),
        (body(""), "unknown, CommitUnknown"),
    ] {
        assert_eq!(outcome(vec![reply.clone()], fenced()).await, (expected.to_string(), 1), "{reply:?}");
    }
}

#[tokio::test]
async fn a_secret_within_the_name_of_an_error_changes_nothing() {
    for (named, status, expected) in [
        ("CommitStateUnknownException", 400, ErrorKind::CommitUnknown),
        ("ConcurrentUpdateError", 400, ErrorKind::CommitConflict),
    ] {
        let server = serving(SILENT, move |_| refuse(status, named, "")).await;
        // Values of headers are kept from messages.
        let rest = attach(&server, &[("header.x-a", "on"), ("header.x-b", "Up")]).await.unwrap();
        let (CommitOutcome::NotLanded(error) | CommitOutcome::Unknown(error)) = rest.commit(&ident(), fenced()).await
        else {
            panic!("landed")
        };
        assert_eq!(error.kind(), expected);
        assert!(!chain(&error).contains(named), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_leaves_it_unknown() {
    let server = serving(SILENT, |_| Reply::Hang).await;
    let rest = attach(&server, &[("rest.client.socket-timeout-ms", "300")]).await.unwrap();
    let CommitOutcome::Unknown(error) = rest.commit(&ident(), fenced()).await else { panic!("known") };
    assert_eq!(error.to_string(), "snapshot of `r.n.t`: the commit was sent and its outcome is not known");
    assert_eq!(calls(&server).len(), 1);
}

#[tokio::test]
async fn a_server_that_is_down_has_not_landed_anything() {
    let server = serving(SILENT, |_| landed()).await;
    let rest = attach(&server, &[]).await.unwrap();
    drop(server);
    let CommitOutcome::NotLanded(error) = rest.commit(&ident(), fenced()).await else { panic!("not told") };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_limiter_is_waited_for() {
    assert_eq!(outcome(vec![after(429, "0"), landed()], unfenced()).await, ("landed".to_string(), 2));
    // It turns requests away before they are looked at, so a conflict behind it is a plain one.
    let conflict = refuse(409, "CommitFailedException", "");
    let expected = ("not landed, CommitConflict".to_string(), 2);
    assert_eq!(outcome(vec![after(429, "0"), conflict], fenced()).await, expected);
    assert_eq!(outcome(vec![Reply::status(429)], fenced()).await, ("not landed, Unavailable".to_string(), 2));
}

#[tokio::test]
async fn an_invitation_to_send_again_is_followed_if_a_second_copy_cannot_land() {
    assert_eq!(outcome(vec![after(503, "0"), landed()], fenced()).await, ("landed".to_string(), 2));
    assert_eq!(outcome(vec![after(503, "0"), landed()], unfenced()).await, ("unknown, CommitUnknown".to_string(), 1));
}

#[tokio::test]
async fn a_409_that_follows_an_unknown_attempt_may_be_our_own() {
    for last in [
        refuse(409, "CommitFailedException", "branch main has changed"),
        refuse(400, "ConcurrentUpdateError", ""),
        Reply::status(403),
        Reply::status(429),
        after(503, "0"),
    ] {
        let expected = ("unknown, CommitUnknown".to_string(), 2);
        assert_eq!(outcome(vec![after(503, "0"), last.clone()], fenced()).await, expected, "{last:?}");
    }
}

#[tokio::test]
async fn a_commit_whose_token_ended_is_sent_again_with_another() {
    let mut given = 0;
    let server = Server::start(move |asked| match path(asked) {
        "/v1/oauth/tokens" => {
            given += 1;
            answer(&json!({"access_token": format!("t{given}")}))
        }
        "/v1/config" => body(SILENT),
        _ if asked.header("authorization") == Some("Bearer t2") => landed(),
        _ => Reply::with(401, &[], b"expired"),
    })
    .await;
    let rest = attach(&server, &[("credential", "a:b")]).await.unwrap();
    assert!(matches!(rest.commit(&ident(), unfenced()).await, CommitOutcome::Landed));
}

#[tokio::test]
async fn errors_of_commits_say_what_the_server_said_without_secrets() {
    let server = serving(SILENT, |_| refuse(409, "CommitFailedException", "token hunter2hunter2 lost")).await;
    let rest = attach(&server, &[("token", "hunter2hunter2")]).await.unwrap();
    let CommitOutcome::NotLanded(error) = rest.commit(&ident(), fenced()).await else { panic!("not told") };
    assert_eq!(
        error.to_string(),
        "snapshot of `r.n.t`: the table was changed by another writer: the REST catalog answers 409 \
         `CommitFailedException`: token *** lost"
    );
    assert!(!chain(&error).contains("hunter2"));
}
