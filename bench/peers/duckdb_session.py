"""DuckDB with its Iceberg extension, which comes from PyPI so that nothing is fetched while the clock runs."""

import importlib
import pathlib

import duckdb

import job

EXTENSIONS = ["avro", "httpfs", "iceberg"]


def connect(cores):
    session = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": cores})
    session.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    for name in EXTENSIONS:
        package = pathlib.Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
        [file] = package.glob(f"extensions/*/{name}.duckdb_extension")
        session.execute(f"LOAD '{file}'")
    return session


def attach(session, name, address):
    session.execute(f"CREATE SECRET {name}_token (TYPE iceberg, TOKEN '{job.REST_TOKEN}')")
    session.execute(f"ATTACH '{job.REST_WAREHOUSE}' AS {name} (TYPE iceberg, ENDPOINT '{address}', SECRET {name}_token)")
    return ".".join([name, *job.TABLE])


def source(session, where):
    """The source as it stands in a FROM clause."""
    if job.is_rest(where):
        return attach(session, "source", where)
    return f"iceberg_scan('{job.newest_metadata(where)}')"


def years(session, table):
    return [year for (year,) in session.execute(f"SELECT DISTINCT year FROM {table} ORDER BY year").fetchall()]


def year_query(table, year):
    return f"SELECT *, {job.QUARTER_SQL} AS quarter FROM {table} WHERE year = {year}"
