"""Source tables with row-level deletes. PyIceberg writes none: the delete files are made by hand, after the specification."""

from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import DoubleType, IntegerType, LongType, StringType
from source_layouts import partitioned, spec_of
from source_types import PLAIN, field
from sources import source
from warehouse import (
    append,
    arrow_of,
    commit,
    data_file,
    data_paths,
    deletion_vector as vector,
    equality_deletes,
    position_deletes,
    upgrade_to_v3,
    write_parquet,
)

# PyIceberg 0.12 reads position deletes, but refuses equality deletes.
DUCKDB = ("duckdb",)

TEN = [{"id": number, "name": "even" if number % 2 == 0 else "odd"} for number in range(10)]


def without(rows, *ids):
    return [row for row in rows if row["id"] not in ids]


@source
def position_deletes_one(warehouse):
    table = warehouse.create("position_deletes_one", PLAIN)
    append(table, TEN)
    [path] = data_paths(table)
    commit(table, position_deletes(table, [(path, 0), (path, 4), (path, 9)]))
    return without(TEN, 0, 4, 9)


@source
def position_deletes_many_files(warehouse):
    """Several delete files for one data file, some naming the same row, and a delete file that covers two data files."""
    table = warehouse.create("position_deletes_many_files", PLAIN)
    commit(table, data_file(table, TEN[:5]), data_file(table, TEN[5:]))
    first, second = data_paths(table)
    commit(table, position_deletes(table, [(first, 1)]), position_deletes(table, [(first, 1), (first, 3)]))
    commit(table, position_deletes(table, [(first, 0), (second, 0), (second, 4)]))
    return without(TEN, 0, 1, 3, 5, 9)


@source
def position_deletes_row_groups(warehouse):
    """Positions count through the whole file, not within a row group; some groups lose all rows, some none."""
    rows = [{"id": number, "name": f"{number:04}"} for number in range(1000)]
    table = warehouse.create("position_deletes_row_groups", PLAIN)
    commit(table, data_file(table, rows, row_group_size=100, write_page_index=True, data_page_size=256, write_batch_size=16))
    [path] = data_paths(table)
    gone = [0, 99, 100, 155, *range(300, 400), 998, 999]
    commit(table, position_deletes(table, [(path, pos) for pos in gone], row_group_size=10))
    return without(rows, *gone)


@source
def position_deletes_whole_file(warehouse):
    table = warehouse.create("position_deletes_whole_file", PLAIN)
    commit(table, data_file(table, TEN[:5]), data_file(table, TEN[5:]))
    first, _ = data_paths(table)
    commit(table, position_deletes(table, [(first, pos) for pos in range(5)]))
    return TEN[5:]


@source
def position_deletes_partitioned(warehouse):
    table = partitioned(warehouse, "position_deletes_partitioned", PLAIN, TEN, [("name", IdentityTransform())])
    even, odd = data_paths(table)
    deletes = [
        position_deletes(table, [(even, 0)], partition=Record("even")),
        position_deletes(table, [(odd, 4)], partition=Record("odd")),
    ]
    commit(table, *deletes)
    return without(TEN, 0, 9)


@source
def deletion_vector(warehouse):
    """Format 3: the deleted rows of a data file are a bitmap in a Puffin file."""
    rows = [{"id": number, "name": f"{number:04}"} for number in range(1000)]
    table = warehouse.create("deletion_vector", PLAIN)
    commit(table, data_file(table, rows, row_group_size=100), data_file(table, [{"id": 5000, "name": "other"}]))
    [path, _] = data_paths(table)
    gone = [0, 99, 100, *range(300, 400), 999]
    commit(table, vector(table, path, gone))
    upgrade_to_v3(table)
    return [*without(rows, *gone), {"id": 5000, "name": "other"}]


@source
def format_v3(warehouse):
    table = warehouse.create("format_v3", PLAIN)
    append(table, TEN[:5])
    append(table, TEN[5:])
    upgrade_to_v3(table)
    return TEN


@source
def position_deletes_then_append(warehouse):
    """Files that come after the deletes keep their rows."""
    table = warehouse.create("position_deletes_then_append", PLAIN)
    append(table, TEN[:5])
    [path] = data_paths(table)
    commit(table, position_deletes(table, [(path, 2)]))
    append(table, TEN[5:])
    return without(TEN, 2)


@source
def position_deletes_no_field_ids(warehouse):
    """Deletes on a file that is read by name mapping."""
    table = warehouse.create("position_deletes_no_field_ids", PLAIN)
    path = write_parquet(table, arrow_of(PLAIN, TEN), name="foreign")
    table.add_files([path])
    commit(table, position_deletes(table, [(path, 7)]))
    return without(TEN, 7)


@source
def position_deletes_hive(warehouse):
    """Deletes on files that lack the partition column."""
    schema = Schema(*PLAIN.fields, field(3, "year", IntegerType()))
    table = warehouse.create("position_deletes_hive", schema, spec_of(schema, [("year", IdentityTransform())]))
    commit(table, data_file(table, TEN, partition=Record(2019), schema=PLAIN))
    [path] = data_paths(table)
    commit(table, position_deletes(table, [(path, 3)], partition=Record(2019)))
    return [{**row, "year": 2019} for row in without(TEN, 3)]


