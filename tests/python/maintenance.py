"""A table with a past, written by PyIceberg, and what others see of it when we have kept it in order."""

from pathlib import Path

from pyiceberg.schema import Schema
from pyiceberg.table.statistics import StatisticsFile
from pyiceberg.types import LongType, NestedField, StringType
from readback import connect_duckdb
from warehouse import Warehouse, append, commit, data_paths, open_catalog, position_deletes


def write_with_a_past(folder):
    """Four snapshots of `default.past`: two appends, a position delete, an append. The first one has a tag, the first and
    the third one statistics. Returns their ids."""
    fields = [NestedField(1, "id", LongType()), NestedField(2, "name", StringType())]
    table = Warehouse(folder).create("past", Schema(*fields))
    append(table, [{"id": number, "name": f"row{number}"} for number in range(1, 4)])
    append(table, [{"id": number, "name": f"row{number}"} for number in range(4, 7)])
    commit(table, position_deletes(table, [(data_paths(table)[0], 1)]))
    table = table.refresh()
    append(table, [{"id": number, "name": f"row{number}"} for number in range(7, 10)])
    table = table.refresh()
    ids = [it.snapshot_id for it in sorted(table.metadata.snapshots, key=lambda it: it.sequence_number)]
    table.manage_snapshots().create_tag(ids[0], "v1").commit()
    for snapshot_id in (ids[0], ids[2]):
        path = f"{table.location()}/metadata/{snapshot_id}.stats"
        Path(path.removeprefix("file://")).write_bytes(b"PFA1")
        about = {"snapshot-id": snapshot_id, "statistics-path": path, "blob-metadata": []}
        about |= {"file-size-in-bytes": 4, "file-footer-size-in-bytes": 0}
        with table.update_statistics() as update:
            update.set_statistics(StatisticsFile(**about))
        table = table.refresh()
    return ids


def past_as_others_see_it(folder):
    """Rows of main and of the tag, by both readers; snapshots; files on the disk that nothing names, and named ones that are gone."""
    table = open_catalog(folder).load_table(("default", "past"))
    connection = connect_duckdb()
    file = table.metadata_location.removeprefix("file://")

    def by_pyiceberg(snapshot_id=None):
        return sorted(table.scan(snapshot_id=snapshot_id).to_arrow()["id"].to_pylist())

    def by_duckdb(snapshot_id=None):
        at = "" if snapshot_id is None else f", snapshot_from_id => {snapshot_id}"
        rows = connection.sql(f"SELECT id FROM iceberg_scan('{file}'{at}) ORDER BY id").fetchall()
        return [row[0] for row in rows]

    tags = {name: ref.snapshot_id for name, ref in table.metadata.refs.items() if name != "main"}
    named = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    named |= {statistics.statistics_path for statistics in table.metadata.statistics}
    for snapshot in table.metadata.snapshots:
        named.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            named.add(manifest.manifest_path)
            named |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
    folder = Path(table.location().removeprefix("file://"))
    there = {f"file://{path}" for path in folder.rglob("*") if path.is_file()}
    return {
        "main": [by_pyiceberg(), by_duckdb()],
        "tags": {name: [by_pyiceberg(at), by_duckdb(at)] for name, at in tags.items()},
        "snapshots": sorted(snapshot.snapshot_id for snapshot in table.metadata.snapshots),
        "left": sorted(there - named),
        "gone": sorted(named - there),
    }
