//! Faults come when they are asked for, and do what they say.

use std::time::{Duration, Instant};

use super::super::{Fault, FaultRule, Side};
use super::{Bench, PREFIX};

const TABLE: &str = "namespaces/n/tables/t";

async fn commit(bench: &Bench) -> reqwest::Result<super::Got> {
    bench.catalog_at("POST", &format!("/v1/{PREFIX}/{TABLE}"), bench.proxy.token(), "{}").await
}

async fn put(bench: &Bench, key: &str) -> reqwest::Result<super::Got> {
    bench.s3_as(&bench.proxy.s3_keys(), "PUT", &format!("/lake/{key}"), &[], b"content").await
}

#[tokio::test]
async fn a_rule_chooses_its_requests() {
    let bench = Bench::new(|_| {}).await;
    let fault = Fault::s3_error(503, "SlowDown").retry_after(7);
    let rule = FaultRule::before(Side::S3, fault).operation("PutObject").method("PUT").path_contains("/chosen");
    let slow = bench.proxy.fault(rule.skip(1).times(2));
    let mut codes = Vec::new();
    for key in ["chosen/1", "other", "chosen/2", "chosen/3", "chosen/4"] {
        codes.push(put(&bench, key).await.unwrap().code);
    }
    assert_eq!(codes, [200, 200, 503, 503, 200]);
    assert_eq!(slow.hits(), 2);
    assert_eq!(bench.stub.targets().len(), 3);
}

#[tokio::test]
async fn a_status_has_its_body_and_header() {
    let bench = Bench::new(|_| {}).await;
    let fault = Fault::iceberg_error(503, "SlowDownException").retry_after(7);
    let slow = bench.proxy.fault(FaultRule::after(Side::Catalog, fault).always());
    for hits in 1..=3 {
        let got = commit(&bench).await.unwrap();
        assert_eq!(got.error(), (503, "SlowDownException".to_owned()));
        assert_eq!(got.headers["retry-after"], "7");
        assert_eq!((slow.hits(), bench.stub.targets().len()), (hits, hits as usize));
    }
    slow.remove();
    assert_eq!(commit(&bench).await.unwrap().code, 204);
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after() {
    let bench = Bench::new(|_| {}).await;
    let before = bench.proxy.fault(FaultRule::before(Side::Catalog, Fault::Reset));
    assert!(commit(&bench).await.is_err());
    assert_eq!((before.hits(), bench.stub.targets().len()), (1, 0));
    let after = bench.proxy.fault(FaultRule::after(Side::Catalog, Fault::Reset));
    assert!(commit(&bench).await.is_err());
    assert_eq!((after.hits(), bench.stub.targets().len()), (1, 1), "done, and nobody knows");
    assert_eq!(commit(&bench).await.unwrap().code, 204);
    assert_eq!(
        bench.proxy.requests().iter().map(|request| request.status).collect::<Vec<_>>(),
        [None, None, Some(204)]
    );
}

#[tokio::test]
async fn bodies_are_cut_and_spoilt() {
    let bench = Bench::new(|_| {}).await;
    bench.stub.says("/lake/a", 200, "0123456789");
    let cut = bench.proxy.fault(FaultRule::after(Side::S3, Fault::Truncate { bytes: 4 }));
    let keys = bench.proxy.s3_keys();
    let get = || bench.s3_as(&keys, "GET", "/lake/a", &[], b"");
    assert!(get().await.is_err());
    assert_eq!((cut.hits(), bench.proxy.requests()[0].bytes_out), (1, 4));
    let spoilt = bench.proxy.fault(FaultRule::after(Side::S3, Fault::Corrupt { at: 9 }));
    assert_eq!(get().await.unwrap().body[..], [&b"012345678"[..], &[b'9' ^ 0xff]].concat());
    let sent = bench.proxy.fault(FaultRule::before(Side::S3, Fault::Corrupt { at: 0 }).operation("PutObject"));
    put(&bench, "b").await.unwrap();
    assert_eq!(bench.stub.asked().last().unwrap().body[..], [&[b'c' ^ 0xff], &b"ontent"[..]].concat());
    assert_eq!((spoilt.hits(), sent.hits()), (1, 1));
    assert_eq!(get().await.unwrap().text(), "0123456789");
}

#[tokio::test]
async fn answers_are_late_or_never_come() {
    let bench = Bench::new(|_| {}).await;
    let late = bench.proxy.fault(FaultRule::before(Side::S3, Fault::Delay(Duration::from_millis(150))));
    let start = Instant::now();
    assert_eq!(put(&bench, "a").await.unwrap().code, 200);
    assert!(start.elapsed() >= Duration::from_millis(150));
    let never = bench.proxy.fault(FaultRule::after(Side::S3, Fault::Hang));
    assert!(tokio::time::timeout(Duration::from_millis(300), put(&bench, "b")).await.is_err());
    assert_eq!((late.hits(), never.hits(), bench.stub.targets().len()), (1, 1, 2));
}

#[tokio::test]
async fn credentials_are_too_old() {
    let bench = Bench::new(|_| {}).await;
    bench.proxy.fault(FaultRule::before(Side::S3, Fault::ExpiredToken));
    bench.proxy.fault(FaultRule::before(Side::Catalog, Fault::ExpiredToken));
    assert_eq!(put(&bench, "a").await.unwrap().s3_error(), (400, "ExpiredToken".to_owned()));
    assert_eq!(commit(&bench).await.unwrap().code, 401);
}

#[tokio::test]
async fn a_request_arrives_when_its_client_has_given_up() {
    let bench = Bench::new(|_| {}).await;
    let late = bench.proxy.fault(FaultRule::before(Side::Catalog, Fault::Late(Duration::from_millis(200))));
    assert!(commit(&bench).await.is_err());
    assert_eq!((late.hits(), bench.stub.targets().len()), (1, 0));
    while bench.stub.targets().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while bench.proxy.requests()[0].status != Some(204) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