@source
def columns_named_pos(warehouse):
    """Data columns that are called like those of a position delete file."""
    schema = Schema(field(1, "pos", LongType()), field(2, "file_path", StringType()), field(3, "id", LongType()))
    rows = [{"pos": 100 + number, "file_path": f"path {number}", "id": number} for number in range(5)]
    table = warehouse.create("columns_named_pos", schema)
    append(table, rows)
    [path] = data_paths(table)
    commit(table, position_deletes(table, [(path, 1)]))
    return without(rows, 1)


@source
def columns_named_pos_no_deletes(warehouse):
    schema = Schema(field(1, "file_path", StringType()), field(2, "pos", LongType()), field(3, "_file", StringType()))
    rows = [{"pos": number, "file_path": "x", "_file": "y"} for number in range(3)]
    table = warehouse.create("columns_named_pos_no_deletes", schema)
    append(table, rows)
    return rows


@source(readers=DUCKDB)
def equality_deletes_one(warehouse):
    table = warehouse.create("equality_deletes_one", PLAIN)
    append(table, TEN)
    commit(table, equality_deletes(table, ["id"], [{"id": 3}, {"id": 4}, {"id": 77}]))
    return without(TEN, 3, 4)


@source(readers=DUCKDB)
def equality_deletes_null_key(warehouse):
    """NULL in the key deletes the rows that are NULL there, and only those."""
    rows = [{"id": 1, "name": None}, {"id": 2, "name": "a"}, {"id": 3, "name": None}, {"id": 4, "name": ""}]
    table = warehouse.create("equality_deletes_null_key", PLAIN)
    append(table, rows)
    commit(table, equality_deletes(table, ["name"], [{"name": None}]))
    return without(rows, 1, 3)


@source(readers=())  # DuckDB 1.5.5 loses the NULL rows
def equality_deletes_null_data(warehouse):
    """A key without NULL leaves the rows that are NULL in that column: the core reader drops them."""
    rows = [{"id": 1, "name": None}, {"id": 2, "name": "a"}, {"id": 3, "name": "b"}]
    table = warehouse.create("equality_deletes_null_data", PLAIN)
    append(table, rows)
    commit(table, equality_deletes(table, ["name"], [{"name": "a"}]))
    return without(rows, 2)


@source(readers=())  # DuckDB 1.5.5 loses rows with a NULL in one of the columns
def equality_deletes_two_columns(warehouse):
    rows = [{"id": n, "name": name} for n in (1, 2, None) for name in ("a", "b", None)]
    table = warehouse.create("equality_deletes_two_columns", PLAIN)
    append(table, rows)
    keys = [{"id": 1, "name": "a"}, {"id": None, "name": "b"}, {"id": 2, "name": None}, {"id": None, "name": None}]
    commit(table, equality_deletes(table, ["id", "name"], keys))
    return [row for row in rows if row not in keys]


@source(readers=DUCKDB)
def equality_deletes_sequence(warehouse):
    """Only older data is deleted: not what the same commit adds, nor what comes later."""
    table = warehouse.create("equality_deletes_sequence", PLAIN)
    append(table, [{"id": 1, "name": "oldest"}, {"id": 2, "name": "kept"}])
    commit(table, data_file(table, [{"id": 1, "name": "same commit"}]), equality_deletes(table, ["id"], [{"id": 1}]))
    append(table, [{"id": 1, "name": "later"}])
    return [{"id": 2, "name": "kept"}, {"id": 1, "name": "same commit"}, {"id": 1, "name": "later"}]


@source(readers=())  # DuckDB 1.5.5 aborts the process
def equality_deletes_dropped_column(warehouse):
    """The key column is gone from the table, its values are still in the data files."""
    table = warehouse.create("equality_deletes_dropped_column", PLAIN)
    append(table, TEN)
    commit(table, equality_deletes(table, ["name"], [{"name": "even"}]))
    with table.update_schema() as update:
        update.delete_column("name")
    return [{"id": row["id"]} for row in TEN if row["name"] == "odd"]


@source(readers=DUCKDB)
def equality_deletes_added_column(warehouse):
    """The key column is younger than the data file: it is NULL there."""
    table = warehouse.create("equality_deletes_added_column", PLAIN)
    append(table, [{"id": 1, "name": "a"}])
    with table.update_schema() as update:
        update.add_column("extra", IntegerType())
    append(table, [{"id": 2, "name": "b", "extra": 5}, {"id": 3, "name": "c", "extra": 6}])
    commit(table, equality_deletes(table, ["extra"], [{"extra": None}, {"extra": 5}]))
    return [{"id": 3, "name": "c", "extra": 6}]


