-- Purpose: the same migration, one year of it, given as -v year=2019. A WHERE over years picks batches, so 03_migrate.sql goes
--   on with the others.
-- Needs: 01_attach.sql in the same session, and the table glue.default.drive_stats.
-- Leaves behind: that year in r2.default.drive_stats_r2. Run it again: it does nothing.

CREATE SCHEMA IF NOT EXISTS r2.default;

MIGRATE TABLE glue.default.drive_stats TO r2.default.drive_stats_r2
SELECT *, quarter(date) AS quarter
WHERE year = :year
PARTITIONED BY (year, quarter)
BATCH BY year
TBLPROPERTIES (
    'format-version' = '2',
    'write.target-file-size-bytes' = '268435456',
    'write.parquet.compression-codec' = 'snappy'
);
