"""Source tables for partitioning, files and snapshots."""

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    TruncateTransform,
    VoidTransform,
    YearTransform,
)
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
    TimestamptzType,
    UUIDType,
)
from source_types import PLAIN, field
from sources import source
from warehouse import append, commit, data_file

EVENTS = Schema(
    field(1, "id", IntegerType()),
    field(2, "n", LongType()),
    field(3, "s", StringType()),
    field(4, "d", DateType()),
    field(5, "ts", TimestampType()),
    field(6, "tz", TimestamptzType()),
    field(7, "price", DecimalType(9, 2)),
    field(8, "u", UUIDType()),
    field(9, "b", BinaryType()),
    field(10, "flag", BooleanType()),
)

# Words that a partition path must escape, and one longer than any bound that a manifest keeps.
WORDS = ["", "a/b", "a=b", "a%2Fb", "ünï 🧊", "with space", "null", "__HIVE_DEFAULT_PARTITION__", "x" * 40]


def event(number):
    """Every fifth row is NULL in all but the id; values lie on both sides of zero and of 1970."""
    if number % 5 == 4:
        return {"id": number}
    moment = datetime(1969, 12, 31, 22, 15) + timedelta(hours=7 * number, microseconds=number)
    return {
        "id": number,
        "n": (number - 10) * 3,
        "s": WORDS[number % len(WORDS)],
        "d": date(1969, 12, 30) + timedelta(days=number * 40),
        "ts": moment,
        "tz": moment.replace(tzinfo=timezone.utc),
        "price": (Decimal(number - 10) / 4).quantize(Decimal("0.01")),
        "u": UUID(int=number % 3),
        "b": bytes([number % 4]) * 3,
        "flag": number % 2 == 0,
    }


EVENT_ROWS = [event(number) for number in range(30)]

TRANSFORMS = {
    "identity_long": [("n", IdentityTransform())],
    "identity_string": [("s", IdentityTransform())],
    "identity_date": [("d", IdentityTransform())],
    "identity_timestamp": [("ts", IdentityTransform())],
    "identity_timestamptz": [("tz", IdentityTransform())],
    "identity_decimal": [("price", IdentityTransform())],
    "identity_binary": [("b", IdentityTransform())],
    "identity_boolean": [("flag", IdentityTransform())],
    "bucket_int": [("id", BucketTransform(4))],
    "bucket_long": [("n", BucketTransform(4))],
    "bucket_string": [("s", BucketTransform(4))],
    "bucket_date": [("d", BucketTransform(4))],
    "bucket_timestamp": [("ts", BucketTransform(4))],
    "bucket_decimal": [("price", BucketTransform(4))],
    "bucket_uuid": [("u", BucketTransform(4))],
    "bucket_binary": [("b", BucketTransform(4))],
    "truncate_int": [("id", TruncateTransform(10))],
    "truncate_long": [("n", TruncateTransform(10))],
    "truncate_string": [("s", TruncateTransform(2))],
    "truncate_decimal": [("price", TruncateTransform(100))],
    "truncate_binary": [("b", TruncateTransform(1))],
    "year_date": [("d", YearTransform())],
    "month_date": [("d", MonthTransform())],
    "day_date": [("d", DayTransform())],
    "year_timestamp": [("ts", YearTransform())],
    "month_timestamp": [("ts", MonthTransform())],
    "day_timestamp": [("ts", DayTransform())],
    "hour_timestamp": [("ts", HourTransform())],
    "hour_timestamptz": [("tz", HourTransform())],
    "void_long": [("n", VoidTransform())],
    "year_and_bucket": [("d", YearTransform()), ("id", BucketTransform(2)), ("flag", IdentityTransform())],
}


def spec_of(schema, fields):
    return PartitionSpec(
        *(
            PartitionField(schema.find_field(name).field_id, 1000 + number, transform, f"{name}_p{number}")
            for number, (name, transform) in enumerate(fields)
        )
    )


def partitioned(warehouse, name, schema, rows, fields, **options):
    """Writes one file per partition by hand: PyIceberg cannot write every transform of every type."""
    table = warehouse.create(name, schema, spec_of(schema, fields), **options)
    transforms = [(column, transform.transform(schema.find_field(column).field_type), schema) for column, transform in fields]
    groups = {}
    for row in rows:
        key = tuple(partition_value(transform, schema, column, row.get(column)) for column, transform, _ in transforms)
        groups.setdefault(key, []).append(row)
    commit(table, *(data_file(table, group, partition=Record(*key)) for key, group in groups.items()))
    return table


def partition_value(transform, schema, column, cell):
    """Transforms see what Iceberg stores, days and microseconds; the manifest takes the same."""
    return None if cell is None else transform(stored(cell))


def stored(cell):
    if isinstance(cell, datetime):
        epoch = datetime(1970, 1, 1, tzinfo=cell.tzinfo)
        return (cell - epoch) // timedelta(microseconds=1)
    if isinstance(cell, date):
        return (cell - date(1970, 1, 1)).days
    if isinstance(cell, time):
        return ((cell.hour * 60 + cell.minute) * 60 + cell.second) * 1_000_000 + cell.microsecond
    return cell


