"""What other engines see in an Iceberg REST catalog: attached by token, as a user would, over HTTPS."""

import os

from pyiceberg.catalog.rest import RestCatalog
from readback import connect_duckdb


def duckdb_queries(catalog, queries):
    """The rows of each query, as text; the catalog is attached as `r2`."""
    connection = connect_duckdb()
    connection.execute(f"SET ca_cert_file = '{catalog['ca']}'")
    connection.execute(f"CREATE SECRET (TYPE ICEBERG, TOKEN '{catalog['token']}')")
    connection.execute(f"ATTACH '{catalog['warehouse']}' AS r2 (TYPE ICEBERG, ENDPOINT '{catalog['uri']}')")
    answers = [connection.execute(query).fetchall() for query in queries]
    connection.close()
    return [[[_text(cell) for cell in row] for row in rows] for rows in answers]


def pyiceberg_count(catalog, table):
    """The rows that PyIceberg reads of `table`, and the columns."""
    os.environ["REQUESTS_CA_BUNDLE"] = os.environ["AWS_CA_BUNDLE"] = catalog["ca"]
    keys = ("uri", "warehouse", "token")
    rest = RestCatalog("r2", **{key: catalog[key] for key in keys}, **catalog.get("properties", {}))
    arrow = rest.load_table(table).scan().to_arrow()
    return [arrow.num_rows, arrow.column_names]


def _text(cell):
    return "NULL" if cell is None else str(cell)
