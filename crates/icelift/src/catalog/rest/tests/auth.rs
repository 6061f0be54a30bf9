//! Tokens: given, fetched, renewed, and never shown.

use super::*;
use crate::catalog::Catalog;
use crate::error::ErrorKind;

const NONE: &str = r#"{"namespaces": []}"#;
const LOGIN: [(&str, &str); 3] = [("credential", "me:hunter2+/="), ("scope", "all"), ("audience", "a b")];

/// A server that gives the tokens `t1`, `t2`, … and takes those that `takes` says.
async fn token_server(expires_in: Option<u64>, takes: impl Fn(&str) -> bool + Send + 'static) -> Server {
    let mut given = 0;
    Server::start(move |asked| {
        if path(asked) == "/v1/oauth/tokens" {
            given += 1;
            return answer(&json!({"access_token": format!("token-number-{given}"), "expires_in": expires_in}));
        }
        let token = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if !takes(token) {
            return refuse(401, "NotAuthorizedException", &format!("bad token {token}"));
        }
        body(if path(asked) == "/v1/config" { SILENT } else { NONE })
    })
    .await
}

fn logins(server: &Server) -> usize {
    server.asked().iter().filter(|asked| path(asked) == "/v1/oauth/tokens").count()
}

#[tokio::test]
async fn a_given_token_goes_along_and_is_never_shown() {
    let server = token_server(None, |token| token == "hunter2hunter2").await;
    attach(&server, &[("token", "hunter2hunter2")]).await.unwrap().list_namespaces().await.unwrap();
    let error = attach(&server, &[("token", "hunter3hunter3")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(
        error.to_string(),
        "catalog of `r`: getConfig: the REST catalog answers 401 `NotAuthorizedException`: bad token ***"
    );
    assert!(!chain(&error).contains("hunter"), "{error:?}");
    assert_eq!(logins(&server), 0);
}

#[tokio::test]
async fn a_client_logs_in_once_for_many_calls() {
    let server = token_server(Some(3600), |token| token == "token-number-1").await;
    let rest = attach(&server, &LOGIN).await.unwrap();
    rest.list_namespaces().await.unwrap();
    rest.list_namespaces().await.unwrap();
    assert_eq!(logins(&server), 1);
    let asked = &server.asked()[0];
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.header("authorization"), None);
    let form = String::from_utf8(asked.body.clone()).unwrap();
    assert_eq!(
        form,
        "grant_type=client_credentials&client_id=me&client_secret=hunter2%2B%2F%3D&scope=all&audience=a+b"
    );
}

#[tokio::test]
async fn the_token_server_may_be_another_and_the_id_missing() {
    let tokens = token_server(Some(3600), |_| true).await;
    let server = token_server(None, |token| token == "token-number-1").await;
    let uri = format!("{}/v1/oauth/tokens", tokens.url);
    attach(&server, &[("credential", "hunter2"), ("oauth2-server-uri", &uri)]).await.unwrap();
    assert_eq!((logins(&tokens), logins(&server)), (1, 0));
    let form = String::from_utf8(tokens.asked()[0].body.clone()).unwrap();
    assert_eq!(form, "grant_type=client_credentials&client_secret=hunter2&scope=catalog");
}

#[tokio::test]
async fn a_token_may_live_for_ever() {
    let server = token_server(Some(u64::MAX), |token| token == "token-number-1").await;
    attach(&server, &LOGIN).await.unwrap().list_namespaces().await.unwrap();
    assert_eq!(logins(&server), 1);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    // One that lives for a second is renewed after three quarters of it.
    let server = token_server(Some(1), |_| true).await;
    let rest = attach(&server, &LOGIN).await.unwrap();
    assert_eq!(logins(&server), 1);
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    rest.list_namespaces().await.unwrap();
    assert_eq!(logins(&server), 2);
    assert_eq!(server.asked().last().unwrap().header("authorization"), Some("Bearer token-number-2"));
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    for status in [401, 419] {
        let mut given = 0;
        let server = Server::start(move |asked| {
            let token = asked.header("authorization").unwrap_or_default();
            match path(asked) {
                "/v1/oauth/tokens" => {
                    given += 1;
                    answer(&json!({"access_token": format!("t{given}")}))
                }
                "/v1/config" => body(SILENT),
                _ if token == "Bearer t2" => body(NONE),
                _ => Reply::with(status, &[], b"expired"),
            }
        })
        .await;
        let rest = attach(&server, &LOGIN).await.unwrap();
        rest.list_namespaces().await.unwrap();
        assert_eq!(logins(&server), 2, "{status}");
    }
    let server = token_server(None, |_| false).await;
    assert_eq!(attach(&server, &LOGIN).await.unwrap_err().kind(), ErrorKind::Denied);
    // The first token, one renewal, and no third.
    assert_eq!(logins(&server), 2);
}

#[tokio::test]
async fn callers_that_are_refused_together_share_one_renewal() {
    let server = token_server(None, |token| token != "stale").await;
    let given = [("token", "stale"), ("credential", "a:b")];
    let rest = Arc::new(attach(&server, &given).await.unwrap());
    assert_eq!(logins(&server), 1);
    let mut given = 0;
    let server = Server::start(move |asked| match path(asked) {
        "/v1/oauth/tokens" => {
            given += 1;
            answer(&json!({"access_token": format!("t{given}")}))
        }
        "/v1/config" => body(SILENT),
        _ if asked.header("authorization") == Some("Bearer stale") => Reply::status(401),
        _ => body(NONE),
    })
    .await;
    drop(rest);
    let rest = Arc::new(attach(&server, &[("token", "stale"), ("credential", "a:b")]).await.unwrap());
    let calls = (0..8).map(|_| {
        let rest = Arc::clone(&rest);
        tokio::spawn(async move { rest.list_namespaces().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(logins(&server), 1);
}

#[tokio::test]
async fn nothing_that_the_token_server_says_is_shown_but_its_code() {
    let refusal =
        json!({"error": "invalid_client", "error_description": "secret hunter2+/= of me is wrong, try pass-me"});
    let refusal = Reply::with(401, &[], refusal.to_string().as_bytes());
    for (reply, expected) in [
        (refusal, "refuses the credential: 401 `invalid_client`"),
        (Reply::with(500, &[], b"dump: pass-me"), "refuses the credential: 500"),
        (body(r#"{"accessToken": "pass-me"}"#), "answers with something else than a token"),
        (body(r#"{"access_token": ["pass-me"]}"#), "answers with something else than a token"),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let error = attach(&server, &LOGIN).await.unwrap_err();
        let expected = format!("catalog of `r`: the token server `{}/v1/oauth/tokens` {expected}", server.url);
        assert_eq!(error.to_string(), expected);
        let shown = chain(&error);
        assert!(!shown.contains("hunter2") && !shown.contains("pass-me"), "{shown}");
    }
}

#[tokio::test]
async fn no_debug_output_holds_a_secret() {
    let server = token_server(Some(3600), |_| true).await;
    let mut given = LOGIN.to_vec();
    given.extend([
        ("s3.access-key-id", "AKIAHUNTER"),
        ("s3.secret-access-key", "hunter4"),
        ("header.x-key", "hunter5"),
    ]);
    let rest = attach(&server, &given).await.unwrap();
    let shown = format!("{rest:?}");
    for secret in ["hunter", "token-number", "AKIAHUNTER"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
