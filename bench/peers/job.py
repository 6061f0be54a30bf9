"""What each peer is told, and the parts of the article's migration that are the same for all: one table, year by year,
`quarter` added, partitioned by (year, quarter), files of 256 MiB, one commit a year."""

import argparse
import collections
import json
import pathlib
import urllib.parse

TABLE = ("default", "drive_stats")
TARGET_FILE_BYTES = 256 * 2**20
# What the REST catalogs of the benchmarks go by; they listen on loopback only.
REST_TOKEN = "bench"
REST_WAREHOUSE = "bench"
# PyIceberg's timeouts of a few seconds are too short for a slow link.
REST_OPTIONS = {
    "token": REST_TOKEN,
    "warehouse": REST_WAREHOUSE,
    "s3.connect-timeout": "60",
    "s3.request-timeout": "60",
}

QUARTER_SQL = (
    "CASE WHEN month(date) BETWEEN 1 AND 3 THEN 'Q1' WHEN month(date) BETWEEN 4 AND 6 THEN 'Q2' "
    "WHEN month(date) BETWEEN 7 AND 9 THEN 'Q3' WHEN month(date) BETWEEN 10 AND 12 THEN 'Q4' END"
)

Job = collections.namedtuple("Job", "source target codec cores")
"""Source and target are folders of local catalogs, or addresses of REST catalogs."""


def arguments(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=place, help="folder made by data.py, or the address of a REST catalog")
    parser.add_argument("target", type=place, help="a folder, or the address of a REST catalog")
    parser.add_argument("--codec", default="zstd")
    parser.add_argument("--cores", type=int, default=1)
    return Job(**vars(parser.parse_args()))


def place(text):
    return text if is_rest(text) else pathlib.Path(text).absolute()


def is_rest(where):
    return urllib.parse.urlparse(str(where)).scheme == "http"


def table_properties(codec):
    return {
        "format-version": "2",
        "write.target-file-size-bytes": str(TARGET_FILE_BYTES),
        "write.parquet.compression-codec": codec,
    }


def table_folder(catalog_folder):
    return catalog_folder.joinpath(*TABLE)


def newest_metadata(catalog_folder):
    """The metadata file of the table in a folder made by data.py."""
    return max((table_folder(catalog_folder) / "metadata").glob("0*.metadata.json"))


def say_done(rows):
    """What run.py reads: how many rows the peer itself thinks that it has moved."""
    print(json.dumps({"rows": rows}), flush=True)
