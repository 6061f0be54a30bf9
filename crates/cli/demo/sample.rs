//! The source table of the demo: generated drive stats, streamed into the local "glue" year by year.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use icelift_testkit::drive_stats::{DriveStats, full_schema, widen};

use super::SOURCE;
use super::folder::SEED;
use super::stage::Stage;
use crate::exit::Stop;

const YEARS: RangeInclusive<i32> = 2019..=2024;
const NAME: &str = "sample";

/// How many generated batches wait for the writer.
const BATCHES_AHEAD: usize = 2;

/// Creates the source table and fills it.
pub async fn load(stage: &mut Stage, drives: usize) -> Result<(), Stop> {
    stage.execute("CREATE SCHEMA IF NOT EXISTS glue.default").await?;
    let select = format!("SELECT *, CAST(date_part('year', date) AS INT) AS year\nFROM {NAME}");
    let insert = format!("INSERT INTO {SOURCE}\n{select}");
    for year in YEARS {
        register(stage, Year { schema: full_schema(), year, drives })?;
        if year == *YEARS.start() {
            let create = format!("CREATE TABLE {SOURCE}\nPARTITIONED BY (year)\nAS {select}\nWHERE false");
            stage.execute(&create).await?;
            stage.echo(&insert);
        }
        stage.repeat(&insert, &year.to_string()).await?;
    }
    stage.engine().session().deregister_table(NAME).map_err(icelift::Error::from)?;
    Ok(())
}

fn register(stage: &Stage, year: Year) -> Result<(), icelift::Error> {
    let session = stage.engine().session();
    session.deregister_table(NAME)?;
    let table = StreamingTable::try_new(year.schema.clone(), vec![Arc::new(year)])?;
    session.register_table(NAME, Arc::new(table))?;
    Ok(())
}

/// One year of one fleet, with the columns of all years.
#[derive(Debug)]
struct Year {
    schema: SchemaRef,
    year: i32,
    drives: usize,
}

impl PartitionStream for Year {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Generates on a thread of its own, a little ahead of the writer.
    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (schema, year, drives) = (self.schema.clone(), self.year, self.drives);
        let mut builder = RecordBatchReceiverStream::builder(schema.clone(), BATCHES_AHEAD);
        let sender = builder.tx();
        builder.spawn_blocking(move || {
            for batch in DriveStats::new(SEED, drives).year(year) {
                if sender.blocking_send(Ok(widen(&batch, &schema))).is_err() {
                    break;
                }
            }
            Ok(())
        });
        builder.build()
    }
}
