"""A table with a past: snapshots, a branch, a tag, a column that came later, a rollback. Written by PyIceberg."""

import time

import pyarrow as pa
from canon import differences, rows_of
from pyiceberg.schema import Schema
from pyiceberg.types import IntegerType, LongType, NestedField, StringType
from warehouse import Warehouse, open_catalog


def write_versions(folder):
    """Writes default.t and returns the ids of its snapshots by what they are.

    one: row 1. two: rows 1 and 2, with the tag `tagged`. side: row 3 on top of two, on the branch `side`. wide: row 4 with the
    new column. deleted: without row 1. set back to wide, and then last: row 5.
    """
    fields = NestedField(1, "id", LongType()), NestedField(2, "name", StringType())
    table = Warehouse(folder).create("t", Schema(*fields))
    made = {}

    def append(name, number, branch=None, **more):
        arrow = {"id": pa.array([number], pa.int64()), "name": [f"row {number}"]}
        arrow |= {column: pa.array([value], pa.int32()) for column, value in more.items()}
        # Two snapshots of one millisecond could not be told apart by their time.
        time.sleep(0.005)
        table.append(pa.table(arrow), **({"branch": branch} if branch else {}))
        reference = table.refs()[branch or "main"]
        made[name] = reference.snapshot_id

    append("one", 1)
    append("two", 2)
    table.manage_snapshots().create_tag(made["two"], "tagged").commit()
    table.manage_snapshots().create_branch(made["two"], "side").commit()
    append("side", 3, branch="side")
    with table.update_schema() as update:
        update.add_column("extra", IntegerType())
    append("wide", 4, extra=40)
    time.sleep(0.005)
    table.delete("id = 1")
    made["deleted"] = table.current_snapshot().snapshot_id
    time.sleep(0.005)
    table.manage_snapshots().set_current_snapshot(made["wide"]).commit()
    append("last", 5, extra=50)
    return made


def compare_version(folder, table, snapshot_id, file):
    """Compares the Arrow file of an answer with the rows that PyIceberg reads of a snapshot, in the snapshot's columns."""
    loaded = open_catalog(folder).load_table(("default", table))
    schema = loaded.schemas()[loaded.snapshot_by_id(snapshot_id).schema_id]
    wanted = rows_of(loaded.scan(snapshot_id=snapshot_id).to_arrow(), schema)
    with pa.ipc.open_file(file) as reader:
        return differences(wanted, rows_of(reader.read_all(), schema))