def _register_transforms():
    for name, fields in TRANSFORMS.items():

        def write(warehouse, name=name, fields=fields):
            partitioned(warehouse, f"by_{name}", EVENTS, EVENT_ROWS, fields)
            return EVENT_ROWS

        write.__name__ = f"by_{name}"
        source(write)


_register_transforms()

DRIVES = Schema(
    field(1, "date", DateType()),
    field(2, "serial_number", StringType()),
    field(3, "model", StringType()),
    field(4, "capacity_bytes", LongType()),
    field(5, "failure", IntegerType()),
    field(6, "smart_5_raw", LongType()),
    field(7, "year", IntegerType()),
)


def drive(number):
    day = date(2018, 11, 5) + timedelta(days=number)
    return {
        "date": day,
        "serial_number": f"ZA{number:05}",
        "model": ["ST4000DM000", "HGST HMS5C4040BLE640"][number % 2],
        "capacity_bytes": -1 if number % 50 == 0 else 4000787030016,
        "failure": int(number % 97 == 0),
        "smart_5_raw": None if number % 3 == 0 else number,
        "year": day.year,
    }


DRIVE_ROWS = [drive(number) for number in range(500)]


@source
def drive_stats(warehouse):
    """The source of the headline statement: partitioned by year, as Glue has it."""
    partitioned(warehouse, "drive_stats", DRIVES, DRIVE_ROWS, [("year", IdentityTransform())])
    return DRIVE_ROWS


@source
def drive_stats_hive(warehouse):
    """The same, migrated from Hive: the files have no column `year`, its value is in the manifests only."""
    spec = spec_of(DRIVES, [("year", IdentityTransform())])
    table = warehouse.create("drive_stats_hive", DRIVES, spec)
    in_files = Schema(*(column for column in DRIVES.fields if column.name != "year"))
    for year in (2018, 2019, 2020):
        rows = [{key: cell for key, cell in row.items() if key != "year"} for row in DRIVE_ROWS if row["year"] == year]
        commit(table, data_file(table, rows, partition=Record(year), schema=in_files))
    return DRIVE_ROWS


@source
def hive_unpartitioned_column(warehouse):
    """A column that is missing from a file and is the source of a bucket, not of an identity: it is NULL."""
    schema = Schema(*PLAIN.fields, field(3, "key", IntegerType()))
    table = warehouse.create("hive_unpartitioned_column", schema, spec_of(schema, [("key", BucketTransform(4))]))
    commit(table, data_file(table, [{"id": 1, "name": "a"}], partition=Record(None), schema=PLAIN))
    return [{"id": 1, "name": "a"}]


@source
def evolved_spec(warehouse):
    """Unpartitioned, then by name, then by name and bucket, then by bucket alone."""
    table = warehouse.create("evolved_spec", PLAIN)
    append(table, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    with table.update_spec() as update:
        update.add_field("name", IdentityTransform(), "name")
    append(table, [{"id": 3, "name": "a"}, {"id": 4, "name": None}])
    with table.update_spec() as update:
        update.add_field("id", BucketTransform(4), "id_bucket")
    append(table, [{"id": 5, "name": "a"}, {"id": 6, "name": "b"}])
    with table.update_spec() as update:
        update.remove_field("name")
    append(table, [{"id": 7, "name": "a"}])
    names = {1: "a", 2: "b", 3: "a", 4: None, 5: "a", 6: "b", 7: "a"}
    return [{"id": number, "name": name} for number, name in names.items()]


@source
def evolved_spec_v1(warehouse):
    """Version 1 cannot remove a partition field: it becomes void."""
    table = warehouse.create("evolved_spec_v1", PLAIN, spec_of(PLAIN, [("name", IdentityTransform())]), version=1)
    append(table, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    with table.update_spec() as update:
        update.remove_field("name_p0")
    append(table, [{"id": 3, "name": "a"}])
    return [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "a"}]


@source
def promoted_partition_source(warehouse):
    """The partition values of older files are ints, those of newer ones longs."""
    schema = Schema(field(1, "id", IntegerType()), field(2, "key", IntegerType()))
    table = warehouse.create("promoted_partition_source", schema, spec_of(schema, [("key", IdentityTransform())]))
    append(table, [{"id": 1, "key": 5}, {"id": 2, "key": -5}])
    with table.update_schema() as update:
        update.update_column("key", LongType())
    append(table, [{"id": 3, "key": 5}, {"id": 4, "key": 2**40}])
    return [{"id": 1, "key": 5}, {"id": 2, "key": -5}, {"id": 3, "key": 5}, {"id": 4, "key": 2**40}]


def dropped(warehouse, name, **options):
    """The source column of an old partition field is gone; manifests of that spec are still there."""
    schema = Schema(*PLAIN.fields, field(3, "year", IntegerType()))
    table = partitioned(warehouse, name, schema, [{"id": n, "name": "a", "year": 2018 + n} for n in (1, 2)], [("year", IdentityTransform())], **options)
    with table.update_spec() as update:
        update.remove_field("year_p0")
    with table.update_schema() as update:
        update.delete_column("year")
    table = warehouse.catalog.load_table(f"default.{name}")
    append(table, [{"id": 3, "name": "b"}])
    return [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}, {"id": 3, "name": "b"}]


