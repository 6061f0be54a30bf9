-- Purpose: compares what arrived with the source, every value of every row, batch by batch; then, for whom sums say more, rows,
--   failures and capacities of each year.
-- Needs: 01_attach.sql in the same session, and the tables of 03_migrate.sql.
-- Leaves behind: nothing. A difference ends the script with code 4, after the rows that show it. In the sums each year ends in
--   `same`, `different`, or the side on which it is missing.

VERIFY TABLE r2.default.drive_stats_r2 AGAINST glue.default.drive_stats;

-- A year of capacities sums up to more than a BIGINT holds.
WITH source AS (
    SELECT
        year AS source_year,
        count(*) AS row_count,
        sum(failure) AS failures,
        sum(CAST(capacity_bytes AS DECIMAL(38, 0))) AS capacity_bytes
    FROM glue.default.drive_stats
    GROUP BY year
),
target AS (
    SELECT
        year AS target_year,
        count(*) AS row_count,
        sum(failure) AS failures,
        sum(CAST(capacity_bytes AS DECIMAL(38, 0))) AS capacity_bytes
    FROM r2.default.drive_stats_r2
    GROUP BY year
)
SELECT
    coalesce(source_year, target_year) AS year,
    source.row_count AS source_rows,
    target.row_count AS target_rows,
    source.failures AS source_failures,
    target.failures AS target_failures,
    target.capacity_bytes - source.capacity_bytes AS capacity_difference,
    CASE
        WHEN target.row_count IS NULL THEN 'missing in target'
        WHEN source.row_count IS NULL THEN 'missing in source'
        WHEN source.row_count = target.row_count
            AND (source.failures IS NOT DISTINCT FROM target.failures)
            AND (source.capacity_bytes IS NOT DISTINCT FROM target.capacity_bytes)
        THEN 'same'
        ELSE 'different'
    END AS verdict
FROM source
FULL JOIN target ON source_year = target_year
ORDER BY coalesce(source_year, target_year);
