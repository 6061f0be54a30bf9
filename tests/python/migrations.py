"""Whether a migrated table holds what its source holds, looked at past icelift: DuckDB reads the rows, PyIceberg the metadata.

A table is {"folder": …, "table": …} in a local catalog, {"catalog": …, "table": …} in one that speaks REST, or
{"glue": …, "table": …} in Glue.
"""

import json
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
from canon import differences, rows_of
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.table.sorting import NullOrder
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import IntegerType
from readback import connect_duckdb
from remote import _rest, duckdb_arrow
from warehouse import commit, open_catalog, position_deletes

REGISTER = "icelift.migration."


def migration_audit(source, target, columns="*", condition="true"):
    """What the trials compare: rows, snapshots for each batch, objects.

    `columns` is the query's SELECT in DuckDB's words. Rows of the target for which `condition` does not hold are somebody
    else's. With `at` the source is what it was at that metadata file.
    """
    found = _load(target)
    metadata = found.metadata
    wanted = _local_rows(source.get("at") or metadata_location(source["folder"], source["table"]), columns, found.schema())
    summaries = [snapshot.summary.additional_properties for snapshot in metadata.snapshots]
    registers = {key: json.loads(text) for key, text in metadata.properties.items() if key.startswith(REGISTER)}
    rows = _rows(target, found, condition)
    return {
        "difference": differences(wanted, rows),
        "rows": len(rows),
        "total_records": _total_records(found),
        "batches": _counts(summary.get("icelift.batch") for summary in summaries),
        "snapshots": len(metadata.snapshots),
        "registers": list(registers.values()),
        "location": metadata.location,
        "objects": sorted(_objects(found, registers.values())),
    }


def migration_objects(target):
    """Files in the folder of a local table that no metadata names, and those named that are not there."""
    found = _load(target)
    registers = [json.loads(text) for key, text in found.metadata.properties.items() if key.startswith(REGISTER)]
    known = {path.removeprefix("file://") for path in _objects(found, registers)}
    there = {str(path) for path in Path(found.location().removeprefix("file://")).rglob("*") if path.is_file()}
    return {"left": sorted(there - known), "gone": sorted(known - there)}


def _load(table):
    if "folder" in table:
        return open_catalog(table["folder"]).load_table(("default", table["table"]))
    if "glue" in table:
        return GlueCatalog("glue", **table["glue"]).load_table(table["table"])
    return _rest(table["catalog"]).load_table(table["table"])


_connection = None
_known = {}


def _local_rows(metadata_file, columns, schema):
    """Rows of a local table. It is read once: the file of its metadata never changes."""
    global _connection
    key = (metadata_file, columns, str(schema))
    if key not in _known:
        _connection = _connection or connect_duckdb()
        file = metadata_file.removeprefix("file://").replace("'", "''")
        rows = _connection.sql(f"SELECT {columns} FROM iceberg_scan('{file}')").to_arrow_table()
        _known[key] = rows_of(rows, schema)
    return _known[key]


def _rows(target, table, condition):
    if all(snapshot.summary.additional_properties.get("total-records") == "0" for snapshot in table.metadata.snapshots):
        # DuckDB refuses a table that holds no file.
        return []
    if "folder" in target:
        global _connection
        _connection = _connection or connect_duckdb()
        file = table.metadata_location.removeprefix("file://").replace("'", "''")
        rows = _connection.sql(f"SELECT * FROM iceberg_scan('{file}') WHERE {condition}").to_arrow_table()
    else:
        rows = duckdb_arrow(target["catalog"], f"SELECT * FROM r2.{target['table']} WHERE {condition}")
    return rows_of(rows, table.schema())


def _total_records(table):
    snapshot = table.current_snapshot()
    return snapshot and int(snapshot.summary.additional_properties["total-records"])


