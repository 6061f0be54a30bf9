"""PyIceberg scans a year into memory, adds the quarter and appends it: one commit a year.

  pyiceberg_append.py SOURCE TARGET [--codec zstd] [--cores 2]

Source and target are folders of local catalogs or addresses of REST catalogs. A whole year is in memory at a time.
"""

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.catalog.sql import SqlCatalog

import job

LABELS = pa.array(["Q1", "Q2", "Q3", "Q4"])


def open_catalog(name, where):
    if job.is_rest(where):
        return RestCatalog(name, uri=where, **job.REST_OPTIONS)
    where.mkdir(parents=True, exist_ok=True)
    return SqlCatalog(name, uri=f"sqlite:///{where}/catalog.db", warehouse=f"file://{where}")


def with_quarter(table):
    index = pc.subtract(pc.quarter(table["date"]), 1)
    return table.append_column("quarter", pc.take(LABELS, index))


def create_target(catalog, schema, codec):
    catalog.create_namespace_if_not_exists(job.TABLE[0])
    target = catalog.create_table(job.TABLE, schema, properties=job.table_properties(codec))
    with target.update_spec() as spec:
        spec.add_identity("year")
        spec.add_identity("quarter")
    return target


def main():
    task = job.arguments(__doc__)
    pa.set_cpu_count(task.cores)
    source = open_catalog("src", task.source).load_table(job.TABLE)
    catalog = open_catalog("dst", task.target)
    partitions = source.inspect.partitions()["partition"].to_pylist()
    target, rows = None, 0
    for year in sorted({partition["year"] for partition in partitions}):
        table = with_quarter(source.scan(row_filter=f"year == {year}").to_arrow())
        target = target or create_target(catalog, table.schema, task.codec)
        target.append(table)
        rows += table.num_rows
    job.say_done(rows)


if __name__ == "__main__":
    main()
