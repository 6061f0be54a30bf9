//! The examples of AWS's documentation, and what must not pass.

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn headers(extra: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    insert(&mut headers, "host", "examplebucket.s3.amazonaws.com");
    insert(&mut headers, "x-amz-date", "20130524T000000Z");
    insert(&mut headers, "x-amz-content-sha256", EMPTY);
    extra.iter().for_each(|(name, value)| insert(&mut headers, name, value));
    headers
}

fn authorization(signed: &str, signature: &str) -> Authorization {
    let credential = "the-key/20130524/us-east-1/s3/aws4_request";
    let header = format!("{ALGORITHM} Credential={credential},SignedHeaders={signed},Signature={signature}");
    Authorization::parse(&header).unwrap()
}

#[test]
fn example_of_a_get() {
    let headers = headers(&[("range", "bytes=0-9")]);
    let request = Signable { method: "GET", path: "/test.txt", query: "", headers: &headers };
    let found = authorization(
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    assert!(found.is_by(SECRET, &request));
    assert!(!found.is_by("another secret", &request));
    assert!(!found.is_by(SECRET, &Signable { path: "/other.txt", ..request }));
}

#[test]
fn example_of_a_list() {
    let headers = headers(&[]);
    let found = authorization(
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
    let request = Signable { method: "GET", path: "/", query: "prefix=J&max-keys=2", headers: &headers };
    assert!(found.is_by(SECRET, &request));
}

#[test]
fn example_of_a_put_with_a_strange_name() {
    let payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    let mut headers =
        headers(&[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")]);
    insert(&mut headers, "x-amz-content-sha256", payload);
    let found = authorization(
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    for path in ["/test$file.text", "/test%24file.text", "/test%24file%2etext"] {
        assert!(found.is_by(SECRET, &Signable { method: "PUT", path, query: "", headers: &headers }), "{path}");
    }
}

#[test]
fn what_is_signed_here_is_found_right() {
    let keys = Keys::new("key", "secret");
    let mut headers = HeaderMap::new();
    insert(&mut headers, "x-amz-meta-note", "  two   words ");
    sign(&keys, "127.0.0.1:1", ("PUT", "/bucket/a%20b", "partNumber=1&uploadId=x%2Fy"), &mut headers);
    let found = Authorization::parse(text(&headers, "authorization").unwrap()).unwrap();
    let query = "uploadId=x%2Fy&partNumber=1";
    let request = Signable { method: "PUT", path: "/bucket/a b", query, headers: &headers };
    assert!(found.is_by("secret", &request));
    assert!(found.signed_headers.contains("x-amz-meta-note"));
}

#[test]
fn other_authorizations_are_none() {
    assert_eq!(Authorization::parse("Bearer token"), None);
    assert_eq!(Authorization::parse("AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x"), None);
}

#[test]
fn keys_do_not_show_the_secret() {
    assert_eq!(format!("{:?}", Keys::new("key", "hidden")), "Keys { access_key: \"key\", .. }");
}
