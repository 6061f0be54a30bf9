"""What other engines make of a table that icelift has changed in place."""

import pyarrow as pa
from canon import rows_of
from readback import READERS, compare
from sources import expected
from warehouse import open_catalog


def same_rows(target, table, file, readers=tuple(READERS)):
    """Whether the readers see in `table` what icelift saw, which is in the Arrow file."""
    schema = open_catalog(target).load_table(("default", table)).schema()
    with pa.ipc.open_file(file) as reader:
        rows = rows_of(reader.read_all(), schema)
    return compare(target, table, rows, tuple(readers))


def readers_of(folder, source):
    """The readers that get a source table right."""
    return list(expected(folder, source)[1])


def layout(target, table):
    """What the metadata says of the layout: partition fields and sort order as text, identifier fields, properties."""
    loaded = open_catalog(target).load_table(("default", table))
    return {
        "spec": [f"{field.name}: {field.transform} of {field.source_id}" for field in loaded.spec().fields],
        "specs": len(loaded.specs()),
        "order": [str(field) for field in loaded.sort_order().fields],
        "identifiers": sorted(loaded.schema().identifier_field_names()),
        "properties": dict(loaded.properties),
        "last_column_id": loaded.metadata.last_column_id,
        "format_version": loaded.format_version,
    }
