"""Checks what icelift wrote against the specification: metadata, manifests and Parquet files of one table.

Nothing here trusts the manifests: counts, bounds and partition values are computed again from the rows in the files.
"""

import math
from pathlib import Path

import pyarrow.parquet as pq
from canon import _uuid
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFileContent, ManifestContent
from pyiceberg.types import BinaryType, DoubleType, FixedType, FloatType, PrimitiveType, StringType, UUIDType
from source_layouts import partition_value, stored
from warehouse import open_catalog

BOUND_LENGTH = 16


def audit(folder, name, snapshots=1, codec="SNAPPY", operation="append"):
    """Every problem found, one line each; `snapshots` is how many commits the table has had, `operation` what the last one was."""
    table = open_catalog(folder).load_table(("default", name))
    problems = []
    if snapshots is not None and len(table.metadata.snapshots) != snapshots:
        problems.append(f"{len(table.metadata.snapshots)} snapshots, expected {snapshots}")
    if table.current_snapshot() is not None:
        entries = _entries(table, problems)
        _check_summary(table, entries, problems, operation)
        for entry in entries:
            _check_file(table, entry.data_file, codec, problems)
    problems += [f"left over: {path.name}" for path in _left_over(table)]
    return problems


def _entries(table, problems):
    """The live entries of the current snapshot; the counts of each manifest must be those of its entries."""
    found = []
    for manifest in table.current_snapshot().manifests(table.io):
        entries = manifest.fetch_manifest_entry(table.io)
        if manifest.content != ManifestContent.DATA:
            problems.append(f"{manifest.manifest_path} holds deletes")
        counts = (manifest.added_files_count or 0) + (manifest.existing_files_count or 0)
        rows = (manifest.added_rows_count or 0) + (manifest.existing_rows_count or 0)
        if counts != len(entries) or rows != sum(entry.data_file.record_count for entry in entries):
            problems.append(f"{manifest.manifest_path}: says {counts} files with {rows} rows, holds others")
        length = Path(manifest.manifest_path.removeprefix("file://")).stat().st_size
        if manifest.manifest_length != length:
            problems.append(f"{manifest.manifest_path}: {length} bytes long, the list says {manifest.manifest_length}")
        # A summary is of deleted entries, too: readers of a snapshot's changes look for them.
        every = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
        _check_partition_summaries(table, manifest, every, problems)
        found += entries
    return found


def _check_partition_summaries(table, manifest, entries, problems):
    spec = table.metadata.specs()[manifest.partition_spec_id]
    if len(manifest.partitions or []) != len(spec.fields):
        problems.append(f"{len(manifest.partitions or [])} partition summaries for {len(spec.fields)} partition fields")
        return
    fields = spec.partition_type(table.schema()).fields
    for number, (summary, field) in enumerate(zip(manifest.partitions, fields, strict=True)):
        values = [entry.data_file.partition[number] for entry in entries]
        known = [value for value in values if value is not None]
        if summary.contains_null != (len(known) < len(values)):
            problems.append(f"partition summary of {field.name}: contains_null is {summary.contains_null}")
        bounds = [
            None if bound is None else stored(from_bytes(field.field_type, bound))
            for bound in (summary.lower_bound, summary.upper_bound)
        ]
        wanted = [_comparable(min(known)), _comparable(max(known))] if known else [None, None]
        if [_comparable(bound) for bound in bounds] != wanted:
            problems.append(f"partition summary of {field.name}: bounds {bounds}, expected {wanted}")


def _comparable(value):
    return value.bytes if hasattr(value, "bytes") else value