def merged_manifests(folder, table):
    """What is left of the commits of a local table behind merged manifests, as PyIceberg and DuckDB see it.

    `wrong_entries` have another sequence number than the snapshot that they say they came with, or say it of a snapshot that
    is not there; `wrong_snapshots` are those of which a reader does not find as many rows as they say.
    """
    found = open_catalog(folder).load_table(("default", table))
    sequences = {snapshot.snapshot_id: snapshot.sequence_number for snapshot in found.metadata.snapshots}
    manifests = found.current_snapshot().manifests(found.io)
    entries = [entry for manifest in manifests for entry in manifest.fetch_manifest_entry(found.io)]
    wrong = [
        entry.data_file.file_path
        for entry in entries
        if {entry.sequence_number, entry.file_sequence_number} != {sequences.get(entry.snapshot_id)}
    ]
    snapshots = sorted(found.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number)
    # The first and the last ones, those that merged, and those before them.
    merging = [at for at, it in enumerate(snapshots) if "manifests-replaced" in it.summary.additional_properties]
    chosen = {*range(3), len(snapshots) - 1, *merging, *(at - 1 for at in merging)}
    return {
        "manifests": len(manifests),
        "entries": len(entries),
        "statuses": _counts(entry.status.name for entry in entries),
        "merges": [int(snapshots[at].summary.additional_properties["manifests-replaced"]) for at in merging],
        "wrong_entries": wrong,
        "wrong_snapshots": [at for at in sorted(chosen) if not _has_its_rows(found, snapshots[at])],
    }


def _has_its_rows(table, snapshot):
    global _connection
    _connection = _connection or connect_duckdb()
    said = snapshot.summary.additional_properties
    expected = int(said["total-records"]) - int(said["total-position-deletes"])
    if expected == 0:
        # DuckDB refuses a snapshot that holds no file.
        return table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows == 0
    file = table.metadata_location.removeprefix("file://").replace("'", "''")
    query = f"SELECT count(*) FROM iceberg_scan('{file}', snapshot_from_id => {snapshot.snapshot_id})"
    duckdb_rows = _connection.sql(query).fetchone()[0]
    return duckdb_rows == expected == table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows


def growth(target, at):
    """What a migration has come to at some numbers of batches: its claim is the first snapshot, each batch is one."""
    found = _load(target)
    snapshots = sorted(found.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number)

    def size(location):
        return len(found.io.new_input(location))

    def grown(count):
        first, last = max(count - 100, 0), snapshots[count]
        milliseconds = last.timestamp_ms - snapshots[first].timestamp_ms
        return {
            "batches": count,
            "batch_ms": round(milliseconds / (count - first)),
            "list_bytes": size(last.manifest_list),
            "manifests": len(last.manifests(found.io)),
        }

    registers = [text for key, text in found.metadata.properties.items() if key.startswith(REGISTER)]
    return {
        "rows": int(snapshots[-1].summary.additional_properties["total-records"]),
        "metadata_bytes": size(found.metadata_location),
        "register_bytes": max(map(len, registers)),
        "lists_bytes": sum(size(snapshot.manifest_list) for snapshot in snapshots),
        "at": [grown(count) for count in at],
    }


def metadata_files(folder, table):
    """How many versions of its metadata a local table has on the disk."""
    location = open_catalog(folder).load_table(("default", table)).location().removeprefix("file://")
    return len(list(Path(location).glob("metadata/*.metadata.json")))


def sums(folder, table, column):
    """How many rows there are, and the sum of a column, as DuckDB and as PyIceberg see it."""
    global _connection
    _connection = _connection or connect_duckdb()
    found = open_catalog(folder).load_table(("default", table))
    file = found.metadata_location.removeprefix("file://").replace("'", "''")
    seen = _connection.sql(f"SELECT count(*), sum({column})::BIGINT FROM iceberg_scan('{file}')").fetchone()
    rows = found.scan(selected_fields=(column,)).to_arrow()
    return {"duckdb": list(seen), "pyiceberg": [rows.num_rows, sum(rows.column(column).to_pylist())]}


def _counts(keys):
    counts = {}
    for key in keys:
        if key is not None:
            counts[key] = counts.get(key, 0) + 1
    return counts


def _objects(table, registers):
    """Every object that a snapshot, the metadata log or a register of the table names."""
    metadata = table.metadata
    objects = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    manifests = {}
    for snapshot in metadata.snapshots:
        objects.add(snapshot.manifest_list)
        manifests |= {manifest.manifest_path: manifest for manifest in snapshot.manifests(table.io)}
    for path, manifest in manifests.items():
        objects.add(path)
        objects |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
    for register in registers:
        older = register.get("older")
        while older:
            objects.add(older)
            with table.io.new_input(older).open() as file:
                older = json.loads(file.read())["previous"]
    return objects


