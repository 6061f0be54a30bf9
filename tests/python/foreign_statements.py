"""Random statements over the table of `foreign.py`: what becomes of its columns, which rows pass, and where they go."""

from random import Random

from pyiceberg.types import (
    BooleanType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
)
from warehouse import open_catalog

CONSTANTS = (
    "7",
    "CAST(NULL AS STRING)",
    "CAST(NULL AS BIGINT)",
    "'constant'",
    f"'{'long ' * 40}'",
    "CAST('NaN' AS DOUBLE)",
    "CAST(-0.0 AS DOUBLE)",
    "CAST(1.5 AS FLOAT)",
    "CAST(-1.50 AS DECIMAL(9, 2))",
    "CAST(12345678901.25 AS DECIMAL(38, 10))",
    "DATE '1969-12-31'",
    "CAST(TIMESTAMP '2020-02-29 12:00:00.000001' AS TIMESTAMP(6))",
    "X'00FF'",
    "true",
    "false",
    "CAST(NULL AS BOOLEAN)",
)
CODECS = (*("snappy", "zstd", "gzip", "lz4", "uncompressed"), "brotli")


def statements(folder, seed, count):
    """So many statements: clauses of the table that is created, and the query that fills it."""
    random = Random(f"statements {seed}")
    schema = open_catalog(folder).load_table("default.s").schema()
    return [_statement(random, schema) for _ in range(count)]


def _statement(random, schema):
    names = [field.name for field in schema.fields]
    shape = random.choice(("all", "quarter", "some"))
    items = {name: name for name in names}
    if shape == "some":
        kept = random.sample(names, random.randint(1, len(names)))
        items = {random.choice((name, f"new_{name}")): name for name in kept}
    if shape == "quarter":
        items["quarter"] = "quarter(day)"
    if shape in ("quarter", "some"):
        for number in range(random.choice((0, 0, 1, 3))):
            items[f"extra_{number}"] = random.choice((random.choice(CONSTANTS), random.choice(CONSTANTS), _computed(random, schema)))
    where = _condition(random, schema)
    items = [item if item == name else f"{item} AS {name}" for name, item in items.items()]
    select = "*" if shape == "all" else ", ".join(items)
    query = f"SELECT {select} FROM glue.default.s{where}"
    kept = [item.split(" AS ")[-1] for item in items]
    partition = _partition(random, schema, kept)
    return {
        "query": query,
        "partition": partition,
        # Without a clause a migration takes the source's partitions, which need their columns.
        "can_migrate": partition != "" or {"day", "year"} <= set(kept),
        "properties": _properties(random, kept),
        "is_whole": select == "*" and not where,
    }


def _computed(random, schema):
    field = random.choice([field for field in schema.fields if field.name in ("id", "year", "day") or _is_number(field)])
    choices = {
        "id": ("id", "CAST(id AS STRING)", "CASE WHEN id < 500 THEN 'early' ELSE 'late' END", "id IS NULL"),
        "year": ("CAST(year AS BIGINT)", "year * 100", "CAST(year AS STRING)"),
        "day": ("date_part('year', day)", "CAST(date_trunc('month', day) AS TIMESTAMP(6))", "CAST(day AS TIMESTAMP(6))", "quarter(day) = 'Q1'"),
    }
    return random.choice(choices.get(field.name, (f"{field.name} IS NULL", f"CAST({field.name} AS DOUBLE)")))


def _is_number(field):
    return isinstance(field.field_type, (IntegerType, LongType, FloatType, DoubleType))


def _condition(random, schema):
    """All rows, some or none."""
    if random.random() < 0.6:
        return ""
    field = random.choice(schema.fields)
    kind = field.field_type
    choices = [f"{field.name} IS NOT NULL", f"{field.name} IS NULL"]
    if isinstance(kind, StringType):
        choices += [f"{field.name} >= ''", f"{field.name} > 'p'", f"{field.name} LIKE 'w%'"]
    if _is_number(field):
        choices += [f"{field.name} > 0", f"{field.name} <> 3", f"{field.name} IS NOT DISTINCT FROM 0"]
    if isinstance(kind, BooleanType):
        choices += [field.name, f"NOT {field.name}"]
    common = ["id > 0", "id >= 300", "id < 0", "day >= DATE '2019-02-10'", "year IN (2018, 2019)", "year = 2019 AND id < 400"]
    return f" WHERE {random.choice(choices + common)}"


def _partition(random, schema, names):
    kinds = {field.name: field.field_type for field in schema.fields}
    choices = [""] * 5
    if "day" in names:
        choices += ["month(day)", "year(day)"]
    if "year" in names:
        choices += ["year", "year, quarter" if "quarter" in names else "year"]
    if "id" in names:
        choices += ["bucket(2, id)", "truncate(400, id)"]
    for name in names:
        if isinstance(kinds.get(name), StringType):
            choices.append(f"truncate(1, {name})")
        if isinstance(kinds.get(name), BooleanType):
            choices.append(name)
    return random.choice(choices)


def _properties(random, names):
    properties = {
        "write.parquet.row-group-size-bytes": random.choice((512, 512, 2048, 2048, 8192, 100_000)),
        "write.parquet.page-row-limit": 100,
    }
    if random.random() < 0.6:
        properties["write.parquet.compression-codec"] = random.choice(CODECS)
    if random.random() < 0.15:
        properties["write.target-file-size-bytes"] = 1000
    if random.random() < 0.1:
        properties[f"write.parquet.bloom-filter-enabled.column.{random.choice(names)}"] = "true"
    if random.random() < 0.2:
        properties["write.metadata.metrics.default"] = random.choice(("full", "counts", "truncate(4)"))
    return properties
