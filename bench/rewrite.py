#!/usr/bin/env python3
"""Rewrites the small files of one table with several engines, in one sitting, and prints a Markdown table.

  rewrite.py WORK_FOLDER --icelift target/dist/icelift [--files 1000] [--rows 1000000] [--contenders icelift,pyiceberg,spark35]

The table has drive statistics in so many files, an equal number in each of twelve years. Every contender gets a copy of its own
and puts all files into as few as it likes. PyIceberg 0.12 has no call for this: it reads the table and overwrites it, which holds
all rows in memory. Spark is the article's, with its call and rewrite-all. Afterwards DuckDB reads each table: the same rows,
told by the sum of their hashes.

Bytes are those of read and write calls of the whole process tree, whether or not the page cache had them.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import places
import reenter

CONTENDERS = ("icelift", "icelift-sort", "pyiceberg", "spark35")
NAME = ("default", "drive_stats")
CALL = "CALL {catalog}.system.rewrite_data_files(table => 'default.drive_stats'{more}, options => map('rewrite-all', 'true'))"


def catalog(folder):
    from pyiceberg.catalog.sql import SqlCatalog

    return SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")


def generate(folder, files, rows):
    """Writes the table once."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    import drive_stats
    import table

    folder.mkdir(parents=True)
    found = table.create(catalog(folder), "snappy")
    data = pathlib.Path(found.location().removeprefix("file://")) / "data"
    data.mkdir(parents=True, exist_ok=True)
    each = max(1, rows // files)
    numbers, paths = iter(range(files)), []
    years = list(drive_stats.YEARS)
    for number in numbers:
        year = years[number % len(years)]
        schema = table.file_schema(found, year)
        start = number * each
        ids = pa.array(range(start, start + each), pa.int64())
        columns = []
        for field in schema:
            if field.name == "year":
                column = pa.array([year] * each)
            elif pa.types.is_date(field.type):
                day = pa.scalar(year - 1970).as_py() * 365 + (year - 1969) // 4
                column = pc.add(pa.array([day] * each, pa.int32()), pc.cast(pc.divide(pc.multiply(pc.subtract(ids, start), 365), each), pa.int32())).cast(pa.date32())
            elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                column = pc.binary_join_element_wise(field.name, pc.cast(pc.bit_wise_and(ids, 0xFFFF), pa.string()), "-")
            else:
                spread = pc.bit_wise_and(pc.multiply(ids, 2654435761 + len(field.name)), 0xFFF)
                column = pc.cast(spread, field.type, safe=False)
            columns.append(pc.cast(column, field.type))
        path = data / f"small-{number:05}.parquet"
        pq.write_table(pa.table(columns, schema=schema), path, compression="snappy")
        paths.append(str(path))
    for start in range(0, files, 100):
        table.append(catalog(folder).load_table(NAME), [f"file://{path}" for path in paths[start : start + 100]])
    # Where Spark looks for it.
    metadata = pathlib.Path(catalog(folder).load_table(NAME).metadata_location.removeprefix("file://"))
    shutil.copy(metadata, metadata.parent / "v1.metadata.json")
    (metadata.parent / "version-hint.text").write_text("1")


def state(folder, engine):
    """What DuckDB reads, and how many files of what size there are."""
    import duckdb

    sys.path.append(str(places.HERE / "peers"))
    import duckdb_session

    if engine == "spark35":
        hint = folder / NAME[0] / NAME[1] / "metadata"
        location = hint / f"v{(hint / 'version-hint.text').read_text().strip()}.metadata.json"
    else:
        location = catalog(folder).load_table(NAME).metadata_location.removeprefix("file://")
    session = duckdb_session.connect(places.cores()) if hasattr(duckdb_session, "connect") else duckdb.connect()
    query = f"SELECT count(*), sum(hash(t)::HUGEINT) FROM iceberg_scan('{location}') t"
    [(rows, sums)] = session.execute(query).fetchall()
    return {"rows": rows, "sum": str(sums)}


def live_files(folder, engine):
    from pyiceberg.table import StaticTable

    if engine == "spark35":
        hint = folder / NAME[0] / NAME[1] / "metadata"
        table = StaticTable.from_metadata(str(hint / f"v{(hint / 'version-hint.text').read_text().strip()}.metadata.json"))
    else:
        table = catalog(folder).load_table(NAME)
    sizes = [task.file.file_size_in_bytes for task in table.scan().plan_files()]
    return len(sizes), sum(sizes)


PYICEBERG = """
import sys
from pyiceberg.catalog.sql import SqlCatalog
folder = sys.argv[1]
table = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}").load_table(("default", "drive_stats"))
table.overwrite(table.scan().to_arrow())
"""

SPARK = """
import sys
sys.path.append(sys.argv[2])
import pathlib
import job
import spark35
task = type("Task", (), {"source": pathlib.Path(sys.argv[1]), "target": pathlib.Path(sys.argv[1]), "cores": sys.argv[3]})
spark = spark35.start(task)
spark.sql(sys.argv[4]).show()
spark.stop()
"""


def command(engine, folder, options):
    if engine.startswith("icelift"):
        more = ", sort_order => 'serial_number, date'" if engine.endswith("sort") else ""
        attach = f"ATTACH '{folder}' AS r2 (TYPE local)"
        call = CALL.format(catalog="r2", more=more)
        return [options.icelift, "--threads", str(options.cores), "-c", f"{attach}; {call}"]
    if engine == "pyiceberg":
        return [str(places.python("lakes")), "-c", PYICEBERG, str(folder)]
    call = CALL.format(catalog="target", more="")
    return [str(places.python("spark35")), "-c", SPARK, str(folder), str(places.HERE / "peers"), str(options.cores), call]


def bytes_of_calls():
    """Read and written by this process and all that it has waited for."""
    counters = dict(line.split(": ") for line in pathlib.Path("/proc/self/io").read_text().splitlines())
    return int(counters["rchar"]), int(counters["wchar"])


def run(engine, source, options):
    folder = options.work / engine
    shutil.rmtree(folder, ignore_errors=True)
    # Paths in metadata are absolute: the copy takes the place of the source while it is worked on.
    aside = source.with_name(source.name + "-aside")
    source.rename(aside)
    try:
        shutil.copytree(aside, source)
        used = options.work / f"{engine}.json"
        environment = os.environ | ({"ICEBERG_SPARK_JAR": str(places.spark_jar())} if engine == "spark35" else {})
        before = live_files(source, engine)
        measure = [sys.executable, str(places.HERE / "measure.py"), "--to", str(used), "--"]
        read_before, written_before = bytes_of_calls()
        with open(options.work / f"{engine}.log", "w") as log:
            subprocess.run([*measure, *command(engine, source, options)], env=environment, stdout=log, stderr=log, check=True)
        read, written = bytes_of_calls()
        found = json.loads(used.read_text()) | {"engine": engine, "files_before": before[0], "bytes_before": before[1]}
        found["read_bytes"], found["written_bytes"] = read - read_before, written - written_before
        found["files_after"], found["bytes_after"] = live_files(source, engine)
        return found | state(source, engine)
    finally:
        shutil.rmtree(source, ignore_errors=True)
        aside.rename(source)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--icelift", required=True)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--cores", type=int, default=places.cores())
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    options = parser.parse_args()
    options.work = options.work.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    source = options.work / f"source-{options.files}-{options.rows}"
    if not source.exists():
        generate(source, options.files, options.rows)
    wanted = state(source, "icelift")
    mib = 1 << 20
    print("| engine | core s | wall s | peak MiB | files | MiB before | MiB after | read MiB | written MiB | rows | others' core s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with open(options.work / "rewrite.jsonl", "a") as kept:
        for engine in options.contenders.split(","):
            found = run(engine, source, options)
            kept.write(json.dumps(found) + "\n")
            same = (found["rows"], found["sum"]) == (wanted["rows"], wanted["sum"])
            cells = [
                engine,
                found["cpu_s"] if found["exit_code"] == 0 else f"failed: {found['exit_code']}",
                found["wall_s"],
                found["peak_rss_mib"],
                f"{found['files_before']} → {found['files_after']}",
                *(found[key] // mib for key in ("bytes_before", "bytes_after", "read_bytes", "written_bytes")),
                "the same" if same else f"{found['rows']} of {wanted['rows']}, others",
                found["others_cpu_s"],
            ]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    reenter.lakes()
    main()
