"""DuckDB reads the Iceberg table and inserts into an Iceberg table of a REST catalog, year by year.

  duckdb_iceberg.py SOURCE TARGET_ADDRESS [--cores 2]

DuckDB's Iceberg writer compresses with zstd, whatever the table's properties say: compare it at --codec zstd.
"""

import duckdb_session
import job


def create_target(session, source, target):
    columns = session.execute(f"DESCRIBE {duckdb_session.year_query(source, 0)}").fetchall()
    listed = ", ".join(f'"{name}" {kind}' for name, kind, *_ in columns)
    session.execute(f"CREATE SCHEMA IF NOT EXISTS {target.rpartition('.')[0]}")
    session.execute(f"CREATE TABLE {target} ({listed}) PARTITIONED BY (year, quarter)")


def main():
    task = job.arguments(__doc__)
    session = duckdb_session.connect(task.cores)
    source = duckdb_session.source(session, task.source)
    target = duckdb_session.attach(session, "target", task.target)
    create_target(session, source, target)
    rows = 0
    for year in duckdb_session.years(session, source):
        insert = f"INSERT INTO {target} {duckdb_session.year_query(source, year)}"
        [(inserted,)] = session.execute(insert).fetchall()
        rows += inserted
    job.say_done(rows)


if __name__ == "__main__":
    main()
