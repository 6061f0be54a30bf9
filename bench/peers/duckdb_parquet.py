"""DuckDB reads the Iceberg table and writes Parquet files in folders by year and quarter: its engine without a catalog.

  duckdb_parquet.py SOURCE TARGET_FOLDER [--codec zstd] [--cores 2]
"""

import duckdb_session
import job


def main():
    task = job.arguments(__doc__)
    session = duckdb_session.connect(task.cores)
    source = duckdb_session.source(session, task.source)
    rows = 0
    for year in duckdb_session.years(session, source):
        options = f"FORMAT parquet, COMPRESSION {task.codec}, PARTITION_BY (year, quarter), WRITE_PARTITION_COLUMNS true"
        query = duckdb_session.year_query(source, year)
        copy = f"COPY ({query}) TO '{task.target}' ({options}, APPEND, FILENAME_PATTERN '{year}_{{uuid}}')"
        [(copied,)] = session.execute(copy).fetchall()
        rows += copied
    job.say_done(rows)


if __name__ == "__main__":
    main()
