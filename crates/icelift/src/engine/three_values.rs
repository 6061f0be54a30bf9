//! Conditions over the columns `id BIGINT, n INT, w STRING`, as SQL and as what they mean: for tests.

use std::fmt;

use proptest::prelude::*;

/// A row: `id`, `n` and `w`.
pub(super) type Row = (i64, Option<i32>, Option<String>);

#[derive(Debug, Clone)]
pub(super) enum Condition {
    Id(&'static str, i64),
    Number(&'static str, Option<i32>),
    Word(&'static str, &'static str),
    /// The number as it is, or something that is the same; whether IN or NOT IN.
    NumberIn(&'static str, bool, Vec<Option<i32>>),
    WordIn(bool, Vec<&'static str>),
    /// Whether BETWEEN or NOT BETWEEN.
    NumberBetween(bool, i32, i32),
    /// One of the letters, as a pattern.
    WordMatches(Vec<&'static str>),
    /// One of the numbers, as an array.
    ArrayHas(Vec<i32>),
    NumberIsNull,
    WordIsNull,
    Is(Box<Condition>, Option<bool>),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    /// CASE WHEN … THEN … ELSE … END
    Case(Box<Condition>, Box<Condition>, Box<Condition>),
}

/// A number as SQL.
pub(super) fn number(value: &Option<i32>) -> String {
    value.map_or("CAST(NULL AS INT)".to_string(), |value| value.to_string())
}

fn list<T>(values: &[T], text: impl Fn(&T) -> String) -> String {
    values.iter().map(text).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { " NOT" } else { "" };
        match self {
            Self::Id(op, value) => write!(f, "id {op} {value}"),
            Self::Number(op, value) => write!(f, "n {op} {}", number(value)),
            Self::Word(op, value) => write!(f, "w {op} '{value}'"),
            Self::NumberIn(item, negated, values) => write!(f, "{item}{} IN ({})", not(negated), list(values, number)),
            Self::WordIn(negated, values) => {
                write!(f, "w{} IN ({})", not(negated), list(values, |value| format!("'{value}'")))
            }
            Self::NumberBetween(negated, low, high) => write!(f, "n{} BETWEEN {low} AND {high}", not(negated)),
            Self::WordMatches(values) => write!(f, "w ~ '^({})$'", values.join("|")),
            Self::ArrayHas(values) => write!(f, "array_has([{}], n)", list(values, i32::to_string)),
            Self::NumberIsNull => write!(f, "n IS NULL"),
            Self::WordIsNull => write!(f, "w IS NULL"),
            Self::Is(inner, Some(value)) => write!(f, "({inner}) IS {}", if *value { "TRUE" } else { "FALSE" }),
            Self::Is(inner, None) => write!(f, "({inner}) IS NULL"),
            Self::Not(inner) => write!(f, "NOT ({inner})"),
            Self::And(left, right) => write!(f, "({left}) AND ({right})"),
            Self::Or(left, right) => write!(f, "({left}) OR ({right})"),
            Self::Case(when, then, other) => write!(f, "CASE WHEN {when} THEN {then} ELSE {other} END"),
        }
    }
}

fn compared<T: PartialOrd + ?Sized>(left: &T, op: &str, right: &T) -> bool {
    match op {
        "=" => left == right,
        "<>" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    }
}

impl Condition {
    /// SQL's three values.
    pub fn of(&self, row: &Row) -> Option<bool> {
        match self {
            Self::Id(op, value) => Some(compared(&row.0, op, value)),
            Self::Number(op, value) => Some(compared(&row.1?, op, &(*value)?)),
            Self::Word(op, value) => Some(compared(row.2.as_ref()?.as_str(), op, *value)),
            Self::NumberIn(_, negated, values) => {
                let number = row.1?;
                match (values.contains(&Some(number)), values.contains(&None)) {
                    (true, _) => Some(!negated),
                    (false, true) => None,
                    (false, false) => Some(*negated),
                }
            }
            Self::WordIn(negated, values) => Some(values.contains(&row.2.as_ref()?.as_str()) != *negated),
            Self::NumberBetween(negated, low, high) => Some((*low..=*high).contains(&row.1?) != *negated),
            Self::WordMatches(values) => Some(values.contains(&row.2.as_ref()?.as_str())),
            Self::ArrayHas(values) => Some(values.contains(&row.1?)),
            Self::NumberIsNull => Some(row.1.is_none()),
            Self::WordIsNull => Some(row.2.is_none()),
            Self::Is(inner, value) => Some(inner.of(row) == *value),
            Self::Not(inner) => inner.of(row).map(|value| !value),
            Self::And(left, right) => match (left.of(row), right.of(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.of(row), right.of(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Case(when, then, other) => {
                if when.of(row) == Some(true) {
                    then.of(row)
                } else {
                    other.of(row)
                }
            }
        }
    }
}

/// Conditions in which few values meet, so that their lists do.
pub(super) fn condition() -> impl Strategy<Value = Condition> {
    let ops = || prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let number = || prop_oneof![4 => (-1..5_i32).prop_map(Some), 1 => Just(None)];
    let word = || prop::sample::select(vec!["", "a", "b", "c"]);
    let item = prop::sample::select(vec!["n", "n", "n", "CAST(n AS BIGINT)", "n + 0"]);
    let leaf = prop_oneof![
        1 => (ops(), 0..60_i64).prop_map(|(op, value)| Condition::Id(op, value)),
        3 => (ops(), number()).prop_map(|(op, value)| Condition::Number(op, value)),
        1 => (ops(), word()).prop_map(|(op, value)| Condition::Word(op, value)),
        4 => (item, any::<bool>(), prop::collection::vec(number(), 1..5))
            .prop_map(|(item, negated, values)| Condition::NumberIn(item, negated, values)),
        1 => (any::<bool>(), prop::collection::vec(word(), 1..4))
            .prop_map(|(negated, values)| Condition::WordIn(negated, values)),
        1 => (any::<bool>(), 0..3_i32, 0..3_i32)
            .prop_map(|(negated, low, high)| Condition::NumberBetween(negated, low, high)),
        1 => prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(Condition::WordMatches),
        1 => prop::collection::vec(0..4_i32, 1..4).prop_map(Condition::ArrayHas),
        1 => Just(Condition::NumberIsNull),
        1 => Just(Condition::WordIsNull),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            2 => boxed().prop_map(Condition::Not),
            4 => (boxed(), boxed()).prop_map(|(left, right)| Condition::And(left, right)),
            4 => (boxed(), boxed()).prop_map(|(left, right)| Condition::Or(left, right)),
            1 => (boxed(), any::<Option<bool>>()).prop_map(|(inner, value)| Condition::Is(inner, value)),
            1 => (boxed(), boxed(), boxed()).prop_map(|(when, then, other)| Condition::Case(when, then, other)),
        ]
    })
}
