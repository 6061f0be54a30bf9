"""A local catalog as PyIceberg sees it, and the means to write into it what PyIceberg alone does not write:
Parquet files of any shape, and delete files.
"""

import itertools
import json
import struct
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.avro.file import AvroOutputFile
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _FastAppendFiles
from pyiceberg.typedef import Record
from pyroaring import BitMap

FILE_PATH_ID, POS_ID = 2147483546, 2147483545


def open_catalog(folder):
    """The catalog that `ATTACH '<folder>' AS … (TYPE local)` opens."""
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return SqlCatalog("icelift", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")


class Warehouse:
    """Creates tables in the namespace `default` of one local catalog."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.catalog = open_catalog(folder)
        self.catalog.create_namespace_if_not_exists("default")

    def create(self, name, schema, spec=UNPARTITIONED_PARTITION_SPEC, version=2, location=None, **properties):
        properties = {key.replace("__", "-").replace("_", "."): str(value) for key, value in properties.items()}
        properties["format-version"] = str(version)
        return self.catalog.create_table(
            f"default.{name}", schema, location=location, partition_spec=spec, properties=properties
        )


def append(table, rows):
    """Appends dictionaries in the way PyIceberg does it."""
    table.append(arrow_of(table.schema(), rows))


def arrow_of(schema, rows):
    """The Arrow table of `rows` with the types that PyIceberg gives to `schema`; a missing key is NULL."""
    arrow = schema_to_pyarrow(schema, include_field_ids=False)
    filled = [{field.name: row.get(field.name) for field in arrow} for row in rows]
    columns = [pa.array([row[field.name] for row in filled], type=field.type) for field in arrow]
    return pa.table(columns, schema=arrow)


_file_numbers = itertools.count()


def data_file(table, rows, partition=None, schema=None, field_ids=True, **parquet):
    """Writes `rows` as one Parquet file under the table and describes it; commit it with `commit`.

    `schema` is what the file holds if that is not the schema of the table; `parquet` goes to pyarrow's writer.
    """
    schema = schema or table.schema()
    arrow = arrow_of(schema, rows)
    if field_ids:
        arrow = pa.table(arrow.columns, schema=schema_to_pyarrow(schema, include_field_ids=True))
    return described(table, write_parquet(table, arrow, **parquet), schema, partition)


def write_parquet(table, arrow, name=None, **parquet):
    path = f"{table.location()}/data/{name or f'written-{next(_file_numbers):03}'}.parquet"
    local = Path(path.removeprefix("file://"))
    local.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow, local, **parquet)
    return path


def described(table, path, schema, partition=None, **more):
    """The manifest's description of a Parquet file, with the metrics that its footer gives."""
    local = path.removeprefix("file://")
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=pq.read_metadata(local),
        stats_columns=compute_statistics_plan(schema, table.metadata.properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema),
    )
    fields = {
        "content": DataFileContent.DATA,
        "file_path": path,
        "file_format": FileFormat.PARQUET,
        "partition": partition or Record(),
        "file_size_in_bytes": Path(local).stat().st_size,
    }
    file = DataFile.from_args(**{**fields, **statistics.to_serialized_dict(), **more})
    file.spec_id = table.metadata.default_spec_id
    return file


def commit(table, *files):
    """Commits data files and delete files as one snapshot."""
    with table.transaction() as transaction:
        only_data = all(file.content == DataFileContent.DATA for file in files)
        producer = _Commit(Operation.APPEND if only_data else Operation.OVERWRITE, transaction, table.io)
        for file in files:
            producer.append_data_file(file)
        producer.commit()


def data_paths(table):
    """The data files of the current snapshot, in the order in which they were committed."""
    entries = [
        (entry.sequence_number, index, entry.data_file.file_path)
        for manifest in table.current_snapshot().manifests(table.io)
        if manifest.content == ManifestContent.DATA
        for index, entry in enumerate(manifest.fetch_manifest_entry(table.io))
    ]
    return [path for _, _, path in sorted(entries)]


def position_deletes(table, positions, partition=None, spec_id=None, **parquet):
    """A position delete file: `positions` are pairs of data file and row number, sorted as the spec demands."""
    ordered = sorted(positions)
    fields = [_field("file_path", pa.string(), FILE_PATH_ID), _field("pos", pa.int64(), POS_ID)]
    arrow = pa.table([[path for path, _ in ordered], [pos for _, pos in ordered]], schema=pa.schema(fields))
    return _delete_file(table, arrow, DataFileContent.POSITION_DELETES, partition, spec_id, None, parquet)


def equality_deletes(table, columns, rows, partition=None, spec_id=None, schema=None, **parquet):
    """An equality delete file: a row of the table goes if it equals one of `rows` in all `columns`; NULL equals NULL."""
    schema = schema or table.schema()
    keys = Schema(*(schema.find_field(column) for column in columns))
    arrow = schema_to_pyarrow(keys, include_field_ids=True)
    # A key column may be required in the table; the file says optional, as most writers do.
    arrow = pa.table(arrow_of(keys, rows).columns, schema=arrow)
    ids = [field.field_id for field in keys.fields]
    return _delete_file(table, arrow, DataFileContent.EQUALITY_DELETES, partition, spec_id, ids, parquet)


