"""What other engines see in an Iceberg REST catalog: attached by token, as a user would, over HTTPS."""

import os

import pyarrow as pa
from pyarrow.fs import S3FileSystem
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from readback import connect_duckdb

# PyArrow's client sends checksums behind the body unless told otherwise; R2 has not implemented that.
os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"


def duckdb_queries(catalog, queries):
    """The rows of each query, as text; the catalog is attached as `r2`."""
    connection = _attached(catalog)
    answers = [connection.execute(query).fetchall() for query in queries]
    connection.close()
    return [[[_text(cell) for cell in row] for row in rows] for rows in answers]


def duckdb_arrow(catalog, query):
    """The rows of a query as an Arrow table; the catalog is attached as `r2`."""
    connection = _attached(catalog)
    rows = connection.execute(query).to_arrow_table()
    connection.close()
    return rows


def _attached(catalog):
    connection = connect_duckdb()
    connection.execute(f"SET ca_cert_file = '{catalog['ca']}'")
    connection.execute(f"CREATE SECRET (TYPE ICEBERG, TOKEN '{catalog['token']}')")
    connection.execute(f"ATTACH '{catalog['warehouse']}' AS r2 (TYPE ICEBERG, ENDPOINT '{catalog['uri']}')")
    return connection


def pyiceberg_count(catalog, table):
    """The rows that PyIceberg reads of `table`, and the columns."""
    arrow = _rest(catalog).load_table(table).scan().to_arrow()
    return [arrow.num_rows, arrow.column_names]


def pyiceberg_audit(catalog, table):
    """The column `id` of `table` in figures, its snapshots, and every object that belongs to it, by location."""
    loaded = _rest(catalog).load_table(table)
    metadata = loaded.metadata
    objects = {loaded.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    for snapshot in metadata.snapshots:
        objects.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(loaded.io):
            objects.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(loaded.io, discard_deleted=False)
            objects |= {entry.data_file.file_path for entry in entries}
    ids = loaded.scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()
    return {
        "ids": [len(ids), len(set(ids)), sum(ids)],
        "snapshots": len(metadata.snapshots),
        "location": metadata.location,
        "objects": sorted(objects),
    }


def pyiceberg_append(catalog, table, rows):
    """Appends rows of an id and a name; creates the table, and its namespace, if need be."""
    rest = _rest(catalog)
    numbers = range(rows)
    arrow = pa.table({"id": pa.array(numbers, pa.int64()), "name": [f"row{number}" for number in numbers]})
    rest.create_namespace_if_not_exists(table.split(".")[0])
    found = rest.load_table(table) if rest.table_exists(table) else rest.create_table(table, arrow.schema)
    found.append(arrow)


def _rest(catalog):
    """The catalog; `ca` is the file of the authority that the servers' certificates are from, if they have any."""
    known = {key: catalog[key] for key in ("uri", "warehouse", "token") if key in catalog}
    if "ca" in catalog:
        os.environ["REQUESTS_CA_BUNDLE"] = catalog["ca"]
        known |= {"py-io-impl": "remote.TrustingFileIO", "ca": catalog["ca"]}
    return RestCatalog("r2", **known, **catalog.get("properties", {}))


class TrustingFileIO(PyArrowFileIO):
    """Trusts the authority of the property `ca`; PyIceberg 0.12 has no property for that, nor PyArrow a variable."""

    def _initialize_s3_fs(self, netloc):
        return S3FileSystem(
            endpoint_override=self.properties["s3.endpoint"],
            access_key=self.properties["s3.access-key-id"],
            secret_key=self.properties["s3.secret-access-key"],
            session_token=self.properties.get("s3.session-token"),
            region=self.properties["s3.region"],
            tls_ca_file_path=self.properties["ca"],
        )


def _text(cell):
    return "NULL" if cell is None else str(cell)
