"""Whether a contender did the work: rows and sums of every quarter, by DuckDB over the Parquet files, against the source's."""

import json
import sys

import places

sys.path.append(str(places.HERE / "peers"))

import duckdb_session  # noqa: E402
import job  # noqa: E402

# Some columns of each kind, and a hash that ties them together row by row.
SUMS = """count(*), sum(failure), sum(capacity_bytes::HUGEINT), sum(smart_9_raw), count(datacenter), count(smart_241_raw),
    sum(hash(date, serial_number, model, failure::BIGINT, smart_1_raw, smart_9_raw, smart_241_raw, datacenter)::HUGEINT)"""


class Wrong(Exception):
    """The output is not what the source asks for."""


def sums(folder, quarter):
    """The sums of each year and quarter over all Parquet files below a folder, whichever of them a table knows."""
    files = [str(file) for file in folder.rglob("*.parquet")]
    if not files:
        return []
    session = duckdb_session.connect(places.cores())
    session.execute("SET memory_limit = '4GB'")
    rows = "read_parquet(?, union_by_name = true, hive_partitioning = false)"
    return session.execute(f"SELECT year, {quarter}, {SUMS} FROM {rows} GROUP BY ALL ORDER BY ALL", [files]).fetchall()


def expected(source):
    return sums(source, job.QUARTER_SQL)


def check(wanted, folder, adds_quarter):
    """Raises Wrong unless the files below the folder have the wanted sums, and the table, if there is one, all rows."""
    found = sums(folder, "quarter" if adds_quarter else job.QUARTER_SQL)
    differing = sorted({row[:2] for row in set(found) ^ set(wanted)})
    if differing:
        year, quarter = differing[0]
        raise Wrong(f"{len(differing)} quarters differ from the source, the first is {year} {quarter}")
    if len(found) != len(wanted):
        raise Wrong(f"{len(found)} groups of rows, expected {len(wanted)}")
    rows, wanted_rows = table_rows(folder), sum(row[2] for row in wanted)
    if rows not in (None, wanted_rows):
        raise Wrong(f"the table has {rows} rows, its files {wanted_rows}")


def table_rows(folder):
    """What the last metadata file counts; None where there is no table, or where its files are named by S3 addresses."""
    last = max(folder.rglob("*.metadata.json"), key=version, default=None)
    if last is None or '"s3://' in last.read_text():
        return None
    session = duckdb_session.connect(places.cores())
    [(rows,)] = session.execute(f"SELECT count(*) FROM iceberg_scan('{last}')").fetchall()
    return rows


def version(metadata_file):
    """Rises from one metadata file of a table to the next; a copy of them may have been written in any order."""
    metadata = json.loads(metadata_file.read_text())
    return metadata.get("last-sequence-number", 0), metadata["last-updated-ms"]
