//! The functions in queries.

use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;

use super::*;

async fn sql(text: &str) -> datafusion::common::Result<ScalarValue> {
    let session = SessionContext::new();
    transforms().into_iter().for_each(|function| session.register_udf(function));
    let batches = session.sql(text).await?.collect().await?;
    ScalarValue::try_from_array(batches[0].column(0), 0)
}

#[tokio::test]
async fn in_sql() {
    for (text, wanted) in [
        ("SELECT bucket(16, 34)", ScalarValue::from(2_017_239_379 % 16)),
        ("SELECT bucket(16, 'iceberg')", ScalarValue::from(1_210_000_089 % 16)),
        ("SELECT bucket('iceberg', 16)", ScalarValue::from(1_210_000_089 % 16)),
        ("SELECT bucket(id, 16) FROM (VALUES (34)) t(id)", ScalarValue::from(2_017_239_379 % 16)),
        ("SELECT truncate(id, 10) FROM (SELECT 7 AS id)", ScalarValue::from(0_i64)),
        ("SELECT truncate(10, -1)", ScalarValue::from(-10_i64)),
        ("SELECT truncate(s, 3) FROM (VALUES ('iceberg')) t(s)", ScalarValue::from("ice")),
        ("SELECT bucket(16, NULL)", ScalarValue::Int32(None)),
        ("SELECT years(DATE '2017-11-16')", ScalarValue::from(47)),
        ("SELECT months(DATE '2017-11-16')", ScalarValue::from(574)),
        ("SELECT days(TIMESTAMP '2017-11-16 22:31:08')", ScalarValue::Date32(Some(DAY))),
        ("SELECT hours(TIMESTAMP '2017-11-16 22:31:08')", ScalarValue::from(419_686)),
        ("SELECT hours(t) FROM (VALUES (TIMESTAMP '1969-12-31 23:59:59')) v(t)", ScalarValue::from(-1)),
        ("SELECT days(CAST(NULL AS DATE))", ScalarValue::Date32(None)),
    ] {
        assert_eq!(sql(text).await.unwrap(), wanted, "{text}");
    }
}

#[tokio::test]
async fn mistakes_in_sql_are_found_while_planning() {
    for (text, wanted) in [
        ("SELECT bucket(0, 34)", "bucket needs a width"),
        ("SELECT bucket(-3, 34)", "bucket needs a width"),
        ("SELECT bucket(5000000000, 34)", "bucket needs a width"),
        ("SELECT truncate(id, id) FROM (VALUES (34)) t(id)", "truncate needs a width"),
        ("SELECT bucket(CAST(NULL AS INT), NULL)", "bucket needs a width"),
        ("SELECT bucket(16, 1.5e0)", "bucket[16] does not take values of type Float64"),
        ("SELECT hours(DATE '2017-11-16')", "hour does not take values of type Date32"),
        ("SELECT years('2017-11-16')", "year does not take values of type Utf8"),
    ] {
        let error = sql(text).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
}
