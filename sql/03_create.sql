-- Purpose: creates the target: the columns of the source and the quarter, partitioned by both year and quarter.
-- Needs: 01_attach.sql in the same session, and the table glue.default.drive_stats.
-- Leaves behind: the empty table r2.default.drive_stats_r2; one that exists stays as it is.

CREATE SCHEMA IF NOT EXISTS r2.default;

CREATE TABLE IF NOT EXISTS r2.default.drive_stats_r2
PARTITIONED BY (year, quarter)
TBLPROPERTIES (
    'format-version' = '2',
    'write.target-file-size-bytes' = '268435456',
    'write.parquet.compression-codec' = 'snappy'
)
AS SELECT *, quarter(date) AS quarter
FROM glue.default.drive_stats
WHERE false;
