"""What the trials of the rewriting procedures ask of tables, past icelift."""

from pyiceberg.transforms import BucketTransform
from readback import connect_duckdb
from warehouse import open_catalog


def partition_by_bucket(folder, table, column):
    """Partitions a local table by a bucket of a column from now on, and returns the ids of its specs."""
    loaded = open_catalog(folder).load_table(("default", table))
    with loaded.update_spec() as update:
        update.add_field(column, BucketTransform(2), "bucket")
    return sorted(open_catalog(folder).load_table(("default", table)).metadata.specs())


def live_files(folder, table):
    """The spec, the data sequence number and the rows of each live data file, and how many live deletes there are."""
    loaded = open_catalog(folder).load_table(("default", table))
    data, deletes = [], 0
    for manifest in loaded.current_snapshot().manifests(loaded.io):
        for entry in manifest.fetch_manifest_entry(loaded.io, discard_deleted=True):
            if manifest.content.name == "DATA":
                data.append([manifest.partition_spec_id, entry.sequence_number, entry.data_file.record_count])
            else:
                deletes += 1
    return {"data": sorted(data), "deletes": deletes}


def counts_of_others(folder, table):
    """How many rows PyIceberg reads, and how many DuckDB."""
    loaded = open_catalog(folder).load_table(("default", table))
    location = loaded.metadata_location.removeprefix("file://").replace("'", "''")
    [(count,)] = connect_duckdb().sql(f"SELECT count(*) FROM iceberg_scan('{location}')").fetchall()
    return [loaded.scan().to_arrow().num_rows, count]
