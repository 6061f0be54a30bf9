-- Purpose: ranks drive models by how often their drives failed in the second quarter of 2024, with a grade for each.
-- Needs: 01_attach.sql in the same session, a migrated 2024, and -v min_drives=1000: models with fewer drives say little.
-- Leaves behind: nothing.

WITH models AS (
    SELECT
        model,
        count(DISTINCT serial_number) AS drives,
        count(*) AS drive_days,
        sum(failure) AS failures
    FROM r2.default.drive_stats_r2
    WHERE year = 2024
        AND quarter = 'Q2'
    GROUP BY model
    HAVING count(DISTINCT serial_number) > :min_drives
),
rates AS (
    SELECT
        *,
        round(100.0 * 365.0 * failures / drive_days, 2) AS annualised_failure_rate_pct
    FROM models
)
SELECT
    *,
    CASE
        WHEN annualised_failure_rate_pct < 0.5 THEN 'A'
        WHEN annualised_failure_rate_pct < 1.0 THEN 'B'
        WHEN annualised_failure_rate_pct < 2.0 THEN 'C'
        WHEN annualised_failure_rate_pct < 4.0 THEN 'D'
        ELSE 'E'
    END AS grade
FROM rates
ORDER BY annualised_failure_rate_pct, drives DESC, model;
