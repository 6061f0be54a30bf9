"""Source tables for types, schema evolution and names."""

import math
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)
from sources import source
from warehouse import append, arrow_of, commit, data_file, described, write_parquet


def field(number, name, kind, required=False):
    return NestedField(number, name, kind, required=required)


PLAIN = Schema(field(1, "id", LongType()), field(2, "name", StringType()))


@source
def plain_v1(warehouse):
    table = warehouse.create("plain_v1", PLAIN, version=1)
    append(table, [{"id": 1, "name": "one"}, {"id": 2, "name": None}])
    append(table, [{"id": 3, "name": "three"}])
    return [{"id": 1, "name": "one"}, {"id": 2}, {"id": 3, "name": "three"}]


@source
def plain_v2(warehouse):
    rows = [{"id": number, "name": f"row {number % 7}"} for number in range(1000)]
    table = warehouse.create("plain_v2", PLAIN)
    append(table, rows[:600])
    append(table, rows[600:])
    return rows


@source
def upgraded_v2(warehouse):
    """Data committed as version 1 has no sequence numbers in its manifests: they are 0."""
    table = warehouse.create("upgraded_v2", PLAIN, version=1)
    append(table, [{"id": 1, "name": "v1"}])
    with table.transaction() as transaction:
        transaction.upgrade_table_version(2)
    append(table, [{"id": 2, "name": "v2"}])
    return [{"id": 1, "name": "v1"}, {"id": 2, "name": "v2"}]


@source
def required_columns(warehouse):
    schema = Schema(field(1, "id", LongType(), required=True), field(2, "name", StringType(), required=True))
    table = warehouse.create("required_columns", schema)
    rows = [{"id": 1, "name": ""}, {"id": 2, "name": "two"}]
    commit(table, data_file(table, rows))
    return rows


