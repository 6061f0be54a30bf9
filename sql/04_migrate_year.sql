-- Purpose: copies one year, given as -v year=2019, in one snapshot: it arrives whole or not at all.
-- Needs: 01_attach.sql in the same session, and 03_create.sql once before.
-- Leaves behind: the rows of that year in r2.default.drive_stats_r2. Run it once for each year: twice adds them twice.

INSERT INTO r2.default.drive_stats_r2
SELECT *, quarter(date) AS quarter
FROM glue.default.drive_stats
WHERE year = :year;
