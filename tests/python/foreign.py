"""Random source tables in files of other writers: `write(folder, seed)` makes the table `default.s` of a local catalog.

Everything that decides whether a row group may be copied undecoded is left to chance: types, NULLs, statistics, codecs, pages,
the order of rows, what became of the schema and of the partitions, deletes, the writer. The rows are known from here, not read
back.
"""

import json
from datetime import timedelta
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from canon import rows_of_dicts
from foreign_cells import EPOCH, NULLS, SPREADS, cells, kinds
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform, MonthTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    StructType,
)
from source_layouts import partition_value, spec_of
from warehouse import (
    Warehouse,
    arrow_of,
    commit,
    data_paths,
    deletion_vector,
    described,
    edit_metadata,
    equality_deletes,
    position_deletes,
    upgrade_to_v3,
)

CODECS = ("snappy", "zstd", "gzip", "lz4", "none", "brotli")
DEFAULT = 7
# What statements rely on: these columns are never dropped.
KEPT = ("id", "day", "year")


def write(folder, seed):
    """Writes the table, and what its rows are; returns what it is like, in words."""
    source = Source(folder, Random(seed))
    for batch in range(source.random.choice((1, 1, 2, 3))):
        if batch:
            source.evolve()
        source.append()
    source.delete()
    source.upgrade()
    table = source.table = source.warehouse.catalog.load_table("default.s")
    rows = source.rows_now(table.schema())
    (Path(folder) / "rows.json").write_text(json.dumps(rows_of_dicts(rows, table.schema())))
    return source.story


