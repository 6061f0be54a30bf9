"""The benchmarks' Iceberg table: made the way a table grows that is loaded year by year."""

import pyarrow as pa
from pyiceberg.io.pyarrow import parquet_file_to_data_file

import drive_stats

NAME = ("default", "drive_stats")


def create(catalog, codec):
    """A table partitioned by year whose schema has grown from that of 2013 to that of 2024."""
    catalog.create_namespace_if_not_exists(NAME[0])
    first, *later = drive_stats.YEARS
    properties = {"format-version": "2", "write.parquet.compression-codec": codec}
    table = catalog.create_table(NAME, drive_stats.schema(first), properties=properties)
    with table.update_spec() as spec:
        spec.add_identity("year")
    for year in later:
        with table.update_schema() as schema:
            schema.union_by_name(drive_stats.schema(year))
    return table


def file_schema(table, year):
    """The columns of a year's file, with the table's field ids."""
    ids = {field.name: field.field_id for field in table.schema().fields}
    return pa.schema(field.with_metadata({"PARQUET:field_id": str(ids[field.name])}) for field in drive_stats.schema(year))


def append(table, paths):
    """Adds data files that carry the table's field ids, in one snapshot."""
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as snapshot:
        for path in paths:
            snapshot.append_data_file(parquet_file_to_data_file(table.io, transaction.table_metadata, path))
