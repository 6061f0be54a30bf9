//! The order of batches where only their names are known: numbers in them count as numbers.

use std::cmp::Ordering;

/// Compares names so that `bucket=2` comes before `bucket=10`, and NULL last.
pub(super) fn by_name(a: &str, b: &str) -> Ordering {
    let is_null = |name: &str| name.ends_with("=null");
    is_null(a).cmp(&is_null(b)).then_with(|| natural(a, b)).then_with(|| a.cmp(b))
}

fn natural(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (left, right) = (piece(a), piece(b));
        let order = match (number(left), number(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.cmp(right),
        };
        if order != Ordering::Equal || left.is_empty() {
            return order;
        }
        (a, b) = (a.get(left.len()..).unwrap_or(""), b.get(right.len()..).unwrap_or(""));
    }
}

/// The digits at the beginning, or what comes before the first digit.
fn piece(text: &str) -> &str {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(text.len());
    text.get(..end).unwrap_or(text)
}

fn number(piece: &str) -> Option<u128> {
    piece.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::by_name;

    #[test]
    fn numbers_count_as_numbers_and_null_comes_last() {
        let mut names = ["b=10", "b=null", "b=9", "b=1", "b=10a", "ä=1", "b=", "b=09"];
        names.sort_by(|a, b| by_name(a, b));
        assert_eq!(names, ["b=", "b=1", "b=09", "b=9", "b=10", "b=10a", "ä=1", "b=null"]);
    }
}