class Source:
    def __init__(self, folder, random):
        self.random = random
        self.warehouse = Warehouse(folder)
        self.version = random.choice((1, 2, 2, 2, 3))
        self.sorted = random.random() < 0.85
        self.days = random.choice((20, 90, 500))
        self.with_ids = random.random() < 0.8
        self.file_number = 0
        # By data file: rows as cells by field id.
        self.files = {}
        self.deleted = []
        self.initial_default = None
        self.story = [f"format {self.version}", f"{self.days} days", "sorted" if self.sorted else "shuffled"]
        schema = self.first_schema()
        # Many months would be many files.
        self.spec = random.choice(("none", "none", "year", "month" if self.days < 100 else "none"))
        self.table = self.warehouse.create("s", schema, self.spec_of(schema), version=min(self.version, 2))
        if not self.with_ids:
            with self.table.transaction() as transaction:
                transaction.set_properties({"schema.name-mapping.default": self.table.schema().name_mapping.model_dump_json()})
        self.next_id = 1

    def first_schema(self):
        random = self.random
        required = random.random() < 0.3
        fields = [
            NestedField(1, "id", LongType(), required=required),
            NestedField(2, "day", DateType(), required=required),
            NestedField(3, "year", IntegerType(), required=False),
        ]
        for name in random.sample(sorted(kinds(0)), random.randint(2, 6)):
            # PyIceberg numbers them anew.
            number = len(fields) * 10
            fields.append(NestedField(number, name, kinds(number + 1)[name], required=random.random() < 0.2))
        return Schema(*fields)

    def spec_of(self, schema):
        match self.spec:
            case "year":
                return spec_of(schema, [("year", IdentityTransform())])
            case "month":
                return spec_of(schema, [("day", MonthTransform())])
        return UNPARTITIONED_PARTITION_SPEC

    def say(self, text):
        self.story.append(text)

    def append(self):
        """A commit of some files, each with rows of one partition."""
        for _ in range(self.random.choice((1, 1, 2))):
            rows = self.new_rows(self.random.choice((120, 600, 1500)))
            groups = {}
            for row in rows:
                groups.setdefault(self.partition_of(row), []).append(row)
            committed = [self.write_file(group, Record(*key)) for key, group in groups.items()]
            commit(self.table, *[file for file in committed if file])
            self.table.refresh()

    def new_rows(self, count):
        """Rows by field id: days ascend unless they are shuffled, ids ascend in any case."""
        random, schema = self.random, self.table.schema()
        days = [EPOCH.date() + timedelta(days=number * self.days // count) for number in range(count)]
        if not self.sorted:
            random.shuffle(days)
        columns = {}
        for field in schema.fields:
            nulls = "none" if field.required else random.choice(NULLS)
            columns[field.field_id] = cells(random, field.field_type, count, nulls, random.choice(SPREADS))
        ids = {name: schema.find_field(name).field_id for name in KEPT}
        columns[ids["id"]] = list(range(self.next_id, self.next_id + count))
        columns[ids["day"]], columns[ids["year"]] = days, [day.year for day in days]
        self.next_id += count
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def partition_of(self, row):
        schema = self.table.schema()
        key = []
        for field in self.table.spec().fields:
            column = schema.find_field(field.source_id)
            transform = field.transform.transform(column.field_type)
            key.append(partition_value(transform, schema, column.name, row[field.source_id]))
        return tuple(key)

    def write_file(self, rows, partition):
        """Writes one file; describes it unless PyIceberg has added it already."""
        random, table = self.random, self.table
        schema = table.schema()
        in_file = schema
        if self.spec == "year" and not table.spec().is_unpartitioned() and random.random() < 0.2:
            self.say("as Hive leaves it")
            in_file = Schema(*(field for field in schema.fields if field.name != "year"))
        named = [{field.name: row[field.field_id] for field in in_file.fields} for row in rows]
        arrow = self.arrow(in_file, named)
        self.file_number += 1
        path = f"{table.location()}/data/foreign-{self.file_number:03}.parquet"
        local = Path(path.removeprefix("file://"))
        local.parent.mkdir(parents=True, exist_ok=True)
        is_plain = not any(isinstance(field.field_type, (StructType, FixedType)) for field in in_file.fields)
        if is_plain and self.with_ids and random.random() < 0.2:
            self.by_duckdb(arrow, in_file, local)
        else:
            self.by_pyarrow(arrow, local)
        self.files[path] = rows
        if not self.with_ids and table.spec().is_unpartitioned():
            table.add_files([path])
            self.say("added by PyIceberg")
            return None
        return described(table, path, in_file, partition)

    def arrow(self, schema, rows):
        arrow = arrow_of(schema, rows)
        typed = schema_to_pyarrow(schema, include_field_ids=self.with_ids)
        if self.with_ids and self.random.random() < 0.08:
            # Files may say optional where the table says required.
            self.say("all optional")
            typed = pa.schema([field.with_nullable(True) for field in typed])
        return pa.table(arrow.columns, schema=typed)

    def by_pyarrow(self, arrow, local):
        random = self.random
        names = arrow.column_names
        some = random.sample(names, len(names) // 2)
        options = {
            "compression": random.choice(CODECS),
            "data_page_version": random.choice(("1.0", "2.0")),
            "use_dictionary": random.choice((True, False, some)),
            "write_page_index": random.random() < 0.4,
            "write_statistics": random.choice((True, True, True, True, False, [*some, *KEPT])),
            "data_page_size": random.choice((256, 4096, 1 << 20)),
            "write_batch_size": random.choice((16, 1024)),
            "store_decimal_as_integer": random.random() < 0.9,
            "write_page_checksum": random.random() < 0.3,
            "use_compliant_nested_type": random.random() < 0.8,
            "store_schema": random.random() < 0.5,
            # Instants as INT96 are no instants to us.
            "use_deprecated_int96_timestamps": random.random() < 0.05 and not _has_instants(arrow.schema),
        }
        if random.random() < 0.2:
            options["bloom_filter_options"] = {"id": {"ndv": 100, "fpp": 0.05}}
        self.say(", ".join(f"{key} {value}" for key, value in options.items()))
        with pq.ParquetWriter(local, arrow.schema, **options) as writer:
            start, size = 0, random.choice((30, 100, 400, 2000))
            while start < len(arrow):
                rows = random.randint(size // 2, size)
                writer.write_table(arrow.slice(start, rows), row_group_size=rows)
                start += rows
        if random.random() < 0.05:
            self.say("chunks that name their file")
            name_file(local)

    def by_duckdb(self, arrow, schema, local):
        """DuckDB writes Bloom filters of its own, and has pages and statistics of its own taste."""
        random = self.random
        codec = random.choice(("snappy", "zstd", "gzip", "lz4_raw", "uncompressed", "brotli"))
        version = random.choice(("V1", "V2"))
        self.say(f"DuckDB {codec} {version}")
        ids = ", ".join(f"{field.name}: {_duckdb_ids(field)}" for field in schema.fields)
        connection = duckdb.connect(config={"threads": "1"})
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rows", arrow)
        connection.execute(
            f"COPY (SELECT * FROM rows) TO '{local}' (FORMAT parquet, FIELD_IDS {{{ids}}}, "
            f"ROW_GROUP_SIZE {random.choice((256, 2048))}, COMPRESSION {codec}, PARQUET_VERSION {version})"
        )
        connection.close()

    def evolve(self):
        """Some changes of the schema, and maybe of the partitions."""
        random = self.random
        for _ in range(random.choice((1, 2, 4))):
            free = [field for field in self.table.schema().fields if field.name not in KEPT]
            change = random.choice((_add, _add, _drop, _rename, _move, _promote, _promote, _loosen, _add_part))
            with self.table.update_schema() as update:
                said = change(random, update, free)
            self.say(said)
            self.table.refresh()
        if self.version > 1 and random.random() < 0.2:
            self.respecify()

    def respecify(self):
        with self.table.update_spec() as update:
            if self.spec == "none":
                update.add_field("year", IdentityTransform(), "year")
            else:
                [field] = self.table.spec().fields
                update.remove_field(field.name)
        self.spec = "year" if self.spec == "none" else "none"
        self.say(f"partitioned by {self.spec} from here on")
        self.table.refresh()

    def delete(self):
        random, table = self.random, self.table
        if self.version == 1 or random.random() < 0.8:
            return
        table.refresh()
        path = random.choice(sorted(data_paths(table)))
        rows = self.files[path]
        positions = sorted(random.sample(range(len(rows)), min(5, len(rows))))
        [entry] = [it for it in _entries(table) if it.file_path == path]
        about = {"partition": entry.partition, "spec_id": entry.spec_id}
        id_number = table.schema().find_field("id").field_id
        if self.version == 3 and table.spec().is_unpartitioned() and len(table.specs()) == 1:
            self.say("a deletion vector")
            commit(table, deletion_vector(table, path, positions))
        elif random.random() < 0.6:
            self.say("position deletes")
            commit(table, position_deletes(table, [(path, position) for position in positions], **about))
        else:
            self.say("equality deletes")
            keys = [{"id": rows[position][id_number]} for position in positions]
            commit(table, equality_deletes(table, ["id"], keys, **about))
        self.files[path] = [row for number, row in enumerate(rows) if number not in positions]

    def upgrade(self):
        if self.version != 3:
            return
        self.table.refresh()
        upgrade_to_v3(self.table)
        added = self.added_integers()
        if added:
            self.initial_default = added[0]
            self.say(f"{added[0]} has a default")
            edit_metadata(self.table, self.with_default)

    def added_integers(self):
        first = min(self.table.metadata.schemas, key=lambda schema: schema.schema_id)
        known = {field.field_id for field in first.fields}
        fields = self.table.schema().fields
        return [it.field_id for it in fields if it.field_id not in known and isinstance(it.field_type, IntegerType)]

    def with_default(self, metadata):
        for schema in metadata["schemas"]:
            for field in schema["fields"]:
                if field["id"] == self.initial_default:
                    field["initial-default"] = DEFAULT

    def rows_now(self, schema):
        """All rows by today's names. A column that a file lacks is NULL, or has its default."""
        absent = {self.initial_default: DEFAULT}
        names = {field.field_id: field.name for field in schema.fields}
        return [
            {name: row.get(number, absent.get(number)) for number, name in names.items()}
            for rows in self.files.values()
            for row in rows
        ]


def _has_instants(schema):
    return any(pa.types.is_timestamp(field.type) and field.type.tz for field in schema)


def _entries(table):
    manifests = table.current_snapshot().manifests(table.io)
    files = []
    for manifest in manifests:
        for entry in manifest.fetch_manifest_entry(table.io):
            entry.data_file.spec_id = manifest.partition_spec_id
            files.append(entry.data_file)
    return files


def _add(random, update, free):
    name = f"added_{random.randrange(1000)}"
    kind = random.choice((IntegerType(), StringType(), DoubleType()))
    update.add_column(name, kind)
    return f"+{name} {kind}"


def _drop(random, update, free):
    if len(free) < 2:
        return "nothing dropped"
    field = random.choice(free)
    update.delete_column(field.name)
    return f"-{field.name}"


def _rename(random, update, free):
    field = random.choice(free)
    name = f"{field.name[:9]}_{random.randrange(1000)}"
    update.rename_column(field.name, name)
    return f"{field.name} is {name}"


def _move(random, update, free):
    field = random.choice(free)
    update.move_first(field.name)
    return f"{field.name} comes first"


def _promote(random, update, free):
    wider = {IntegerType(): LongType(), FloatType(): DoubleType(), DecimalType(9, 2): DecimalType(12, 2)}
    fields = [field for field in free if field.field_type in wider]
    if not fields:
        return "nothing promoted"
    field = random.choice(fields)
    update.update_column(field.name, field_type=wider[field.field_type])
    return f"{field.name} is {wider[field.field_type]}"


def _loosen(random, update, free):
    fields = [field for field in free if field.required]
    if not fields:
        return "nothing made optional"
    update.make_column_optional(fields[0].name)
    return f"{fields[0].name} is optional"


def _add_part(random, update, free):
    fields = [field for field in free if isinstance(field.field_type, StructType)]
    if not fields:
        return "no part added"
    name = f"part_{random.randrange(1000)}"
    update.add_column((fields[0].name, name), IntegerType())
    return f"{fields[0].name} has {name}"


def _duckdb_ids(field):
    kind = field.field_type
    match kind.__class__.__name__:
        case "ListType":
            inner = NestedField(kind.element_id, "element", kind.element_type)
            return f"{{__duckdb_field_id: {field.field_id}, element: {_duckdb_ids(inner)}}}"
        case "MapType":
            return f"{{__duckdb_field_id: {field.field_id}, key: {kind.key_id}, value: {kind.value_id}}}"
    return str(field.field_id)


def name_file(local):
    """Has every chunk say in which file it is, as a footer of a dataset does."""
    content = local.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    metadata = pq.read_metadata(local)
    metadata.set_file_path(local.name)
    sink = pa.BufferOutputStream()
    metadata.write_metadata_file(sink)
    footer = sink.getvalue().to_pybytes()[4:]
    local.write_bytes(content[: -8 - length] + footer)
