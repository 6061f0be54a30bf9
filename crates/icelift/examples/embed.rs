//! The library as an embedder uses it: two local catalogs, a table out of a query, one year copied, rows counted.
//!
//! `cargo run --package icelift --example embed`

use arrow::util::display::array_value_to_string;
use icelift::{Engine, Result};

/// 730 days of ten drives, 2019 and 2020: day 17897 since 1970 is 2019-01-01.
const SOURCE: &str = "CREATE TABLE glue.default.drives PARTITIONED BY (year) AS
    SELECT date, drive, CAST(date_part('year', date) AS INT) AS year
    FROM (SELECT value % 10 AS drive, CAST(CAST(17897 + value / 10 AS INT) AS DATE) AS date FROM generate_series(0, 7299))";

/// The rows to copy, with the column that the target has and the source has not.
const ROWS: &str = "SELECT *, quarter(date) AS quarter FROM glue.default.drives";

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("icelift-embed-{}", std::process::id()));
    let engine = Engine::builder().build().await?;
    for name in ["glue", "r2"] {
        engine.run(&format!("ATTACH '{}' AS {name} (TYPE local)", folder.join(name).display())).await?;
        engine.run(&format!("CREATE SCHEMA {name}.default")).await?;
    }
    engine.run(SOURCE).await?;
    engine.run(&format!("CREATE TABLE r2.default.drives PARTITIONED BY (year, quarter) AS {ROWS} WHERE false")).await?;
    let written = first(&engine, &format!("INSERT INTO r2.default.drives {ROWS} WHERE year = 2019")).await?;
    let found = first(&engine, "SELECT count(*) FROM r2.default.drives WHERE quarter = 'Q2'").await?;
    println!("{written} rows copied, {found} of them in the second quarter");
    if let Some(meter) = engine.meter("r2") {
        println!("{} bytes in {} requests written to r2", meter.written_bytes, meter.put_requests);
    }
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("{} could not be removed: {error}", folder.display());
    }
    Ok(())
}

/// Runs a statement to its end and shows the first value of its answer.
async fn first(engine: &Engine, sql: &str) -> Result<String> {
    let batches = engine.run(sql).await?.collect().await?;
    let row = batches.iter().find(|batch| batch.num_rows() > 0);
    Ok(row.map(|batch| array_value_to_string(batch.column(0), 0)).transpose()?.unwrap_or_default())
}
