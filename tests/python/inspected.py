"""Compares a metadata table, as icelift answered with it, with what PyIceberg reads of the same metadata.

Where PyIceberg has a metadata table that takes every table, its rows are what is expected. Its `files`, `entries` and
`partitions` fail on UUIDs, on files without metrics and on dropped columns, so these are put together here from the manifests
as PyIceberg reads them. Values are compared as Iceberg stores them: days, microseconds, bytes.
"""

import math
import struct
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFileContent, ManifestEntryStatus
from pyiceberg.transforms import VoidTransform
from pyiceberg.types import ListType, MapType, StructType
from remote import _rest
from warehouse import open_catalog

COUNTS = ("column_size", "value_count", "null_value_count", "nan_value_count")
BOUNDS = ("lower_bound", "upper_bound")
COUNT_MAPS = ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts")
BOUND_MAPS = ("lower_bounds", "upper_bounds")
# PyIceberg has tables for these, which take every table.
INSPECTED = ("snapshots", "history", "refs", "metadata_log_entries", "manifests", "all_manifests")


def inspected(catalog, table, metadata, file, snapshot_id=None):
    """What differs between the Arrow file of an answer and what PyIceberg sees, as text; empty if nothing does."""
    opened = _rest(catalog) if isinstance(catalog, dict) else open_catalog(catalog)
    loaded = opened.load_table(table)
    with pa.ipc.open_file(file) as reader:
        found = [{key: plain(value) for key, value in row.items()} for row in reader.read_all().to_pylist()]
    wanted = expected(loaded, metadata, snapshot_id)
    wanted = [{key: plain(value) for key, value in row.items()} for row in wanted]
    for row in found + wanted:
        drop_unknown(row)
    return difference(sorted(wanted, key=in_order), sorted(found, key=in_order))


def drop_unknown(row):
    """Takes out what PyIceberg does not tell: where deletion vectors lie, and texts without characters as bounds of partitions."""
    for file in (row, row.get("data_file") or {}):
        for name in ("referenced_data_file", "content_offset", "content_size_in_bytes"):
            file.pop(name, None)
    for summary in row.get("partition_summaries") or []:
        for name in BOUNDS:
            summary[name] = summary[name] or None


def in_order(row):
    """Rows in one order, in whatever order their columns come."""
    return repr(sorted(row.items()))


def difference(wanted, found):
    if len(wanted) != len(found):
        return f"{len(found)} rows, expected {len(wanted)}"
    for ours, theirs in zip(found, wanted, strict=True):
        for key in sorted(ours.keys() | theirs.keys()):
            if ours.get(key, "no column") != theirs.get(key, "no column"):
                return f"{key}: found {ours.get(key, 'no column')}, expected {theirs.get(key, 'no column')}"
    return ""


