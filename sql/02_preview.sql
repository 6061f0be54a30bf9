-- Purpose: shows what a migration would move: rows, failures and drives of each year.
-- Needs: 01_attach.sql in the same session, and the table glue.default.drive_stats.
-- Leaves behind: nothing.

SELECT
    year,
    count(*) AS row_count,
    sum(failure) AS failures,
    count(DISTINCT serial_number) AS drives
FROM glue.default.drive_stats
GROUP BY year
ORDER BY year;