def _field(name, kind, field_id):
    return pa.field(name, kind, nullable=False, metadata={"PARQUET:field_id": str(field_id)})


def _delete_file(table, arrow, content, partition, spec_id, equality_ids, parquet):
    path = write_parquet(table, arrow, name=f"delete-{next(_file_numbers):03}", **parquet)
    file = DataFile.from_args(
        content=content,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=partition or Record(),
        record_count=arrow.num_rows,
        file_size_in_bytes=Path(path.removeprefix("file://")).stat().st_size,
        equality_ids=equality_ids,
    )
    file.spec_id = table.metadata.default_spec_id if spec_id is None else spec_id
    return file


def deletion_vector(table, path, positions):
    """A deletion vector of the data file `path`: a Puffin file with one blob, and its description (format 3)."""
    vector = b"\xd1\xd3\x39\x64" + struct.pack("<Q", 1) + struct.pack("<I", 0) + BitMap(positions).serialize()
    blob = struct.pack(">I", len(vector)) + vector + struct.pack(">I", zlib.crc32(vector))
    about = {
        "type": "deletion-vector-v1",
        "fields": [POS_ID],
        "snapshot-id": -1,
        "sequence-number": -1,
        "offset": 4,
        "length": len(blob),
        "properties": {"referenced-data-file": path, "cardinality": str(len(positions))},
    }
    footer = json.dumps({"blobs": [about], "properties": {}}).encode()
    file = Path(table.location().removeprefix("file://")) / "data" / f"delete-{next(_file_numbers):03}.puffin"
    file.write_bytes(b"PFA1" + blob + b"PFA1" + footer + struct.pack("<i", len(footer)) + bytes(4) + b"PFA1")
    described = DataFile.from_args(
        _table_format_version=3,
        content=DataFileContent.POSITION_DELETES,
        file_path=f"file://{file}",
        file_format=FileFormat.PUFFIN,
        partition=Record(),
        record_count=len(positions),
        file_size_in_bytes=file.stat().st_size,
        referenced_data_file=path,
        content_offset=4,
        content_size_in_bytes=len(blob),
    )
    described.spec_id = table.metadata.default_spec_id
    return described


def upgrade_to_v3(table):
    """Gives the table format 3, with the row ids that its snapshots would have assigned."""

    def change(metadata):
        first_row_id = 0
        for snapshot in metadata["snapshots"]:
            rows = int(snapshot["summary"].get("added-records", 0))
            snapshot |= {"first-row-id": first_row_id, "added-rows": rows}
            first_row_id += rows
        metadata |= {"format-version": 3, "next-row-id": first_row_id}

    edit_metadata(table, change)


class _DeleteManifestWriter(ManifestWriterV2):
    def content(self):
        return ManifestContent.DELETES

    @property
    def _meta(self):
        return {**super()._meta, "content": "deletes"}


class _VectorManifestWriter(_DeleteManifestWriter):
    """The fields that say where a deletion vector is came with format 3."""

    @property
    def _meta(self):
        return {**super()._meta, "format-version": "3"}

    def new_writer(self):
        schema = self._with_partition(3)
        return AvroOutputFile(self._output_file, schema, "manifest_entry", schema, self._meta)


class _Commit(_FastAppendFiles):
    """PyIceberg's append, which also takes delete files: one manifest per content and partition spec."""

    def _manifests(self):
        key = lambda file: (file.content != DataFileContent.DATA, file.spec_id)  # noqa: E731
        added = [
            self._manifest(deletes, self.spec(spec_id), list(files))
            for (deletes, spec_id), files in itertools.groupby(sorted(self._added_data_files, key=key), key)
        ]
        return added + self._existing_manifests()

    def _manifest(self, deletes, spec, files):
        if deletes:
            output = self.new_manifest_output()
            vectors = any(file.file_format == FileFormat.PUFFIN for file in files)
            kind = _VectorManifestWriter if vectors else _DeleteManifestWriter
            writer = kind(spec, self.schema(), output, self._snapshot_id, self._compression)
        else:
            writer = self.new_manifest_writer(spec)
        with writer:
            for file in files:
                entry = ManifestEntry.from_args(
                    status=ManifestEntryStatus.ADDED, snapshot_id=self._snapshot_id, data_file=file
                )
                writer.add(entry)
        return writer.to_manifest_file()


def edit_metadata(table, change):
    """Applies `change` to the current metadata file, for states that no writer of today produces."""
    path = Path(table.metadata_location.removeprefix("file://"))
    metadata = json.loads(path.read_text())
    change(metadata)
    path.write_text(json.dumps(metadata))
