"""Who runs: the command of each contender for a job, and what may be expected of its output."""

import collections
import pathlib
import sys

import places

sys.path.append(str(places.HERE / "peers"))

import job  # noqa: E402

Contender = collections.namedtuple("Contender", "command variables adds_quarter target_is_rest speaks_rest")
"""`command` makes the words to run out of a job; those that speak REST can take part in the run through links."""

# Alike for all; the folder of a target is its own.
MIGRATE = """
ATTACH {source} AS source ({source_type});
ATTACH {target} AS target ({target_type});
CREATE SCHEMA IF NOT EXISTS target.{namespace};
MIGRATE TABLE source.{table} TO target.{table}
SELECT *, quarter(date) AS quarter
PARTITIONED BY (year, quarter)
BATCH BY year
TBLPROPERTIES ({properties})
WITH ({options});
"""


def attachment(place):
    """Warehouse and options of ATTACH."""
    if job.is_rest(place):
        return f"'{job.REST_WAREHOUSE}'", f"TYPE rest, URI '{place}', TOKEN '{job.REST_TOKEN}'"
    return f"'{place}'", "TYPE local"


def migrate_statements(task, options):
    (source, source_type), (target, target_type) = attachment(task.source), attachment(task.target)
    properties = ", ".join(f"'{key}' = '{value}'" for key, value in job.table_properties(task.codec).items())
    return MIGRATE.format(
        source=source,
        source_type=source_type,
        target=target,
        target_type=target_type,
        namespace=job.TABLE[0],
        table=".".join(job.TABLE),
        properties=properties,
        options=", ".join(f"{key} = '{value}'" for key, value in options.items()),
    )


def no_variables():
    return {}


def icelift(binary, **options):
    def command(task):
        statements = migrate_statements(task, options)
        return [binary, "--threads", task.cores, "--format", "json", "--progress", "json", "-c", statements]

    return Contender(command, no_variables, adds_quarter=True, target_is_rest=False, speaks_rest=True)


def peer(environment, script, *, adds_quarter=True, target_is_rest=False, speaks_rest=False, variables=no_variables):
    def command(task):
        words = [places.python(environment), places.HERE / "peers" / script, task.source, task.target]
        return [*words, "--codec", task.codec, "--cores", task.cores]

    return Contender(command, variables, adds_quarter, target_is_rest, speaks_rest)


def copy(task):
    return ["cp", "-r", "--reflink=never", task.source, task.target]


def copy_synced(task):
    """What a copy takes that survives a power cut, as a commit must: every file is on the disk at its end."""
    script = 'cp -r --reflink=never "$0" "$1" && find "$1" -print0 | xargs -0 sync'
    return ["sh", "-c", script, task.source, task.target]


def parquet_loop(binary):
    """Built beside icelift: `cargo build --examples`."""

    def command(task):
        return [pathlib.Path(binary).parent / "examples" / "parquet_loop", task.source, task.target, task.codec, task.cores]

    return Contender(command, no_variables, adds_quarter=False, target_is_rest=False, speaks_rest=False)


def spark_variables():
    return {"ICEBERG_SPARK_JAR": str(places.spark_jar())}


def every(binary):
    """All contenders by name, those that do the least first."""
    return {
        "cp": Contender(copy, no_variables, adds_quarter=False, target_is_rest=False, speaks_rest=False),
        "cp-synced": Contender(copy_synced, no_variables, adds_quarter=False, target_is_rest=False, speaks_rest=False),
        "parquet-rs-loop": parquet_loop(binary),
        "pyarrow-loop": peer("lakes", "pyarrow_loop.py", adds_quarter=False),
        "icelift": icelift(binary, verify="metadata"),
        "icelift-content": icelift(binary, verify="content"),
        "icelift-encode": icelift(binary, verify="metadata", splice="off"),
        "icelift-encode-content": icelift(binary, verify="content", splice="off"),
        "duckdb-parquet": peer("lakes", "duckdb_parquet.py"),
        "duckdb-iceberg": peer("lakes", "duckdb_iceberg.py", target_is_rest=True, speaks_rest=True),
        "pyiceberg": peer("lakes", "pyiceberg_append.py", speaks_rest=True),
        "sail": peer("sail", "sail_append.py"),
        "spark35": peer("spark35", "spark35.py", variables=spark_variables),
    }


# Engines that do the whole work and are not ours: the best of them is the one to beat.
PEERS = ["duckdb-parquet", "duckdb-iceberg", "pyiceberg", "sail", "spark35"]