def plain(value):
    """A value as Iceberg stores it; an empty map is none, as whether it was written is not always told."""
    match value:
        case Mapping():
            return {key: plain(inner) for key, inner in sorted(value.items())} or None
        case list() if value and all(isinstance(pair, tuple) for pair in value):
            return plain(dict(value))
        case list() | tuple():
            return [plain(inner) for inner in value] or None
        case bool() | int() | str() | None:
            return value
        case float():
            return "NaN" if math.isnan(value) else value.hex()
        case datetime():
            utc = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
            return (utc - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
        case date():
            return (value - date(1970, 1, 1)).days
        case time():
            return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        case UUID():
            return value.bytes.hex()
        case bytes():
            return value.hex()
        case Decimal():
            return str(value)
    return int(value)


def expected(table, metadata, snapshot_id):
    if metadata in INSPECTED:
        return getattr(table.inspect, metadata)().to_pylist()
    snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id else table.current_snapshot()
    entries = [] if snapshot is None else list(entries_of(table, snapshot))
    live = [entry for entry in entries if entry[1].status != ManifestEntryStatus.DELETED]
    match metadata:
        case "entries":
            return [entry_row(table, *entry) for entry in entries]
        case "partitions":
            return partition_rows(table, live)
        case "files":
            kinds = set(DataFileContent)
        case "data_files":
            kinds = {DataFileContent.DATA}
        case "delete_files":
            kinds = {DataFileContent.POSITION_DELETES, DataFileContent.EQUALITY_DELETES}
    return [
        file_row(table, *entry) | {"readable_metrics": metrics(table, entry[1].data_file)}
        for entry in live
        if entry[1].data_file.content in kinds
    ]


def entries_of(table, snapshot):
    for manifest in snapshot.manifests(table.io):
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
            yield manifest, entry


def entry_row(table, manifest, entry):
    return {
        "status": int(entry.status),
        "snapshot_id": entry.snapshot_id,
        "sequence_number": entry.sequence_number,
        "file_sequence_number": entry.file_sequence_number,
        "data_file": file_row(table, manifest, entry),
        "readable_metrics": metrics(table, entry.data_file),
    }


def file_row(table, manifest, entry):
    file = entry.data_file
    row = {
        "content": int(file.content),
        "file_path": file.file_path,
        "file_format": file.file_format.value,
        "spec_id": manifest.partition_spec_id,
        "record_count": file.record_count,
        "file_size_in_bytes": file.file_size_in_bytes,
        **{name: getattr(file, name) for name in COUNT_MAPS},
        # PyIceberg keeps the bounds of columns that the schema of the manifest does not have; none of ours are such.
        **{name: getattr(file, name) for name in BOUND_MAPS},
        "key_metadata": file.key_metadata,
        "split_offsets": file.split_offsets,
        "equality_ids": file.equality_ids,
        "sort_order_id": file.sort_order_id,
        # PyIceberg reads manifests of format 2 and does not know of these.
        "first_row_id": None,
        "referenced_data_file": None,
        "content_offset": None,
        "content_size_in_bytes": None,
    }
    fields = partition_fields(table)
    return row | ({"partition": partition(table, manifest, file)} if fields else {})


def partition_fields(table):
    """The fields of all specs whose column is still there, by id, under their newest names."""
    found = {}
    for spec in sorted(table.specs().values(), key=lambda spec: spec.spec_id):
        for field in spec.fields:
            if field.source_id in table.schema()._lazy_id_to_field:
                found[field.field_id] = field.name
    return dict(sorted(found.items()))


def partition(table, manifest, file):
    spec = table.specs()[manifest.partition_spec_id]
    values = {
        field.field_id: file.partition[place]
        for place, field in enumerate(spec.fields)
        if not isinstance(field.transform, VoidTransform)
    }
    return {name: values.get(field_id) for field_id, name in partition_fields(table).items()}


def metrics(table, file):
    schema, found = table.schema(), {}
    for field_id, field in schema._lazy_id_to_field.items():
        if isinstance(field.field_type, StructType | ListType | MapType):
            continue
        counts = {name: (getattr(file, f"{name}s") or {}).get(field_id) for name in COUNTS}
        bounds = {name: (getattr(file, f"{name}s") or {}).get(field_id) for name in BOUNDS}
        bounds = {name: None if bound is None else read(field.field_type, bound) for name, bound in bounds.items()}
        found[schema.find_column_name(field_id)] = counts | bounds
    return found


def read(kind, bound):
    """A bound, also of a type that the column had before it was promoted."""
    if str(kind) == "long" and len(bound) == 4:
        return int.from_bytes(bound, "little", signed=True)
    if str(kind) == "double" and len(bound) == 4:
        return struct.unpack("<f", bound)[0]
    return from_bytes(kind, bound)


def partition_rows(table, entries):
    groups = defaultdict(list)
    fields = partition_fields(table)
    for manifest, entry in entries:
        groups[repr(partition(table, manifest, entry.data_file))].append((manifest, entry))
    return [partition_row(table, group, bool(fields)) for group in groups.values()]


def partition_row(table, group, is_partitioned):
    def of(kind):
        return [entry.data_file for _, entry in group if entry.data_file.content == kind]

    def records(files):
        return sum(file.record_count for file in files)

    data, positions, equality = (of(kind) for kind in DataFileContent)
    known = [(manifest, table.snapshot_by_id(entry.snapshot_id)) for manifest, entry in group]
    known = [(manifest, snapshot) for manifest, snapshot in known if snapshot is not None]
    spec, last = max(known, key=lambda it: it[1].timestamp_ms) if known else (group[0][0], None)
    row = {
        "record_count": records(data),
        "file_count": len(data),
        "total_data_file_size_in_bytes": sum(file.file_size_in_bytes for file in data),
        "position_delete_record_count": records(positions),
        "position_delete_file_count": len(positions),
        "equality_delete_record_count": records(equality),
        "equality_delete_file_count": len(equality),
        "last_updated_at": None if last is None else last.timestamp_ms * 1000,
        "last_updated_snapshot_id": None if last is None else last.snapshot_id,
    }
    if is_partitioned:
        manifest, entry = group[0]
        values = partition(table, manifest, entry.data_file)
        row |= {"partition": values, "spec_id": spec.partition_spec_id}
    return row
