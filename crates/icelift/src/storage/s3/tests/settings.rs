use std::collections::BTreeMap;
use std::time::Duration;

use super::super::settings::Encryption;
use crate::error::{ErrorKind, Result};
use crate::options::Options;
use crate::storage::{S3Settings, take_static_credentials};

fn options(pairs: &[(&str, &str)]) -> Options {
    let pairs = pairs.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    Options::new("c", pairs.collect::<BTreeMap<_, _>>())
}

fn take(pairs: &[(&str, &str)]) -> Result<S3Settings> {
    let mut options = options(pairs);
    let settings = S3Settings::take(&mut options)?;
    options.finish().map(|()| settings)
}

#[test]
fn everything_that_iceberg_names() {
    let taken = take(&[
        ("s3.endpoint", "https://s3.example.org/"),
        ("s3.region", "eu-north-1"),
        ("client.region", "us-west-1"),
        ("s3.sse.type", "kms"),
        ("s3.sse.key", "arn:k"),
        ("s3.requester-pays-enabled", "true"),
        ("s3.connect-timeout", "2.5"),
        ("s3.request-timeout", "7"),
        ("s3.max-connections", "3"),
        ("s3.retry.num-retries", "0"),
        ("s3.retry.min-wait-ms", "5"),
        ("s3.retry.max-wait-ms", "6"),
        ("s3.retry.total-timeout-ms", "7"),
    ])
    .unwrap();
    assert_eq!(taken.endpoint.as_deref(), Some("https://s3.example.org"));
    assert_eq!(taken.signing_region(), "eu-north-1");
    assert!(matches!(taken.encryption, Encryption::Kms(Some(key)) if key == "arn:k"));
    assert!(taken.requester_pays);
    let requests = taken.requests;
    assert_eq!((requests.connect_timeout, requests.timeout), (Duration::from_millis(2500), Duration::from_secs(7)));
    assert_eq!((requests.max_connections, requests.retries.count), (3, 0));
    assert_eq!(requests.retries.total, Duration::from_millis(7));
    assert_eq!(take(&[("client.region", "us-west-1")]).unwrap().signing_region(), "us-west-1");
}

#[test]
fn mistakes_are_named_and_values_are_not() {
    for (pairs, option) in [
        (&[("s3.endpoint", "s3.sesame.org")][..], "s3.endpoint"),
        (&[("s3.endpoint", "ftp://sesame")], "s3.endpoint"),
        (&[("s3.endpoint", "https://user:sesame@host")], "s3.endpoint"),
        (&[("s3.endpoint", "https://host?sesame")], "s3.endpoint"),
        (&[("s3.region", "sesame.org/")], "s3.region"),
        (&[("s3.sse.type", "sesame")], "s3.sse.type"),
        (&[("s3.sse.key", "sesame")], "s3.sse.key"),
        (&[("s3.sse.type", "custom")], "s3.sse.key"),
        (&[("s3.sse.type", "s3"), ("s3.sse.key", "sesame")], "s3.sse.key"),
        (&[("s3.request-timeout", "inf")], "s3.request-timeout"),
        (&[("s3.request-timeout", "-1")], "s3.request-timeout"),
        (&[("s3.connect-timeout", "NaN")], "s3.connect-timeout"),
        (&[("s3.max-connections", "0")], "s3.max-connections"),
        (&[("s3.multipart.part-size-bytes", "6000000000")], "s3.multipart.part-size-bytes"),
    ] {
        let error = take(pairs).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = format!("{error:?} {error}");
        assert!(text.contains(option), "{option}: {text}");
        assert!(!text.contains("sesame"), "{text}");
    }
}

#[test]
fn keys_go_together_and_are_not_shown() {
    let both = [("s3.access-key-id", "sesame"), ("s3.secret-access-key", "sesame"), ("s3.session-token", "sesame")];
    let credentials = take_static_credentials(&mut options(&both)).unwrap().unwrap();
    assert!(!format!("{credentials:?}").contains("sesame"));
    assert!(take_static_credentials(&mut options(&[])).unwrap().is_none());
    for one in both {
        let error = take_static_credentials(&mut options(&[one])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error:?}").contains("sesame"));
    }
    let custom = take(&[("s3.sse.type", "custom"), ("s3.sse.key", "sesame"), ("s3.sse.md5", "sesame")]).unwrap();
    assert!(!format!("{custom:?}").contains("sesame"));
}

#[test]
fn buckets_have_urls() {
    let url = |settings: &S3Settings, bucket: &str| settings.bucket_url(bucket).unwrap();
    let aws = S3Settings::default();
    assert_eq!(url(&aws, "b-1"), "https://b-1.s3.us-east-1.amazonaws.com");
    assert_eq!(url(&aws, "b.c"), "https://s3.us-east-1.amazonaws.com/b.c", "no certificate covers two labels");
    let path = take(&[("s3.path-style-access", "true")]).unwrap();
    assert_eq!(url(&path, "b"), "https://s3.us-east-1.amazonaws.com/b");
    for endpoint in ["https://user:sesame@host", "https://host/?sesame", "host", "ftp://host"] {
        let vended = S3Settings { endpoint: Some(endpoint.to_string()), ..S3Settings::default() };
        let error = vended.bucket_url("b").unwrap_err();
        assert!(error.kind() == ErrorKind::Config && !error.to_string().contains("sesame"), "{error}");
    }
    let outside = S3Settings { region: Some("evil.example/".to_string()), ..S3Settings::default() };
    assert_eq!(outside.bucket_url("b").unwrap_err().kind(), ErrorKind::Config);
    let china = S3Settings { region: Some("cn-north-1".to_string()), ..S3Settings::default() };
    assert_eq!(url(&china, "b"), "https://b.s3.cn-north-1.amazonaws.com.cn");
    let own = take(&[("s3.endpoint", "http://host:9000")]).unwrap();
    assert_eq!(url(&own, "b"), "http://host:9000/b", "servers other than AWS seldom have names for buckets");
    let hosts = take(&[("s3.endpoint", "http://host:9000"), ("s3.path-style-access", "false")]).unwrap();
    assert_eq!(url(&hosts, "b"), "http://b.host:9000");
    let address = take(&[("s3.endpoint", "http://127.0.0.1:9000"), ("s3.path-style-access", "false")]).unwrap();
    assert_eq!(url(&address, "b"), "http://127.0.0.1:9000/b");
    let r2 = super::r2_settings("https://a.r2.cloudflarestorage.com/").unwrap();
    assert_eq!(url(&r2, "b"), "https://a.r2.cloudflarestorage.com/b");
    assert_eq!(r2.signing_region(), "auto");
}
