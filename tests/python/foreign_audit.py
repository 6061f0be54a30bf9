"""Compares tables into which row groups were copied with those whose rows were encoded, and checks what their metadata says.

Metrics may be missing where the source's own statistics are; what is there must be true.
"""

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from audit import _check_field_ids, _check_partition, _check_partition_summaries, _comparable, _sort_key, stored
from canon import _uuid, differences, rows_of
from pyiceberg.conversions import from_bytes
from pyiceberg.types import DoubleType, FloatType, PrimitiveType, UUIDType
from readback import READERS
from warehouse import open_catalog

MARK = b"icelift.copied"
NAMES = {"lz4": "LZ4", "none": "UNCOMPRESSED"}


def check_source(folder, file):
    """What icelift reads of the source against what was written into it."""
    schema = open_catalog(folder).load_table("default.s").schema()
    rows = json.loads((Path(folder) / "rows.json").read_text())
    return _named("icelift on the source", differences(rows, _arrow(file, schema)))


def check(folder, target, tables, files, codec, source):
    """Compares the first of the tables, whose rows were encoded, with the others; `files` is what icelift reads of each.

    With `source`, it must hold the rows of the source itself. Returns the differences and the row groups copied in all.
    """
    catalog = open_catalog(target)
    loaded = [catalog.load_table(("default", table)) for table in tables]
    wanted = _arrow(files[0], loaded[0].schema())
    found = [_named(f"duckdb on {tables[0]}", differences(wanted, _read("duckdb", loaded[0])))]
    if source:
        rows = json.loads((Path(folder) / "rows.json").read_text())
        found.append(_named(f"{tables[0]} against the source", differences(rows, wanted)))
    copied = []
    for name, table, file in zip(tables[1:], loaded[1:], files[1:], strict=True):
        found.append(_named(f"icelift on {name}", differences(wanted, _arrow(file, table.schema()))))
        found += [_named(f"{reader} on {name}", differences(wanted, _read(reader, table))) for reader in READERS]
        problems = []
        copied.append(audit_copied(table, codec if name == "auto" else None, problems))
        found += [f"{name}: {problem}" for problem in problems]
    return {"differences": "\n".join(filter(None, found)), "copied": copied}


def audit_copied(table, codec, problems):
    """Checks every file of a table, and returns how many row groups its files say were copied."""
    if table.current_snapshot() is None:
        return 0
    copied = 0
    for manifest in table.current_snapshot().manifests(table.io):
        entries = manifest.fetch_manifest_entry(table.io)
        _check_partition_summaries(table, manifest, entries, problems)
        for entry in entries:
            copied += _check_file(table, entry.data_file, codec, problems)
    return copied


def _named(name, text):
    return text and f"{name}: {text}"


def _arrow(file, schema):
    with pa.ipc.open_file(file) as reader:
        return rows_of(reader.read_all(), schema)


def _read(reader, table):
    return READERS[reader](table) if table.current_snapshot() else []


def _check_file(table, file, codec, problems):
    local = Path(file.file_path.removeprefix("file://"))
    parquet = pq.ParquetFile(local)
    footer = parquet.metadata
    say = lambda text: problems.append(f"{local.name}: {text}")  # noqa: E731
    if file.file_size_in_bytes != local.stat().st_size:
        say(f"{local.stat().st_size} bytes, the manifest says {file.file_size_in_bytes}")
    if file.record_count != footer.num_rows or footer.num_rows == 0:
        say(f"{footer.num_rows} rows, the manifest says {file.record_count}")
    mark = (footer.metadata or {}).get(MARK, b"").decode()
    copied = {int(number) for number in mark.split(",") if number}
    if not copied <= set(range(footer.num_row_groups)):
        say(f"{footer.num_row_groups} row groups, of which {mark} are said to be copied")
    _check_row_groups(file, footer, codec, copied, say)
    _check_field_ids(table.schema(), parquet, say)
    _check_partition(table, file, parquet.read(), say)
    _check_columns(table.schema(), file, parquet, say)
    return len(copied)


