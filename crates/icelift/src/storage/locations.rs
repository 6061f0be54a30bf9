//! Locations that are compared: one object may be named in several ways.
//!
//! What must hold: that two locations differ is only said of those that surely name different objects. The same path in
//! another store, or by another protocol, may be the same object or its copy.

use std::collections::HashSet;
use std::fmt;

/// Where a store is: what stands before the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prefix {
    scheme: String,
    authority: String,
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Many locations, by their paths.
#[derive(Debug, Default)]
pub(crate) struct Locations {
    known: Vec<(Prefix, HashSet<String>)>,
    equal: Equal,
}

/// Schemes and authorities that stand for one another: pairs of a list, separated by commas, and what it stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Equal {
    pub schemes: Vec<(String, String)>,
    pub authorities: Vec<(String, String)>,
}

impl Equal {
    fn of(&self, prefix: Prefix) -> Prefix {
        let stands_for = |name: String, pairs: &[(String, String)]| {
            let is_in = |list: &str| list.split(',').any(|it| it.trim().eq_ignore_ascii_case(&name));
            let found = pairs.iter().find(|(list, _)| is_in(list)).map(|(_, it)| it.trim().to_string());
            found.unwrap_or(name)
        };
        Prefix {
            scheme: stands_for(prefix.scheme, &self.schemes),
            authority: stands_for(prefix.authority, &self.authorities),
        }
    }
}

/// What many locations tell of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Held<'a> {
    /// It is among them.
    Here,
    /// Its path is among them, in another store.
    Elsewhere(&'a Prefix),
    No,
}

impl Locations {
    /// None, which are to be compared like this.
    pub fn compared(equal: Equal) -> Self {
        Self { known: Vec::new(), equal }
    }

    fn split<'a>(&self, location: &'a str) -> (Prefix, &'a str) {
        let (prefix, path) = split(location);
        (self.equal.of(prefix), path)
    }

    pub fn insert(&mut self, location: &str) {
        let (prefix, path) = self.split(location);
        match self.known.iter_mut().find(|(known, _)| *known == prefix) {
            Some((_, paths)) => {
                paths.insert(path.to_string());
            }
            None => self.known.push((prefix, HashSet::from([path.to_string()]))),
        }
    }

    pub fn find(&self, location: &str) -> Held<'_> {
        let (prefix, path) = self.split(location);
        let mut holding = self.known.iter().filter(|(_, paths)| paths.contains(path)).map(|(known, _)| known);
        match holding.clone().find(|known| **known == prefix) {
            Some(_) => Held::Here,
            None => holding.next().map_or(Held::No, Held::Elsewhere),
        }
    }
}

impl<S: AsRef<str>> Extend<S> for Locations {
    fn extend<I: IntoIterator<Item = S>>(&mut self, locations: I) {
        locations.into_iter().for_each(|location| self.insert(location.as_ref()));
    }
}

/// Whether `inner` is the folder `outer` or lies below it.
pub(crate) fn is_within(inner: &str, outer: &str) -> bool {
    let ((inner, inner_path), (outer, outer_path)) = (split(inner), split(outer));
    let (inner_path, outer_path) = (inner_path.trim_end_matches('/'), outer_path.trim_end_matches('/'));
    let rest = inner_path.strip_prefix(outer_path);
    inner == outer && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || outer_path.is_empty())
}

/// What of a location is its path, whatever store it is in.
pub(crate) fn path_of(location: &str) -> &str {
    split(location).1
}

/// The store and the path in it. A location without a scheme is one of this machine.
fn split(location: &str) -> (Prefix, &str) {
    let (scheme, rest) = match location.split_once(':') {
        Some((scheme, rest)) if !scheme.contains('/') => (scheme, rest),
        _ => ("file", location),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None => ("", rest),
    };
    let scheme = match scheme.to_ascii_lowercase() {
        old if old == "s3a" || old == "s3n" => "s3".to_string(),
        scheme => scheme,
    };
    (Prefix { scheme, authority: authority.to_string() }, path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_by_several_names() {
        let mut known = Locations::default();
        known.extend(["s3://b/t/a", "s3a://b/t/b", "file:///w/t/c", "/w/t/d", "gs://g/t/e"]);
        for same in ["s3://b/t/a", "s3n://b/t/a", "S3://b/t/b", "file:/w/t/c", "/w/t/c", "file:///w/t/d"] {
            assert_eq!(known.find(same), Held::Here, "{same}");
        }
        for other in ["s3://b/t/c", "s3://b/t/a/", "s3://b/T/a", "/w/t"] {
            assert_eq!(known.find(other), Held::No, "{other}");
        }
        for (elsewhere, prefix) in [("s3://b2/t/a", "s3://b"), ("gs://b/t/b", "s3://b"), ("s3://b/t/e", "gs://g")] {
            match known.find(elsewhere) {
                Held::Elsewhere(found) => assert_eq!(found.to_string(), prefix),
                found => panic!("{elsewhere}: {found:?}"),
            }
        }
    }

    #[test]
    fn names_that_stand_for_one_another() {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        let equal = Equal { schemes: pairs(&[("gs, GCS", "s3")]), authorities: pairs(&[("old,older", "new")]) };
        let mut known = Locations::compared(equal);
        known.extend(["s3://new/t/a", "gcs://older/t/b"]);
        for same in ["gs://old/t/a", "s3a://new/t/b", "GS://new/t/a"] {
            assert_eq!(known.find(same), Held::Here, "{same}");
        }
        assert!(matches!(known.find("s3://newer/t/a"), Held::Elsewhere(_)));
    }

    #[test]
    fn folders_in_folders() {
        for (inner, outer) in [("s3a://b/t/data", "s3://b/t"), ("s3://b/t/", "s3://b/t"), ("s3://b/t", "s3://b")] {
            assert!(is_within(inner, outer), "{inner} {outer}");
        }
        for (inner, outer) in [("s3://b/t2", "s3://b/t"), ("s3://b/t", "s3://b/t/data"), ("s3://a/t", "s3://b/t")] {
            assert!(!is_within(inner, outer), "{inner} {outer}");
        }
        assert!(is_within("file:///w/t", "/w") && is_within("/w/t", "/"));
    }
}
