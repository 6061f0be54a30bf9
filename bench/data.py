#!/usr/bin/env python3
"""Generates a source: an Iceberg table of drive statistics in a local catalog, which icelift attaches by
ATTACH '<folder>' AS src (TYPE local) and Spark as a Hadoop catalog.

  data.py lake/1m --rows 1000000                          years, each ordered by date, row groups of 128 MiB, zstd
  data.py lake/1m-shuffled --rows 1000000 --order shuffled    the same rows in random order within each file
  data.py lake/1m-quarters --rows 1000000 --by quarter        a file for each quarter instead of each year

Equal rows and seed give equal rows, whatever the other options. Rows are streamed: memory is about 0.5 GiB a job
(471 MiB for the largest year of 50 M rows, shuffled). About 45 bytes of disk for a row in date order, 60 in random order.
"""

import argparse
import collections
import concurrent.futures
import io
import json
import os
import pathlib
import shutil
import time

import reenter

reenter.lakes()

import numpy as np  # noqa: E402 (what follows exists only in the environment that was just entered)
import pyarrow as pa  # noqa: E402
from arro3.io import write_parquet  # noqa: E402
from pyiceberg.catalog.sql import SqlCatalog  # noqa: E402

import drive_stats  # noqa: E402
import table  # noqa: E402

BATCH_ROWS = 65_536
SAMPLE_ROWS = 200_000
# arro3 wants a level; this is Iceberg's default.
ARRO3_CODECS = {"zstd": "zstd(3)", "snappy": "snappy"}

Part = collections.namedtuple("Part", "path year year_rows first end schema options")
"""One file to be written: rows `first` to `end` of a year that has `year_rows`."""


def write(part):
    """Writes one file, a batch at a time; the writer holds no more than one encoded row group."""
    year = drive_stats.Year(part.year, part.year_rows, part.options.seed)
    numbers = np.arange(part.first, part.end)
    if part.options.order == "shuffled":
        np.random.default_rng([part.options.seed, part.year, part.first]).shuffle(numbers)
    group_rows = rows_of_a_group(year, numbers, part.schema, part.options)
    part.path.parent.mkdir(parents=True, exist_ok=True)
    encode(year, numbers, part.schema, part.options.codec, part.path, group_rows)
    return part


def rows_of_a_group(year, numbers, schema, options):
    """How many rows make up a row group of the wanted size, by what a sample of them takes."""
    sample = numbers[:SAMPLE_ROWS]
    file = io.BytesIO()
    encode(year, sample, schema, options.codec, file, len(sample))
    return max(1, int(options.row_group_mib * 2**20 * len(sample) / file.tell()))


def encode(year, numbers, schema, codec, file, group_rows):
    slices = (numbers[start : start + BATCH_ROWS] for start in range(0, len(numbers), BATCH_ROWS))
    batches = (pa.record_batch(year.batch(each).columns, schema=schema) for each in slices)
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    write_parquet(reader, file, compression=ARRO3_CODECS[codec], max_row_group_size=group_rows, skip_arrow_metadata=True)


def parts(made, folder, options):
    """The files of the table, the largest first, so that no process is left with one at the end."""
    found = []
    for year, rows in drive_stats.rows_by_year(options.rows).items():
        bounds = drive_stats.Year(year, rows, options.seed).quarter_bounds() if options.by == "quarter" else [0, rows]
        for first, end in zip(bounds, bounds[1:]):
            path = folder / f"year={year}" / f"{year}-{first:09}.parquet"
            found.append(Part(path, year, rows, first, end, table.file_schema(made, year), options))
    return sorted(found, key=lambda part: part.first - part.end)


def open_for_spark(made):
    """Names the newest metadata file as Hadoop catalogs look for it."""
    newest = pathlib.Path(made.metadata_location.removeprefix("file://"))
    shutil.copy(newest, newest.with_name("v1.metadata.json"))
    newest.with_name("version-hint.text").write_text("1")


def generate(folder, options):
    folder.mkdir(parents=True)
    catalog = SqlCatalog("src", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    made = table.create(catalog, options.codec)
    wanted = parts(made, pathlib.Path(made.location().removeprefix("file://")) / "data", options)
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        written = list(pool.map(write, wanted))
    for year in drive_stats.YEARS:
        paths = sorted(part.path for part in written if part.year == year)
        table.append(made, [f"file://{path}" for path in paths])
    open_for_spark(made)
    described = vars(options) | {"folder": str(folder), "bytes": sum(part.path.stat().st_size for part in written)}
    (folder / "source.json").write_text(json.dumps(described))
    return described


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="where the table goes; must not exist")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--order", choices=["date", "shuffled"], default="date", help="order of the rows of a file")
    parser.add_argument("--by", choices=["year", "quarter"], default="year", help="what a file holds")
    parser.add_argument("--row-group-mib", type=float, default=128, help="about how large row groups are")
    parser.add_argument("--codec", choices=list(ARRO3_CODECS), default="zstd")
    parser.add_argument("--seed", type=int, default=20241231)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="how many files at once")
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"{options.folder} exists; remove it or choose another folder")
    if options.rows < 1000:
        parser.error(f"--rows is {options.rows}, at least 1000: each quarter must have some")
    return options


def main():
    options = arguments()
    folder = options.folder.absolute()
    del options.folder
    started = time.monotonic()
    described = generate(folder, options)
    print(json.dumps(described | {"wall_s": round(time.monotonic() - started, 1)}))


if __name__ == "__main__":
    main()
