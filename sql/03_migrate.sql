-- Purpose: copies the table year by year, adds the quarter, and partitions by both. Each year is one commit, made once.
-- Needs: 01_attach.sql in the same session, and the table glue.default.drive_stats.
-- Leaves behind: r2.default.drive_stats_r2, and in its properties which years it has. One row for each year. Run it again
--   after it was stopped: it goes on; run it again after it was done: it does nothing, or copies what the source has got since.

CREATE SCHEMA IF NOT EXISTS r2.default;

MIGRATE TABLE glue.default.drive_stats TO r2.default.drive_stats_r2
SELECT *, quarter(date) AS quarter
PARTITIONED BY (year, quarter)
BATCH BY year
TBLPROPERTIES (
    'format-version' = '2',
    'write.target-file-size-bytes' = '268435456',
    'write.parquet.compression-codec' = 'snappy'
);
