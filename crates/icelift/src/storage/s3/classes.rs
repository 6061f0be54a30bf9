//! The storage classes of objects, which `object_store`'s lists leave out.

use std::collections::BTreeMap;

use object_store::Result;

use super::bucket::{Bucket, generic};
use super::pending::{encoded, text};
use crate::error::{Error, ErrorKind};

/// What an object has whose entry names no class.
const UNNAMED: &str = "STANDARD";

impl Bucket {
    /// How many of the first 1000 objects of keys that begin with `prefix` are in each class.
    pub async fn storage_classes(&self, prefix: &str) -> Result<BTreeMap<String, u64>> {
        let xml = self.ask(&format!("{}?list-type=2&max-keys=1000&prefix={}", self.url, encoded(prefix))).await?;
        classes(&xml).ok_or_else(|| generic(Error::new(ErrorKind::Read, "the server's answer is no list of objects")))
    }
}

fn classes(xml: &str) -> Option<BTreeMap<String, u64>> {
    let (_, list) = xml.split_once("<ListBucketResult")?;
    let mut classes = BTreeMap::new();
    for object in list.split("<Contents>").skip(1) {
        *classes.entry(text(object, "StorageClass").unwrap_or_else(|| UNNAMED.to_string())).or_default() += 1;
    }
    Some(classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_counted_by_class() {
        let xml = "<ListBucketResult><Contents><Key>a</Key><StorageClass>GLACIER</StorageClass></Contents>\
                   <Contents><Key>b</Key></Contents><Contents><Key>c</Key></Contents></ListBucketResult>";
        let found = classes(xml).unwrap();
        assert_eq!(found, BTreeMap::from([("GLACIER".to_string(), 1), ("STANDARD".to_string(), 2)]));
        assert_eq!(classes("<html/>"), None);
    }
}