PRIMITIVES = {
    "flag": (BooleanType(), [True, False, True, False]),
    "small": (IntegerType(), [-(2**31), 2**31 - 1, 0, -1]),
    "large": (LongType(), [-(2**63), 2**63 - 1, 0, -1]),
    "single": (FloatType(), [math.nan, math.inf, -math.inf, -0.0]),
    "precise": (DoubleType(), [-0.0, math.nan, math.inf, -math.inf]),
    "cents": (DecimalType(9, 2), [Decimal("-9999999.99"), Decimal("9999999.99"), Decimal("0.00"), Decimal("-0.01")]),
    "units": (DecimalType(18, 4), [Decimal(10**18 - 1).scaleb(-4), Decimal(1 - 10**18).scaleb(-4), Decimal(0), Decimal(1)]),
    "wide": (
        DecimalType(38, 10),
        [Decimal("9" * 28 + "." + "9" * 10), Decimal("-" + "9" * 28 + "." + "9" * 10), Decimal(0), Decimal("1e-10")],
    ),
    "day": (DateType(), [date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31), date(1970, 1, 1)]),
    "clock": (TimeType(), [time(0), time(23, 59, 59, 999999), time(12, 0, 0, 1), time(6)]),
    "moment": (
        TimestampType(),
        [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2020, 2, 29)],
    ),
    "instant": (
        TimestamptzType(),
        [
            datetime(1900, 1, 1, tzinfo=timezone.utc),
            datetime(2262, 4, 12, 0, 0, 0, 1, tzinfo=timezone.utc),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc),
            datetime(2020, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=2))),
        ],
    ),
    "text": (StringType(), ["", "żółć 🧊 \u0000 end", "quote \" ' comma , line\nbreak", "x" * 1000]),
    "ident": (UUIDType(), [UUID(int=0), UUID(int=2**128 - 1), UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7"), UUID(int=1)]),
    "code": (FixedType(4), [b"\0\0\0\0", b"\xff\xff\xff\xff", b"icel", b"\x80\0\0\1"]),
    "blob": (BinaryType(), [b"", b"\0", bytes(range(256)), b"\xff" * 40]),
}


def primitives_schema():
    columns = [field(number, name, kind) for number, (name, (kind, _)) in enumerate(PRIMITIVES.items(), 2)]
    return Schema(field(1, "id", IntegerType()), *columns)


def primitives_rows():
    """Four rows of edge values, and a last one that is NULL in every column but the id."""
    rows = [{name: cells[number] for name, (_, cells) in PRIMITIVES.items()} for number in range(4)]
    return [{"id": number, **row} for number, row in enumerate([*rows, {}])]


@source
def primitives(warehouse):
    table = warehouse.create("primitives", primitives_schema())
    append(table, primitives_rows())
    return primitives_rows()


@source
def primitives_by_row(warehouse):
    """One file per row: the bounds of each file are exactly its values, also in a file that is all NULL."""
    table = warehouse.create("primitives_by_row", primitives_schema())
    commit(table, *(data_file(table, [row]) for row in primitives_rows()))
    return primitives_rows()


NESTED = Schema(
    field(1, "id", IntegerType()),
    field(2, "place", StructType(field(3, "city", StringType()), field(4, "at", StructType(field(5, "x", DoubleType()))))),
    field(6, "tags", ListType(7, StringType(), element_required=False)),
    field(8, "steps", ListType(9, StructType(field(10, "n", IntegerType()), field(11, "word", StringType())), False)),
    field(12, "counts", MapType(13, StringType(), 14, LongType(), value_required=False)),
    field(15, "grid", ListType(16, ListType(17, IntegerType(), False), False)),
)

NESTED_ROWS = [
    {
        "id": 1,
        "place": {"city": "Oslo", "at": {"x": 1.5}},
        "tags": ["a", None, ""],
        "steps": [{"n": 1, "word": "go"}, None, {"n": None, "word": None}],
        "counts": [("k", 1), ("", None)],
        "grid": [[1, 2], [], None, [None]],
    },
    {"id": 2, "place": {"city": None, "at": None}, "tags": [], "steps": [], "counts": [], "grid": []},
    {"id": 3},
]


# PyIceberg 0.12 reads, and writes, a NULL list of structs as an empty list.
NO_NULL_LISTS = ("duckdb",)


@source(readers=NO_NULL_LISTS)
def nested(warehouse):
    table = warehouse.create("nested", NESTED)
    commit(table, data_file(table, NESTED_ROWS))
    return NESTED_ROWS


@source
def evolved_schema(warehouse):
    """Each change of a schema, with a file before and one after it; a dropped name comes back with another meaning."""
    schema = Schema(
        field(1, "id", IntegerType()),
        field(2, "ratio", FloatType()),
        field(3, "price", DecimalType(9, 2)),
        field(4, "old_name", StringType()),
        field(5, "gone", StringType()),
    )
    table = warehouse.create("evolved_schema", schema)
    append(table, [{"id": 1, "ratio": 0.5, "price": Decimal("1.25"), "old_name": "a", "gone": "dropped"}])
    with table.update_schema() as update:
        update.update_column("id", LongType())
        update.update_column("ratio", DoubleType())
        update.update_column("price", DecimalType(18, 2))
        update.rename_column("old_name", "new_name")
        update.delete_column("gone")
    with table.update_schema() as update:
        update.add_column("gone", IntegerType())
        update.add_column("extra", StringType())
        update.move_first("new_name")
    later = {"new_name": "b", "id": 2**40, "ratio": 0.1, "price": Decimal("12345678901.25"), "gone": 7, "extra": "e"}
    append(table, [later])
    return [{"new_name": "a", "id": 1, "ratio": 0.5, "price": Decimal("1.25")}, later]


@source(readers=NO_NULL_LISTS)
def evolved_nested(warehouse):
    schema = Schema(
        field(1, "id", IntegerType()),
        field(2, "place", StructType(field(3, "city", StringType()), field(4, "code", IntegerType()), field(5, "gone", StringType()))),
        field(6, "steps", ListType(7, StructType(field(8, "n", IntegerType())), False)),
        field(9, "sizes", MapType(10, StringType(), 11, StructType(field(12, "w", FloatType())), False)),
    )
    table = warehouse.create("evolved_nested", schema)
    before = {"place": {"city": "Oslo", "code": 1, "gone": "x"}, "steps": [{"n": 1}, {"n": 2}], "sizes": [("s", {"w": 0.5})]}
    commit(table, data_file(table, [{"id": 1, **before}, {"id": 2}]))
    with table.update_schema() as update:
        update.rename_column(("place", "city"), "town")
        update.update_column(("place", "code"), LongType())
        update.delete_column(("place", "gone"))
        update.add_column(("place", "country"), StringType())
        update.update_column(("steps", "element", "n"), LongType())
        update.add_column(("steps", "element", "word"), StringType())
        update.update_column(("sizes", "value", "w"), DoubleType())
    later = {"id": 3, "place": {"town": "Bergen", "code": 2**40, "country": "NO"}, "steps": [{"n": 3, "word": "w"}], "sizes": []}
    append(table, [later])
    first = {
        "id": 1,
        "place": {"town": "Oslo", "code": 1, "country": None},
        "steps": [{"n": 1, "word": None}, {"n": 2, "word": None}],
        "sizes": [("s", {"w": 0.5})],
    }
    return [first, {"id": 2}, later]


@source
def added_struct(warehouse):
    """A struct, a list and a map that the older file does not have at all."""
    table = warehouse.create("added_struct", Schema(field(1, "id", IntegerType())))
    append(table, [{"id": 1}])
    with table.update_schema() as update:
        update.add_column("place", StructType(field(1, "city", StringType())))
        update.add_column("tags", ListType(1, StringType(), False))
        update.add_column("counts", MapType(1, StringType(), 2, IntegerType(), False))
    later = {"id": 2, "place": {"city": "Oslo"}, "tags": ["a"], "counts": [("k", 1)]}
    append(table, [later])
    return [{"id": 1}, later]


ODD = ["Mixed Case", "żółć", "with.dot", 'with"quote', "1st", "select", "id", "ID2", "a-b", "🧊", "pos%20x"]


@source
def odd_names(warehouse):
    """Names that SQL must quote and that Avro and Parquet writers rewrite."""
    schema = Schema(*(field(number, name, StringType()) for number, name in enumerate(ODD, 1)))
    spec = PartitionSpec(PartitionField(source_id=1, field_id=1000, transform=IdentityTransform(), name="Mixed Case"))
    table = warehouse.create("odd_names", schema, spec)
    rows = [{name: f"{name} {number}" for name in ODD} for number in range(3)]
    append(table, rows)
    return rows


@source
def no_field_ids(warehouse):
    """Files of another writer, added as they are: the columns are found by the table's name mapping."""
    table = warehouse.create("no_field_ids", PLAIN)
    rows = [{"id": 1, "name": "one"}, {"id": 2, "name": None}]
    table.add_files([write_parquet(table, arrow_of(PLAIN, rows), name="foreign")])
    with table.update_schema() as update:
        update.rename_column("name", "label")
        update.add_column("extra", StringType())
    append(table, [{"id": 3, "label": "three", "extra": "e"}])
    return [{"id": 1, "label": "one"}, {"id": 2}, {"id": 3, "label": "three", "extra": "e"}]


@source(readers=NO_NULL_LISTS)
def no_field_ids_nested(warehouse):
    table = warehouse.create("no_field_ids_nested", NESTED)
    table.add_files([write_parquet(table, arrow_of(NESTED, NESTED_ROWS), name="foreign")])
    return NESTED_ROWS


@source(readers=())  # PyIceberg 0.12 fails on the unknown column, DuckDB 1.5.5 reads NULL
def no_field_ids_reordered(warehouse):
    """By name, not by position: the file has the columns in another order, and one the table does not know."""
    table = warehouse.create("no_field_ids_reordered", PLAIN)
    table.add_files([write_parquet(table, arrow_of(PLAIN, [{"id": 1, "name": "one"}]), name="first")])
    arrow = pa.table({"other": ["x"], "name": ["two"], "id": pa.array([2], pa.int64())})
    path = write_parquet(table, arrow, name="second")
    commit(table, described_plain(table, path))
    return [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]


def described_plain(table, path):
    """A description without metrics: those of a column unknown to the table cannot be given."""
    metrics = ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds")
    schema = Schema(*table.schema().fields, field(90, "other", StringType()))
    return described(table, path, schema, **dict.fromkeys(metrics))


@source(readers=("duckdb",))  # PyIceberg 0.12 goes through nanoseconds, which end in 2262
def int96_timestamps(warehouse):
    """What Hive, Impala and old Spark write for a timestamp."""
    schema = Schema(field(1, "id", IntegerType()), field(2, "moment", TimestampType()))
    rows = [
        {"id": 1, "moment": datetime(2020, 2, 29, 12, 30, 0, 123456)},
        {"id": 2, "moment": datetime(1850, 1, 1)},
        {"id": 3, "moment": datetime(3000, 1, 1, 0, 0, 0, 1)},
        {"id": 4},
    ]
    table = warehouse.create("int96_timestamps", schema)
    commit(table, data_file(table, rows, use_deprecated_int96_timestamps=True))
    return rows