@source(readers=())  # DuckDB 1.5.5 expects the type of the column in the delete file
def equality_deletes_promoted(warehouse):
    """The key was written as int, the column is long by now; the other way round too."""
    schema = Schema(field(1, "id", IntegerType()), field(2, "name", StringType()))
    table = warehouse.create("equality_deletes_promoted", schema)
    append(table, TEN)
    commit(table, equality_deletes(table, ["id"], [{"id": 1}]))
    with table.update_schema() as update:
        update.update_column("id", LongType())
    append(table, [{"id": 2**40, "name": "long"}, {"id": 100, "name": "long"}])
    commit(table, equality_deletes(table, ["id"], [{"id": 2}, {"id": 2**40}]))
    return [*without(TEN, 1, 2), {"id": 100, "name": "long"}]


def promoted_partition(warehouse, name):
    """A table whose partition values are ints in its first manifest and longs in those that come."""
    schema = Schema(field(1, "id", IntegerType()), field(2, "key", IntegerType()))
    rows = [{"id": number, "key": key} for key in (5, -5) for number in range(4)]
    table = partitioned(warehouse, name, schema, rows, [("key", IdentityTransform())])
    with table.update_schema() as update:
        update.update_column("key", LongType())
    return table, rows


@source
def position_deletes_promoted_partition(warehouse):
    """Position deletes reach the files of their partition that are older than its type."""
    table, rows = promoted_partition(warehouse, "position_deletes_promoted_partition")
    five, _ = data_paths(table)
    commit(table, position_deletes(table, [(five, 0), (five, 3)], partition=Record(5)))
    return [row for row in rows if row["key"] != 5 or row["id"] in (1, 2)]


@source(readers=())  # DuckDB 1.5.5 deletes in all partitions
def equality_deletes_promoted_partition(warehouse):
    table, rows = promoted_partition(warehouse, "equality_deletes_promoted_partition")
    commit(table, equality_deletes(table, ["id"], [{"id": 1}], partition=Record(-5)))
    append(table, [{"id": 1, "key": -5}])
    return [row for row in rows if row != {"id": 1, "key": -5}] + [{"id": 1, "key": -5}]


@source(readers=())  # DuckDB 1.5.5 deletes in all partitions
def equality_deletes_partitioned(warehouse):
    """A delete file of a partition reaches that partition only."""
    rows = [{"id": n, "name": name} for name in ("a", "b") for n in (1, 2)]
    table = partitioned(warehouse, "equality_deletes_partitioned", PLAIN, rows, [("name", IdentityTransform())])
    commit(table, equality_deletes(table, ["id"], [{"id": 1}], partition=Record("a")))
    return [row for row in rows if row != {"id": 1, "name": "a"}]


@source(readers=DUCKDB)
def equality_deletes_global(warehouse):
    """A delete file of an unpartitioned spec reaches every partition of any spec."""
    table = warehouse.create("equality_deletes_global", PLAIN)
    append(table, TEN[:2])
    with table.update_spec() as update:
        update.add_field("id", BucketTransform(4), "id_bucket")
    append(table, TEN[2:])
    commit(table, equality_deletes(table, ["name"], [{"name": "odd"}], spec_id=0))
    return [row for row in TEN if row["name"] == "even"]


@source(readers=())  # DuckDB 1.5.5 loses the NULL row
def equality_deletes_floats(warehouse):
    """A key column of floats: NaN is NaN."""
    schema = Schema(field(1, "id", LongType()), field(2, "x", DoubleType()))
    rows = [{"id": 1, "x": 1.5}, {"id": 2, "x": float("nan")}, {"id": 3, "x": None}, {"id": 4, "x": 2.5}]
    table = warehouse.create("equality_deletes_floats", schema)
    append(table, rows)
    commit(table, equality_deletes(table, ["x"], [{"x": 1.5}, {"x": float("nan")}]))
    return without(rows, 1, 2)


@source(readers=DUCKDB)
def both_kinds_of_deletes(warehouse):
    rows = [{"id": number, "name": f"{number:03}"} for number in range(300)]
    table = warehouse.create("both_kinds_of_deletes", PLAIN)
    commit(table, data_file(table, rows, row_group_size=50))
    [path] = data_paths(table)
    commit(table, position_deletes(table, [(path, pos) for pos in range(40, 60)]))
    commit(table, equality_deletes(table, ["id"], [{"id": number} for number in range(100, 300, 10)]))
    return [row for row in rows if not (40 <= row["id"] < 60) and not (row["id"] >= 100 and row["id"] % 10 == 0)]


@source(readers=DUCKDB)
def many_delete_files(warehouse):
    """Forty delete files for one data file: the core reader can hang while it waits for them."""
    rows = [{"id": number, "name": f"{number:03}"} for number in range(200)]
    table = warehouse.create("many_delete_files", PLAIN)
    commit(table, data_file(table, rows))
    [path] = data_paths(table)
    commit(table, *(position_deletes(table, [(path, pos)]) for pos in range(0, 80, 2)))
    commit(table, *(equality_deletes(table, ["id"], [{"id": number}]) for number in range(100, 120)))
    return [row for row in rows if not (row["id"] < 80 and row["id"] % 2 == 0) and not 100 <= row["id"] < 120]
