//! Uploads that were begun and are neither completed nor aborted: no list of objects shows them, and they cost what objects
//! cost. `object_store` aborts its own uploads only, and lists none.

use chrono::{DateTime, Utc};
use object_store::Result;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use reqwest::Method;

use super::bucket::{self, Bucket, generic};
use crate::error::{Error, ErrorKind};

/// Pages that are read of one list: ten million uploads.
const PAGES_MAX: usize = 10_000;
/// What a value must not hold literally in the query of a signed URL.
const ENCODED: &AsciiSet = &bucket::ENCODED.add(b'/');

/// An upload that is neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::storage) struct PendingUpload {
    pub key: String,
    pub id: String,
    pub begun: Option<DateTime<Utc>>,
}

/// One answer of the server.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    uploads: Vec<PendingUpload>,
    /// The key and the upload behind which the next page begins; `None` at the end of the list.
    next: Option<(String, String)>,
}

impl Bucket {
    /// All uploads of keys that begin with `prefix`.
    pub async fn pending_uploads(&self, prefix: &str) -> Result<Vec<PendingUpload>> {
        let mut found = Vec::new();
        let mut next = Some((String::new(), String::new()));
        for _ in 0..PAGES_MAX {
            let Some((key, id)) = next.take() else { return Ok(found) };
            let mut query = format!("uploads=&prefix={}", encoded(prefix));
            if !key.is_empty() {
                query += &format!("&key-marker={}&upload-id-marker={}", encoded(&key), encoded(&id));
            }
            let xml = self.ask(&format!("{}?{query}", self.url)).await?;
            let page = page(&xml).ok_or_else(no_list)?;
            found.extend(page.uploads);
            // A server that gives the same page for ever is not followed.
            next = page.next.filter(|next| *next != (key, id));
        }
        Ok(found)
    }

    /// Aborts an upload; that it is gone already is no error.
    pub async fn abort_upload(&self, key: &str, id: &str) -> Result<()> {
        let url = format!("{}/{}?uploadId={}", self.url, bucket::encoded(key), encoded(id));
        match bucket::send(&self.service, Method::DELETE, &url).await {
            Err(error) if !super::Failure::find(&error).is_some_and(|failure| failure.is_upload_missing()) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn ask(&self, url: &str) -> Result<String> {
        let answer = bucket::send(&self.service, Method::GET, url).await?;
        let bytes = answer.into_body().bytes().await.map_err(generic)?;
        String::from_utf8(bytes.into()).map_err(generic)
    }
}

fn no_list() -> object_store::Error {
    let error = Error::new(ErrorKind::Read, "the server's answer is no list of uploads");
    generic(error.hint("look whether `s3.endpoint` is an S3 endpoint, and what stands between"))
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn page(xml: &str) -> Option<Page> {
    let (_, list) = xml.split_once("<ListMultipartUploadsResult")?;
    let uploads = list.split("<Upload>").skip(1).filter_map(|upload| {
        let begun = text(upload, "Initiated").and_then(|time| DateTime::parse_from_rfc3339(&time).ok());
        Some(PendingUpload {
            key: text(upload, "Key")?,
            id: text(upload, "UploadId")?,
            begun: begun.map(|time| time.to_utc()),
        })
    });
    let uploads: Vec<_> = uploads.collect();
    let is_cut = text(list, "IsTruncated").is_some_and(|truth| truth == "true");
    let marker = |name: &str| text(list, name).unwrap_or_default();
    let next = is_cut.then(|| (marker("NextKeyMarker"), marker("NextUploadIdMarker")));
    Some(Page { uploads, next: next.filter(|(key, _)| !key.is_empty()) })
}

/// The text of the first element of a name, whole: keys are longer than what an error may say.
pub(super) fn text(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    plain(text)
}

/// The text with its character references resolved; `None` if one of them is none.
fn plain(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut found = parts.next()?.to_string();
    for part in parts {
        let (reference, rest) = part.split_once(';')?;
        let char = match reference {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let number = number.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        };
        found.push(char);
        found.push_str(rest);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><KeyMarker></KeyMarker>
        <UploadIdMarker/><NextKeyMarker>t/b&amp;c</NextKeyMarker><NextUploadIdMarker>U2</NextUploadIdMarker>
        <MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated>
        <Upload><Key>t/a</Key><UploadId>U1</UploadId><Initiator><ID>i</ID></Initiator><Owner><ID>o</ID></Owner>
        <StorageClass>STANDARD</StorageClass><Initiated>2026-01-02T03:04:05.678Z</Initiated></Upload>
        <Upload><Key>t/b&amp;c</Key><UploadId>U2</UploadId></Upload></ListMultipartUploadsResult>"#;

    #[test]
    fn pages() {
        let found = page(LIST).unwrap();
        let begun = DateTime::parse_from_rfc3339("2026-01-02T03:04:05.678Z").unwrap().to_utc();
        let upload = |key: &str, id: &str, begun| PendingUpload { key: key.to_string(), id: id.to_string(), begun };
        assert_eq!(found.uploads, [upload("t/a", "U1", Some(begun)), upload("t/b&c", "U2", None)]);
        assert_eq!(found.next, Some(("t/b&c".to_string(), "U2".to_string())));
        let last = LIST.replace("<IsTruncated>true", "<IsTruncated>false");
        assert_eq!(page(&last).unwrap().next, None);
        assert_eq!(page("<html>Welcome</html>"), None);
    }

    #[test]
    fn references() {
        assert_eq!(plain("a&lt;&gt;&quot;&apos;&#34;&#x27;&amp;lt;").unwrap(), "a<>\"'\"'&lt;");
        assert_eq!(plain("a&b"), None);
        assert_eq!(plain("&#xD800;"), None);
        let long = format!("<Key>{}</Key>", "k".repeat(1000));
        assert_eq!(text(&long, "Key").unwrap().len(), 1000);
    }
}