def _check_summary(table, entries, problems, operation):
    """The summary of the last snapshot: what it added, and the totals."""
    snapshot = table.current_snapshot()
    summary = snapshot.summary
    if summary.operation.value != operation:
        problems.append(f"operation {summary.operation.value}, expected {operation}")
    added = [entry.data_file for entry in entries if entry.snapshot_id == snapshot.snapshot_id]
    every = [entry.data_file for entry in entries]
    wanted = {
        "added-data-files": len(added),
        "added-records": sum(file.record_count for file in added),
        "added-files-size": sum(file.file_size_in_bytes for file in added),
        "changed-partition-count": len({(file.spec_id, repr(file.partition)) for file in added}),
        "total-data-files": len(every),
        "total-records": sum(file.record_count for file in every),
        "total-files-size": sum(file.file_size_in_bytes for file in every),
        "total-delete-files": 0,
    }
    if table.spec().is_unpartitioned() and "changed-partition-count" not in summary.additional_properties:
        del wanted["changed-partition-count"]
    for key, value in wanted.items():
        # A writer may leave out what is zero.
        if summary.additional_properties.get(key, "0") != str(value):
            problems.append(f"summary: {key} is {summary.additional_properties.get(key)}, expected {value}")
    if summary.additional_properties.get("engine-name") != "icelift":
        problems.append(f"summary: engine-name is {summary.additional_properties.get('engine-name')}")


def _check_file(table, file, codec, problems):
    local = Path(file.file_path.removeprefix("file://"))
    parquet = pq.ParquetFile(local)
    footer = parquet.metadata
    say = lambda text: problems.append(f"{local.name}: {text}")  # noqa: E731
    if file.content != DataFileContent.DATA or file.file_format != "PARQUET":
        say(f"is {file.content} in {file.file_format}")
    if file.file_size_in_bytes != local.stat().st_size:
        say(f"{local.stat().st_size} bytes, the manifest says {file.file_size_in_bytes}")
    if file.record_count != footer.num_rows or footer.num_rows == 0:
        say(f"{footer.num_rows} rows, the manifest says {file.record_count}")
    _check_row_groups(file, footer, codec, say)
    _check_field_ids(table.schema(), parquet, say)
    rows = parquet.read()
    _check_metrics(table.schema(), file, rows, say)
    _check_partition(table, file, rows, say)


def _check_row_groups(file, footer, codec, say):
    offsets = []
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        first = group.column(0)
        starts = [first.data_page_offset]
        if first.has_dictionary_page and first.dictionary_page_offset:
            starts.append(first.dictionary_page_offset)
        offsets.append(min(starts))
        codecs = {group.column(column).compression for column in range(group.num_columns)}
        if codecs != {codec}:
            say(f"compressed with {sorted(codecs)}, expected {codec}")
    if file.split_offsets != offsets:
        say(f"split offsets {file.split_offsets}, row groups start at {offsets}")


def _check_field_ids(schema, parquet, say):
    """Every field has the table's id, and a UUID says that it is one."""
    ids = _ids(parquet.schema_arrow)
    wanted = set(schema._lazy_id_to_field)
    if ids != wanted:
        say(f"field ids {sorted(map(str, ids))}, expected {sorted(map(str, wanted))}")
    for number, field in enumerate(parquet.schema_arrow):
        iceberg = schema.find_field(int(field.metadata[b"PARQUET:field_id"])) if field.metadata else None
        if iceberg is not None and iceberg.name != field.name:
            say(f"column {number} is called {field.name}, expected {iceberg.name}")
    logical = {parquet.schema.column(n).path: parquet.schema.column(n).logical_type.type for n in range(len(parquet.schema))}
    for field in schema.fields:
        if isinstance(field.field_type, UUIDType) and logical.get(field.name) != "UUID":
            say(f"{field.name} has the logical type {logical.get(field.name)}, expected UUID")


def _ids(fields):
    found = set()
    for field in fields:
        found.add(int(field.metadata[b"PARQUET:field_id"]) if field.metadata else f"none on {field.name}")
        kind = field.type
        if hasattr(kind, "key_field"):
            found |= _ids([kind.key_field, kind.item_field])
        elif hasattr(kind, "value_field"):
            found |= _ids([kind.value_field])
        elif hasattr(kind, "fields") and kind.num_fields:
            found |= _ids(kind.fields)
    return found


