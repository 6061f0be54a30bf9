//! The words of DuckDB.

use iceberg::spec::PrimitiveType;

use super::Words;
use crate::pipeline::verify::portable::VERSION;

pub(super) const WORDS: Words = Words {
    quote: '"',
    text,
    field: |value, name| format!("struct_extract({value}, '{}')", name.replace('\'', "''")),
    pair: |key, text| format!("{{'key': {key}, 'text': {text}}}"),
    each: |list, name, body| format!("list_transform({list}, lambda {name}: {body})"),
    list_length: "len",
    map_length: "cardinality",
    sort: "list_sort",
    join: "array_to_string",
    query,
};

fn text(value: &str, of: &PrimitiveType) -> Option<String> {
    Some(match of {
        PrimitiveType::Boolean | PrimitiveType::Int | PrimitiveType::Long | PrimitiveType::Decimal { .. } => {
            format!("CAST({value} AS VARCHAR)")
        }
        PrimitiveType::Float | PrimitiveType::Double => {
            let double = format!("CAST({value} AS DOUBLE)");
            let bits = format!("CAST(CAST(CAST({double} AS BIT) AS BIGINT) AS VARCHAR)");
            format!("CASE WHEN isnan({double}) THEN '9221120237041090560' ELSE {bits} END")
        }
        PrimitiveType::String => format!("length({value}) || ':' || {value}"),
        PrimitiveType::Uuid => format!("lower(CAST({value} AS VARCHAR))"),
        PrimitiveType::Binary | PrimitiveType::Fixed(_) => format!("lower(hex({value}))"),
        PrimitiveType::Date => format!("CAST({value} - DATE '1970-01-01' AS VARCHAR)"),
        PrimitiveType::Time | PrimitiveType::Timestamp | PrimitiveType::Timestamptz => {
            format!("CAST(epoch_us({value}) AS VARCHAR)")
        }
        PrimitiveType::TimestampNs => format!("CAST(epoch_ns({value}) AS VARCHAR)"),
        // DuckDB's TIMESTAMPTZ counts microseconds.
        PrimitiveType::TimestamptzNs => return None,
    })
}

fn query(row: &str, table: &str, filter: &str) -> String {
    let sum = |start: usize| {
        let digits = format!("hash[{start}:{}]", start + 15);
        format!("coalesce(sum(CAST('0x' || {digits} AS UBIGINT)), 0)")
    };
    format!(
        "SELECT concat('{VERSION}:', count(*), ':',\n    {}, ':',\n    {}) AS fingerprint\n\
         FROM (\n  SELECT sha256({row}) AS hash\n  FROM {table}{filter}\n)",
        sum(1),
        sum(17),
    )
}
