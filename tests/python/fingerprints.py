"""The fingerprint of a table's rows, by the SQL that icelift makes for DuckDB."""

from readback import connect_duckdb
from warehouse import open_catalog


def fingerprint_by_duckdb(target, query):
    """What `query` answers, for which `t` is the table default.t of the catalog in `target`."""
    location = open_catalog(target).load_table(("default", "t")).metadata_location
    location = location.removeprefix("file://").replace("'", "''")
    with connect_duckdb() as connection:
        connection.execute(f"CREATE VIEW t AS SELECT * FROM iceberg_scan('{location}')")
        [(fingerprint,)] = connection.sql(query).fetchall()
        return fingerprint
