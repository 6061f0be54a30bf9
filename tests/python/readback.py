"""Reads tables through PyIceberg and through DuckDB and compares them with expected rows.

`readback.py FOLDER` checks the source tables in FOLDER against their own expectations.
"""

import sys
from importlib.resources import files

import duckdb
from canon import differences, rows_of
from sources import expected
from warehouse import open_catalog


def by_pyiceberg(table):
    return rows_of(table.scan().to_arrow(), table.schema())


def by_duckdb(table):
    """DuckDB reads the metadata file itself: neither PyIceberg nor the catalog has a part in it."""
    if table.current_snapshot() is None:
        # DuckDB 1.5.5 refuses a table that was never written to.
        return []
    location = table.metadata_location.removeprefix("file://").replace("'", "''")
    return rows_of(_duckdb().sql(f"SELECT * FROM iceberg_scan('{location}')").to_arrow_table(), table.schema())


READERS = {"pyiceberg": by_pyiceberg, "duckdb": by_duckdb}


def compare(folder, table, rows, readers=tuple(READERS)):
    """What each reader sees differently in default.`table`, as text; empty if all see `rows`."""
    loaded = open_catalog(folder).load_table(("default", table))
    found = []
    for reader in readers:
        try:
            difference = differences(rows, READERS[reader](loaded))
        except Exception as error:
            difference = f"{type(error).__name__}: {error}"
        if difference:
            found.append(f"{reader} on {table}: {difference}")
    return "\n".join(found)


def selfcheck(folder, names):
    """Whether the expectations are what those readers see that get the table right."""
    found = [compare(folder, name, *expected(folder, name)) for name in names]
    return "\n".join(filter(None, found))


_connection = None


def _duckdb():
    """One connection for all reads of files."""
    global _connection
    if _connection is None:
        _connection = connect_duckdb()
    return _connection


def connect_duckdb():
    """A connection whose extensions come out of their wheels: nothing is downloaded."""
    settings = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "threads": "2"}
    connection = duckdb.connect(config=settings)
    for name in ("avro", "httpfs", "iceberg"):
        [version] = (files(f"duckdb_extension_{name}") / "extensions").iterdir()
        connection.execute(f"LOAD '{version / name}.duckdb_extension'")
    return connection


if __name__ == "__main__":
    from pathlib import Path

    folder = Path(sys.argv[1])
    report = selfcheck(folder, sorted(path.stem for path in (folder / "expected").iterdir()))
    print(report or "every expectation is what the readers see")
    sys.exit(1 if report else 0)
