"""Where a contender reads and writes: folders, or object stores with catalogs and links in front of them."""

import contextlib
import os
import shutil

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

import contenders
import drive_stats
import servers
import table

job = contenders.job


class Stage:
    """Source and target of one run, and the folder where the output's files can be looked at."""

    def __init__(self, source, target, output, clouds=None):
        self.source, self.target, self.output = source, target, output
        self._clouds = clouds or {}
        self._before = self._counters()

    def _counters(self):
        return {name: read_counters(cloud) for name, cloud in self._clouds.items()}

    def traffic(self, source_bytes, wall_s, mbit):
        """What has passed the links, against the table's bytes and the links' rate."""
        if not self._clouds:
            return {}
        before, now = self._before, self._counters()
        read = now["source"]["down_bytes"] - before["source"]["down_bytes"]
        written = now["target"]["up_bytes"] - before["target"]["up_bytes"]
        figures = {
            "source_read_bytes": read,
            "target_written_bytes": written,
            "source_read_ratio": round(read / source_bytes, 4),
            "requests": {name: dict(now[name]["requests"] - before[name]["requests"]) for name in now},
        }
        if mbit:
            # Both links run at once: the busier one says how near the migration came to the rate.
            figures["link_use"] = round(max(read, written) / wall_s / (mbit * 125_000), 4)
        return figures


def read_counters(cloud):
    return cloud.link.counters() | {"requests": servers.requests_by_operation(cloud.access_log)}


@contextlib.contextmanager
def source(options):
    """The source for all runs of a sitting: the folder itself, or a cloud with the same files behind a link."""
    if options.scenario == "disk":
        yield options.source
        return
    folder = options.work / "source-cloud"
    # Files of another source may have the same names.
    shutil.rmtree(folder, ignore_errors=True)
    with servers.cloud(folder / "store", folder, link_arguments(options)) as cloud:
        fill(cloud, options.source)
        yield cloud


@contextlib.contextmanager
def stage(options, contender, source, folder):
    """A new, empty target for one run."""
    if options.scenario == "link":
        with servers.cloud(folder / "store", folder, link_arguments(options)) as target:
            warm(target)
            yield Stage(source.address, target.address, target.folder, {"source": source, "target": target})
    elif contender.target_is_rest:
        with servers.cloud(folder / "store", folder) as target:
            yield Stage(source, target.address, target.folder)
    else:
        output = folder / "output"
        output.mkdir()
        yield Stage(source, output, output)


def warm(cloud):
    """Lets the catalog, a program in Java, do once what it will be asked for: its first answers take a second."""
    catalog = RestCatalog("warm", uri=cloud.address, **job.REST_OPTIONS)
    catalog.create_namespace("warm")
    made = catalog.create_table(("warm", "t"), pa.schema([("n", pa.int64())]))
    for _ in range(3):
        made.append(pa.table({"n": [1]}))
    catalog.purge_table(("warm", "t"))


def link_arguments(options):
    return ["--rtt-ms", options.rtt_ms, "--mbit", options.mbit]


def fill(cloud, folder):
    """Makes the table of a folder in a cloud. The store keeps objects as files, so that links to them will do."""
    catalog = RestCatalog("src", uri=cloud.address, **job.REST_OPTIONS)
    made = table.create(catalog, codec="zstd")
    for year in drive_stats.YEARS:
        paths = [share(cloud, file, made.location()) for file in sorted(folder.rglob(f"data/year={year}/*.parquet"))]
        table.append(made, paths)


def share(cloud, file, location):
    """Puts a file into the table's folder of the bucket without copying it; returns its address. Elsewhere DuckDB has no keys."""
    address = f"{location}/data/{file.parent.name}/{file.name}"
    there = cloud.folder / address.removeprefix(f"s3://{servers.BUCKET}/")
    there.parent.mkdir(parents=True, exist_ok=True)
    if not there.exists():
        os.link(file, there)
    return address