def _check_row_groups(file, footer, codec, copied, say):
    """Split offsets, sizes of columns, codecs. A column of one value has too few bytes to compress."""
    offsets, sizes = [], {}
    for number in range(footer.num_row_groups):
        chunks = [footer.row_group(number).column(column) for column in range(footer.num_columns)]
        starts = [chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset for chunk in chunks]
        offsets.append(min(starts))
        codecs = {chunk.compression for chunk in chunks}
        if codec and not codecs <= {NAMES.get(codec, codec.upper()), *({"UNCOMPRESSED"} if number in copied else ())}:
            say(f"row group {number} is compressed with {sorted(codecs)}, expected {codec}")
        for chunk in chunks:
            sizes[chunk.path_in_schema] = sizes.get(chunk.path_in_schema, 0) + chunk.total_compressed_size
    if file.split_offsets != offsets:
        say(f"split offsets {file.split_offsets}, row groups start at {offsets}")
    if file.column_sizes and sum(file.column_sizes.values()) != sum(sizes.values()):
        say(f"column sizes of {sum(file.column_sizes.values())} bytes, chunks have {sum(sizes.values())}")


def _check_columns(schema, file, parquet, say):
    """Metrics of the manifest and statistics of each row group against the values."""
    footer = parquet.metadata
    groups = [parquet.read_row_group(number) for number in range(footer.num_row_groups)]
    paths = [footer.schema.column(number).path for number in range(footer.num_columns)]
    for number, field in enumerate(schema.fields):
        if not isinstance(field.field_type, PrimitiveType):
            continue
        leaf, cells = paths.index(field.name), []
        for place, group in enumerate(groups):
            part = group.column(number).to_pylist()
            _check_statistics(field, footer.row_group(place).column(leaf).statistics, part, place, say)
            cells += part
        _check_metrics(field, file, cells, say)


def _check_metrics(field, file, cells, say):
    known = [cell for cell in cells if cell is not None]
    comparable = _without_nan(field, known)
    counts = {
        "value_counts": len(cells),
        "null_value_counts": len(cells) - len(known),
        "nan_value_counts": len(known) - len(comparable),
    }
    for name, wanted in counts.items():
        found = (getattr(file, name) or {}).get(field.field_id, wanted)
        if found != wanted:
            say(f"{name} of {field.name} is {found}, expected {wanted}")
    for bounds, is_beyond in ((file.lower_bounds, _is_above), (file.upper_bounds, _is_below)):
        bound = (bounds or {}).get(field.field_id)
        if bound is None or not comparable:
            continue
        bound = _comparable(stored(from_bytes(field.field_type, bound)))
        beyond = [cell for cell in _stored(field, comparable) if is_beyond(bound, cell)]
        if beyond:
            say(f"the bound {bound!r} of {field.name} leaves out {beyond[0]!r}")


def _check_statistics(field, statistics, cells, place, say):
    """pyarrow gives a bound as the value of its type, and those of text and bytes may be cut."""
    if statistics is None:
        return
    known = [cell for cell in cells if cell is not None]
    where = f"row group {place}: statistics of {field.name}"
    if statistics.has_null_count and statistics.null_count != len(cells) - len(known):
        say(f"{where} count {statistics.null_count} NULLs of {len(cells) - len(known)}")
    comparable = _stored(field, _without_nan(field, known))
    if not statistics.has_min_max or not comparable:
        return
    lower, upper = (_comparable(stored(bound)) for bound in (statistics.min, statistics.max))
    if type(lower) is not type(comparable[0]):
        return
    beyond = [cell for cell in comparable if _is_above(lower, cell) or _is_below(upper, cell)]
    if beyond:
        say(f"{where} go from {lower!r} to {upper!r} and leave out {beyond[0]!r}")


def _without_nan(field, cells):
    if isinstance(field.field_type, (FloatType, DoubleType)):
        return [cell for cell in cells if not math.isnan(cell)]
    return cells


def _stored(field, cells):
    if isinstance(field.field_type, UUIDType):
        return [_uuid(cell).bytes for cell in cells]
    return [stored(cell) for cell in cells]


def _is_above(bound, cell):
    return _key(bound) > _key(cell)


def _is_below(bound, cell):
    return _key(bound) < _key(cell)


def _key(cell):
    """-0.0 comes before 0.0 in Iceberg."""
    return (cell, math.copysign(1, cell)) if isinstance(cell, float) else _sort_key(cell)