def metadata_location(folder, table):
    """The metadata file that a local table points to."""
    return open_catalog(folder).load_table(("default", table)).metadata_location


def is_locked(folder):
    """Whether a process is in the middle of a transaction in a local catalog."""
    connection = sqlite3.connect(Path(folder) / "catalog.db", timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        return False
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()


def delete_positions(folder, table, year, positions):
    """Deletes rows of the first data file of a year by a position delete file."""
    loaded = open_catalog(folder).load_table(("default", table))
    file = _first_data_file(loaded, year)
    deletes = position_deletes(loaded, [(file.file_path, position) for position in positions], partition=file.partition)
    commit(loaded, deletes)


def _first_file(table, year):
    return _first_data_file(table, year).file_path


def _first_data_file(table, year):
    entries = [
        entry
        for manifest in table.current_snapshot().manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io)
        if entry.data_file.partition[0] == year
    ]
    return min(entries, key=lambda entry: entry.sequence_number).data_file


def set_back(folder, table, steps):
    """Sets the main branch of a local table back by so many snapshots."""
    loaded = open_catalog(folder).load_table(("default", table))
    snapshot = loaded.current_snapshot()
    for _ in range(steps):
        snapshot = loaded.snapshot_by_id(snapshot.parent_snapshot_id)
    loaded.manage_snapshots().set_current_snapshot(snapshot.snapshot_id).commit()


def expire_snapshots(folder, table):
    """Expires all snapshots of a local table but the current one. Their files stay."""
    loaded = open_catalog(folder).load_table(("default", table))
    current = loaded.current_snapshot().snapshot_id
    expired = [snapshot.snapshot_id for snapshot in loaded.metadata.snapshots if snapshot.snapshot_id != current]
    loaded.maintenance.expire_snapshots().by_ids(expired).commit()
    return len(expired)


def delete_rows(folder, table, condition):
    """PyIceberg deletes rows of a local table: it rewrites their files."""
    open_catalog(folder).load_table(("default", table)).delete(condition)


def rewrite(folder, table):
    """PyIceberg writes all rows of a local table into files of its own, in the place of those that are there."""
    loaded = open_catalog(folder).load_table(("default", table))
    loaded.overwrite(loaded.scan().to_arrow())


def add_column(folder, table, name):
    """Adds a column of integers to a local table."""
    with open_catalog(folder).load_table(("default", table)).update_schema() as update:
        update.add_column(name, IntegerType())


def sort_by(folder, table, column):
    """Declares that a local table is sorted by a column, the largest first."""
    with open_catalog(folder).load_table(("default", table)).update_sort_order() as update:
        update.desc(column, IdentityTransform(), NullOrder.NULLS_LAST)


def sort_orders(target):
    """The sort order that a table declares, and those that its data files have."""
    loaded = _load(target)
    schema = loaded.schema()
    fields = [
        [schema.find_column_name(field.source_id), str(field.transform), field.direction.name, field.null_order.name]
        for field in loaded.sort_order().fields
    ]
    manifests = loaded.current_snapshot().manifests(loaded.io)
    files = [entry.data_file.sort_order_id for it in manifests for entry in it.fetch_manifest_entry(loaded.io)]
    return {"declared": fields, "files": sorted(set(files))}


def damage_file(folder, table, year):
    """Flips the bits of one byte in the first column of a year's first data file, and returns the file's name."""
    path = Path(_first_file(open_catalog(folder).load_table(("default", table)), year).removeprefix("file://"))
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF
    path.write_bytes(content)
    return path.name


def damage_copied(folder, table, damage):
    """Flips one bit in a copied row group of the only data file below a table, or cuts the file; returns how many were copied.

    No snapshot names the file yet.
    """
    location = open_catalog(folder).load_table(("default", table)).location().removeprefix("file://")
    [path] = Path(location).rglob("*.parquet")
    footer = pq.read_metadata(path)
    copied = footer.metadata[b"icelift.copied"].decode().split(",")
    chunk = footer.row_group(int(copied[0])).column(0)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-1]
    else:
        content[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    return len(copied)
