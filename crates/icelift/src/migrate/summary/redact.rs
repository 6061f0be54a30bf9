//! Takes out of places what may be a secret: the user in an authority, and the query behind a path.

const HIDDEN: &str = "***";

/// A place or value as it may be seen by whoever gets the page.
pub(super) fn redacted(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_string() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_string(),
    };
    let behind = match behind.find(['?', '#']) {
        Some(at) => format!("{}?{HIDDEN}", &behind[..at]),
        None => behind.to_string(),
    };
    format!("{scheme}://{authority}{behind}")
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn users_and_queries_are_hidden() {
        let cases = [
            ("s3://bucket/a@b", "s3://bucket/a@b"),
            ("https://me:hunter2@host/p?sig=hunter2", "https://***@host/p?***"),
            ("s3://key:hun/ter2", "s3://key:hun/ter2"),
            ("https://host?token=hunter2", "https://host?***"),
            ("/plain/path?x", "/plain/path?x"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(redacted(text), expected);
        }
    }
}
