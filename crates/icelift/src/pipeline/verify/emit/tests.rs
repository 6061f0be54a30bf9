use iceberg::spec::{ListType, NestedField, NestedFieldRef, PrimitiveType, Type};

use super::{Dialect, emit};
use crate::error::ErrorKind;
use crate::pipeline::verify::portable::PortableHasher;
use crate::pipeline::warehouse::Warehouse;

fn column(name: &str, of: impl Into<Type>) -> NestedFieldRef {
    NestedField::optional(1, name, of.into()).into()
}

/// `tests/interop/fingerprints.rs` has DuckDB run the same query over the same rows; nobody can tell that of Spark here.
#[tokio::test]
async fn the_queries_that_are_tested_are_those_that_are_emitted() {
    let warehouse = Warehouse::new().await;
    warehouse.run(include_str!("../../../../../../tests/fingerprints/rows.sql")).await;
    let schema = warehouse.table().await.metadata.current_schema().clone();
    let all = schema.as_struct().fields();
    // Spark has no TIME, which is the last column.
    let cases = [
        (Dialect::DuckDb, all, include_str!("../../../../../../tests/fingerprints/duckdb.sql")),
        (Dialect::Spark, &all[..all.len() - 1], include_str!("../../../../../../tests/fingerprints/spark.sql")),
    ];
    for (dialect, columns, tested) in cases {
        let mut hasher = PortableHasher::new(columns).unwrap();
        for batch in warehouse.run("SELECT * FROM r2.default.t").await {
            hasher.add(&batch.project(&(0..columns.len()).collect::<Vec<_>>()).unwrap()).unwrap();
        }
        let query = emit(dialect, "t", columns, None).unwrap();
        assert_eq!(format!("-- {}\n{query}\n", hasher.take()), tested, "of {dialect}");
    }
}

#[test]
fn names_and_filters_are_kept_whole() {
    let columns = [column("a \"b\" `c`", PrimitiveType::Int)];
    let query = emit(Dialect::DuckDb, "main.t", &columns, Some("year = 2019 -- why")).unwrap();
    let expected = "SELECT concat('cfp1:', count(*), ':',
    coalesce(sum(CAST('0x' || hash[1:16] AS UBIGINT)), 0), ':',
    coalesce(sum(CAST('0x' || hash[17:32] AS UBIGINT)), 0)) AS fingerprint
FROM (
  SELECT sha256(concat_ws(',',
    coalesce(CAST(\"a \"\"b\"\" `c`\" AS VARCHAR), 'N'))) AS hash
  FROM main.t
  WHERE year = 2019 -- why
)";
    assert_eq!(query, expected);
    let query = emit(Dialect::Spark, "t", &columns, None).unwrap();
    assert!(query.contains("CAST(`a \"b\" ``c``` AS STRING)"), "{query}");
    assert!(!query.contains("WHERE"), "{query}");
}

#[test]
fn what_an_engine_cannot_tell_is_named() {
    let error = |dialect, of: Type| emit(dialect, "t", &[column("when", of)], None).unwrap_err().to_string();
    let time = PrimitiveType::Time;
    assert_eq!(error(Dialect::Spark, time.into()), "the column `when` holds time, which SQL of spark cannot tell");
    let list = ListType::new(column("element", PrimitiveType::TimestamptzNs));
    let expected = "the column `when` holds timestamptz_ns, which SQL of duckdb cannot tell";
    assert_eq!(error(Dialect::DuckDb, Type::List(list)), expected);
    assert_eq!(emit(Dialect::DuckDb, "t", &[], None).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn dialects_by_name() {
    for dialect in [Dialect::DuckDb, Dialect::Spark] {
        assert_eq!(dialect.to_string().to_uppercase().parse::<Dialect>().unwrap(), dialect);
    }
    assert_eq!("hive".parse::<Dialect>().unwrap_err().kind(), ErrorKind::Sql);
}