@source(readers=("pyiceberg",))  # DuckDB 1.5.5 aborts the process
def dropped_partition_source(warehouse):
    return dropped(warehouse, "dropped_partition_source")


ROWS_MANY = [{"id": number, "name": f"name {number:05}"} for number in range(5000)]


@source
def row_groups(warehouse):
    """Several row groups and pages a file, with a page index: what pruning has to get right."""
    table = warehouse.create("row_groups", PLAIN)
    options = {"row_group_size": 700, "write_page_index": True, "data_page_size": 512, "write_batch_size": 64}
    commit(table, data_file(table, ROWS_MANY[:3000], **options), data_file(table, ROWS_MANY[3000:], **options))
    return ROWS_MANY


@source
def codecs(warehouse):
    table = warehouse.create("codecs", PLAIN)
    files, codecs = [], ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]
    rows = [{"id": number, "name": f"row {number % 9}"} for number in range(100 * len(codecs))]
    for number, codec in enumerate(codecs):
        files.append(data_file(table, rows[number * 100 : (number + 1) * 100], compression=codec))
    commit(table, *files)
    return rows


@source
def encodings(warehouse):
    schema = Schema(*PLAIN.fields, field(3, "x", DoubleType()))
    rows = [{"id": number * 7, "name": f"prefix {number // 3}", "x": number / 3} for number in range(600)]
    table = warehouse.create("encodings", schema)
    plain = {"use_dictionary": False}
    delta = {"id": "DELTA_BINARY_PACKED", "name": "DELTA_BYTE_ARRAY", "x": "BYTE_STREAM_SPLIT"}
    lengths = {"id": "PLAIN", "name": "DELTA_LENGTH_BYTE_ARRAY", "x": "PLAIN"}
    commit(
        table,
        data_file(table, rows[:200], **plain, column_encoding=delta, data_page_version="2.0"),
        data_file(table, rows[200:400], **plain, column_encoding=lengths),
        data_file(table, rows[400:], use_dictionary=True, data_page_version="2.0", write_statistics=False),
    )
    return rows


@source
def odd_location(warehouse):
    """A location with a space, a percent sign and a letter outside ASCII: paths are no URLs."""
    table = warehouse.create("odd_location", PLAIN, location=f"file://{warehouse.folder}/odd lo%20cation ü")
    append(table, [{"id": 1, "name": "one"}])
    return [{"id": 1, "name": "one"}]


@source
def no_snapshot(warehouse):
    warehouse.create("no_snapshot", PLAIN)
    return []


@source
def emptied(warehouse):
    """A current snapshot without a live file."""
    table = warehouse.create("emptied", PLAIN)
    append(table, [{"id": 1, "name": "one"}])
    table.delete("id = 1")
    return []


@source
def zero_row_file(warehouse):
    table = warehouse.create("zero_row_file", PLAIN)
    commit(table, data_file(table, []), data_file(table, [{"id": 1, "name": "one"}]))
    return [{"id": 1, "name": "one"}]


@source
def overwritten(warehouse):
    """A file replaced by another: its manifest entry says deleted, the file is still on disk."""
    table = warehouse.create("overwritten", PLAIN)
    append(table, [{"id": 1, "name": "old"}, {"id": 2, "name": "kept"}])
    table.overwrite(pa.table({"id": pa.array([1], pa.int64()), "name": ["new"]}), "id = 1")
    return [{"id": 1, "name": "new"}, {"id": 2, "name": "kept"}]


@source
def many_snapshots(warehouse):
    """Manifests are merged on the way; a branch that has moved on does not show in main."""
    table = warehouse.create("many_snapshots", PLAIN, commit__manifest_merge_enabled="true")
    rows = [{"id": number, "name": f"commit {number}"} for number in range(8)]
    for row in rows:
        append(table, [row])
    return rows


@source
def branched(warehouse):
    table = warehouse.create("branched", PLAIN)
    append(table, [{"id": 1, "name": "main"}])
    table.manage_snapshots().create_branch(table.current_snapshot().snapshot_id, "side").commit()
    arrow = pa.table({"id": pa.array([2], pa.int64()), "name": ["side"]})
    table.append(arrow, branch="side")
    return [{"id": 1, "name": "main"}]


@source
def null_partition_by_year(warehouse):
    """The NULL partition of the headline's layout, and a year without rows in between."""
    rows = [{"id": 1, "name": "a", "year": None}, {"id": 2, "name": "b", "year": 2019}, {"id": 3, "name": None, "year": 2021}]
    schema = Schema(*PLAIN.fields, field(3, "year", IntegerType()))
    partitioned(warehouse, "null_partition_by_year", schema, rows, [("year", IdentityTransform())])
    return rows
