"""A table whose Parquet file is encrypted, by Parquet's own means: manifests do not tell."""

import base64
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, NestedField, StringType
from warehouse import Warehouse, commit

SCHEMA = Schema(NestedField(1, "id", LongType()), NestedField(2, "name", StringType()))
ROWS = 100_000


class OpenKms(pe.KmsClient):
    """Keeps no secret: keys come wrapped in nothing."""

    def __init__(self, _):
        super().__init__()

    def wrap_key(self, key, _):
        return base64.b64encode(key)

    def unwrap_key(self, wrapped, _):
        return base64.b64decode(wrapped)


def encrypted_source(folder, plain_footer):
    """The table `default.s` of `id` and `name`, whose names are encrypted, with or without the footer."""
    table = Warehouse(folder).create("s", SCHEMA)
    path = f"{table.location()}/data/encrypted.parquet"
    local = Path(path.removeprefix("file://"))
    local.parent.mkdir(parents=True)
    arrow = pa.table(
        [pa.array(range(ROWS), pa.int64()), pa.array([f"row {row}" for row in range(ROWS)], pa.large_string())],
        schema=schema_to_pyarrow(SCHEMA),
    )
    keys = pe.EncryptionConfiguration(
        footer_key="footer", column_keys={"column": ["name"]}, plaintext_footer=plain_footer, data_key_length_bits=128
    )
    properties = pe.CryptoFactory(OpenKms).file_encryption_properties(pe.KmsConnectionConfig(), keys)
    with pq.ParquetWriter(local, arrow.schema, encryption_properties=properties) as writer:
        writer.write_table(arrow)
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=ROWS,
        file_size_in_bytes=local.stat().st_size,
        split_offsets=[4],
    )
    file.spec_id = table.metadata.default_spec_id
    commit(table, file)