def _check_metrics(schema, file, rows, say):
    for number, field in enumerate(schema.fields):
        if not isinstance(field.field_type, PrimitiveType):
            continue
        cells = rows.column(number).to_pylist()
        known = [cell for cell in cells if cell is not None]
        comparable = known
        if isinstance(field.field_type, (FloatType, DoubleType)):
            comparable = [cell for cell in known if not math.isnan(cell)]
            _check_count("nan_value_counts", file.nan_value_counts, field, len(known) - len(comparable), say)
        _check_count("value_counts", file.value_counts, field, len(cells), say)
        _check_count("null_value_counts", file.null_value_counts, field, len(cells) - len(known), say)
        if not (file.column_sizes or {}).get(field.field_id):
            say(f"no column size of {field.name}")
        _check_bounds(file, field, comparable, say)


def _check_count(name, counts, field, wanted, say):
    found = (counts or {}).get(field.field_id)
    if found != wanted:
        say(f"{name} of {field.name} is {found}, expected {wanted}")


def _check_bounds(file, field, cells, say):
    lower = (file.lower_bounds or {}).get(field.field_id)
    upper = (file.upper_bounds or {}).get(field.field_id)
    if not cells:
        if lower is not None or upper is not None:
            say(f"{field.name} has bounds without having values")
        return
    if lower is None or (upper is None and not _beyond_rounding(_largest(cells))):
        say(f"{field.name} lacks a bound")
    if lower is None or upper is None:
        return
    cells = [_uuid(cell).bytes for cell in cells] if isinstance(field.field_type, UUIDType) else [stored(c) for c in cells]
    found = [_comparable(stored(from_bytes(field.field_type, bound))) for bound in (lower, upper)]
    if not _bounds_fit(field.field_type, found, _smallest(cells), _largest(cells)):
        say(f"bounds of {field.name} are {found}, values {_smallest(cells)!r} to {_largest(cells)!r}")


def _beyond_rounding(largest):
    """Bytes that are all 255 have no greater ones of the same length: such a column may go without an upper bound."""
    return isinstance(largest, bytes) and len(largest) > BOUND_LENGTH and set(largest[:BOUND_LENGTH]) == {255}


def _smallest(cells):
    return min(cells, key=_sort_key)


def _largest(cells):
    return max(cells, key=_sort_key)


def _sort_key(cell):
    """Text sorts by its UTF-8 bytes, which is not how Java or UTF-16 would sort it."""
    return cell.encode() if isinstance(cell, str) else cell


def _bounds_fit(kind, found, smallest, largest):
    """Exact, except that text and bytes may be cut: a lower bound is a prefix, an upper one is rounded up."""
    lower, upper = found
    if not isinstance(kind, (StringType, BinaryType, FixedType)):
        return lower == smallest and upper == largest
    cut_lower = lower == smallest or lower == smallest[:BOUND_LENGTH]
    rounded = len(largest) > BOUND_LENGTH and len(upper) <= BOUND_LENGTH and _sort_key(upper) > _sort_key(largest)
    return cut_lower and (upper == largest or rounded)


def _check_partition(table, file, rows, say):
    """The partition of a file is what the transforms make of every one of its rows."""
    schema = table.schema()
    spec = table.metadata.specs()[file.spec_id]
    for number, field in enumerate(spec.fields):
        source = schema.find_field(field.source_id)
        transform = field.transform.transform(source.field_type)
        position = [column.field_id for column in schema.fields].index(field.source_id)
        cells = rows.column(position).to_pylist()
        if isinstance(source.field_type, UUIDType):
            cells = [None if cell is None else _uuid(cell) for cell in cells]
        wanted = {partition_value(transform, schema, source.name, cell) for cell in cells}
        found = file.partition[number]
        if wanted != {found}:
            say(f"partition {field.name} is {found!r}, its rows belong to {sorted(map(repr, wanted))[:5]}")


def _left_over(table):
    """Files below the table that no metadata names: what a failed or careless writer leaves behind."""
    folder = Path(table.location().removeprefix("file://"))
    used = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    for snapshot in table.metadata.snapshots:
        used.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            used.add(manifest.manifest_path)
            used |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
    used = {path.removeprefix("file://") for path in used}
    return sorted(path for path in folder.rglob("*") if path.is_file() and str(path) not in used)
