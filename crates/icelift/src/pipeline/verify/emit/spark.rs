//! The words of Spark SQL.

use iceberg::spec::PrimitiveType;

use super::Words;
use crate::pipeline::verify::portable::VERSION;

pub(super) const WORDS: Words = Words {
    quote: '`',
    text,
    field: |value, name| format!("{value}.`{}`", name.replace('`', "``")),
    pair: |key, text| format!("named_struct('key', {key}, 'text', {text})"),
    each: |list, name, body| format!("transform({list}, {name} -> {body})"),
    list_length: "size",
    map_length: "size",
    sort: "array_sort",
    join: "array_join",
    query,
};

fn text(value: &str, of: &PrimitiveType) -> Option<String> {
    Some(match of {
        PrimitiveType::Boolean | PrimitiveType::Int | PrimitiveType::Long | PrimitiveType::Decimal { .. } => {
            format!("CAST({value} AS STRING)")
        }
        PrimitiveType::Float | PrimitiveType::Double => {
            let bits = format!("java_method('java.lang.Double', 'doubleToLongBits', CAST({value} AS DOUBLE))");
            format!("CASE WHEN {value} IS NOT NULL THEN {bits} END")
        }
        PrimitiveType::String => format!("concat(char_length({value}), ':', {value})"),
        // Spark reads a UUID as text.
        PrimitiveType::Uuid => format!("lower({value})"),
        PrimitiveType::Binary | PrimitiveType::Fixed(_) => format!("lower(hex({value}))"),
        PrimitiveType::Date => format!("CAST(unix_date({value}) AS STRING)"),
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => {
            format!("CAST(unix_micros(CAST({value} AS TIMESTAMP)) AS STRING)")
        }
        // Spark has no type for these.
        PrimitiveType::Time | PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => return None,
    })
}

/// Three statements: only with these settings are decimals plain text, and timestamps without a zone what they say.
fn query(row: &str, table: &str, filter: &str) -> String {
    let sum = |start: usize| {
        let number = format!("conv(substr(hash, {start}, 16), 16, 10)");
        format!("coalesce(sum(CAST({number} AS DECIMAL(20, 0))), 0)")
    };
    format!(
        "SET spark.sql.ansi.enabled = true;\nSET TIME ZONE 'UTC';\n\
         SELECT concat('{VERSION}:', count(*), ':',\n    {}, ':',\n    {}) AS fingerprint\n\
         FROM (\n  SELECT sha2({row}, 256) AS hash\n  FROM {table}{filter}\n)",
        sum(1),
        sum(17),
    )
}
