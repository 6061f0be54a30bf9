//! Parses manifest lists of every format that a table may have kept.
//!
//! What must hold: a list that says of its manifests whether they are of data or of deletes is never read as one of format
//! 1, which knows no deletes. Rows that were deleted would come back.

use std::collections::HashMap;

use iceberg::spec::{FormatVersion, ManifestList};

/// The first bytes of every Avro file.
const MAGIC: &[u8] = b"Obj\x01";

/// Parses a list of a table of format `version`. A table that was upgraded keeps the lists of its first format.
pub(super) fn parse(bytes: &[u8], version: FormatVersion) -> iceberg::Result<ManifestList> {
    match ManifestList::parse_with_version(bytes, version) {
        Err(_) if version != FormatVersion::V1 && is_first_format(bytes) => {
            ManifestList::parse_with_version(bytes, FormatVersion::V1)
        }
        parsed => parsed,
    }
}

/// Whether the file is of format 1 by what its header says, or by its schema where old writers left the version out.
fn is_first_format(bytes: &[u8]) -> bool {
    let Some(header) = header(bytes) else { return false };
    let schema = header.get("avro.schema").and_then(|schema| serde_json::from_slice::<serde_json::Value>(schema).ok());
    let Some(fields) = schema.as_ref().and_then(|schema| schema.get("fields")?.as_array()) else { return false };
    let has_content = fields.iter().any(|field| field.get("name").is_some_and(|name| name == "content"));
    !has_content && header.get("format-version").is_none_or(|version| *version == b"1")
}

/// The metadata in the header of an Avro file; None if it is damaged.
fn header(bytes: &[u8]) -> Option<HashMap<&str, &[u8]>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut entries = HashMap::new();
    loop {
        let count = long(&mut rest)?;
        if count == 0 {
            return Some(entries);
        }
        if count < 0 {
            // The length of the block follows.
            long(&mut rest)?;
        }
        for _ in 0..count.unsigned_abs() {
            let key = std::str::from_utf8(text(&mut rest)?).ok()?;
            entries.insert(key, text(&mut rest)?);
        }
    }
}

/// A number in Avro's zigzag form, seven bits to a byte.
fn long(rest: &mut &[u8]) -> Option<i64> {
    let mut found = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        found |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((found >> 1) as i64 ^ -((found & 1) as i64));
        }
    }
    None
}

/// A string or bytes: the length, then as many bytes.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(long(rest)?).ok()?;
    let (found, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PATH: &str = "s3://b/t/metadata/m.avro";

    fn put_long(file: &mut Vec<u8>, value: i64) {
        let mut left = ((value << 1) ^ (value >> 63)) as u64;
        while left >= 0x80 {
            file.push(left as u8 | 0x80);
            left >>= 7;
        }
        file.push(left as u8);
    }

    fn put_text(file: &mut Vec<u8>, text: &[u8]) {
        put_long(file, text.len() as i64);
        file.extend_from_slice(text);
    }

    /// A list of one manifest without counts, which format 2 demands.
    fn list(version: Option<&str>, content: Option<i64>) -> Vec<u8> {
        let mut fields = vec![
            json!({"name": "manifest_path", "type": "string", "field-id": 500}),
            json!({"name": "manifest_length", "type": "long", "field-id": 501}),
            json!({"name": "partition_spec_id", "type": "int", "field-id": 502}),
            json!({"name": "added_snapshot_id", "type": "long", "field-id": 503}),
        ];
        if content.is_some() {
            fields.push(json!({"name": "content", "type": "int", "field-id": 517}));
        }
        let schema = json!({"type": "record", "name": "manifest_file", "fields": fields}).to_string();
        let mut header = vec![("avro.schema", schema.as_str())];
        header.extend(version.map(|version| ("format-version", version)));
        let mut file = MAGIC.to_vec();
        put_long(&mut file, header.len() as i64);
        for (key, value) in header {
            put_text(&mut file, key.as_bytes());
            put_text(&mut file, value.as_bytes());
        }
        let (sync, mut record) = ([7; 16], Vec::new());
        put_text(&mut record, PATH.as_bytes());
        for value in [300, 0, 77].into_iter().chain(content) {
            put_long(&mut record, value);
        }
        put_long(&mut file, 0);
        file.extend_from_slice(&sync);
        put_long(&mut file, 1);
        put_text(&mut file, &record);
        file.extend_from_slice(&sync);
        file
    }

    #[test]
    fn lists_of_the_first_format_are_read_in_tables_of_later_ones() {
        for version in [Some("1"), None] {
            for table in [FormatVersion::V1, FormatVersion::V2, FormatVersion::V3] {
                let parsed = parse(&list(version, None), table).unwrap();
                assert_eq!(parsed.entries()[0].manifest_path, PATH);
                assert_eq!(parsed.entries()[0].manifest_length, 300);
            }
        }
    }

    #[test]
    fn a_broken_list_of_a_later_format_is_no_list_of_the_first() {
        for (version, content) in [(Some("2"), Some(1)), (Some("3"), Some(1)), (None, Some(1)), (Some("2"), None)] {
            for table in [FormatVersion::V2, FormatVersion::V3] {
                assert!(parse(&list(version, content), table).is_err(), "{version:?} {content:?}");
            }
        }
    }

    #[test]
    fn a_damaged_header_says_nothing() {
        let file = list(Some("1"), None);
        let end = file.windows(16).position(|it| it == [7; 16]).unwrap();
        assert_eq!(header(&file).unwrap()["format-version"], b"1");
        assert!((0..end).all(|length| header(&file[..length]).is_none()));
        assert!(header(b"Obj\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_none());
        // A block that tells its length.
        assert_eq!(header(b"Obj\x01\x01\x08\x02a\x02b\x00").unwrap()["a"], b"b");
    }
}
