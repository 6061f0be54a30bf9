#!/usr/bin/env python3
"""Runs contenders side by side on one source, in one sitting, and prints a Markdown table.

  run.py disk lake/1m --icelift target/dist/icelift --work work --rounds 3
  run.py disk lake/1m --icelift … --work work --contenders cp,icelift,sail --cores 1,2
  run.py link lake/1m --icelift … --work work --rtt-ms 40 --mbit 400 --contenders icelift,icelift-content

disk: source and target are folders. link: source and target are two object stores with a catalog each, each behind a link
of its own. Contenders take turns, round by round. Before each run the target is emptied, the disk synced and the source
read once, so that all find it in the page cache. After each run DuckDB compares the output with the source. Every run adds
a line to --work/results.jsonl; a run that fails or whose output differs is shown as that and counts for nothing.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import reenter

reenter.lakes()

import clouds  # noqa: E402 (what follows exists only in the environment that was just entered)
import contenders  # noqa: E402
import machine  # noqa: E402
import outcome  # noqa: E402
import places  # noqa: E402
import report  # noqa: E402


class Sitting:
    """Runs on one source with one set of options."""

    def __init__(self, options, source):
        self.options, self.source = options, source
        self.source_info = json.loads((options.source / "source.json").read_text())
        self.codec = options.codec or self.source_info["codec"]
        self.wanted = outcome.expected(options.source)
        self.source_bytes = parquet_bytes(options.source)
        self.results = options.work / "results.jsonl"

    def run(self, name, cores, round_number):
        """One run of one contender, from an empty folder to the checked outcome."""
        folder = self.options.work / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        contender = self.options.all_contenders[name]
        record = {"contender": name, "cores": cores, "round": round_number, "at": time.strftime("%FT%TZ", time.gmtime())}
        with clouds.stage(self.options, contender, self.source, folder) as stage:
            task = contenders.job.Job(stage.source, stage.target, self.codec, cores)
            read_all(self.options.source)
            os.sync()
            record |= measured(contender.command(task), contender.variables(), cores, folder, self.options.timeout_s)
            record |= stage.traffic(self.source_bytes, record["wall_s"], self.options.mbit)
            record |= self.outcome(record, contender, stage.output, folder)
        self.keep(record)
        return record

    def outcome(self, record, contender, output, folder):
        if record["exit_code"] != 0:
            late = record["wall_s"] >= self.options.timeout_s
            return {"verdict": f"failed: {'not done in time' if late else last_words(folder)}"}
        try:
            outcome.check(self.wanted, output, contender.adds_quarter)
        except outcome.Wrong as wrong:
            return {"verdict": f"wrong: {wrong}"}
        return {"verdict": "ok", "output_bytes": parquet_bytes(output)}

    def keep(self, record):
        shared = {"scenario": self.options.scenario, "codec": self.codec, "source": self.source_info}
        with self.results.open("a") as results:
            results.write(json.dumps(record | shared | {"machine": machine.description()}) + "\n")


def measured(command, variables, cores, folder, timeout_s):
    """Runs a command below measure.py; its output goes to files."""
    figures = folder / "measured.json"
    words = [sys.executable, places.HERE / "measure.py", "--to", figures, "--cores", cores, "--timeout-s", timeout_s, "--"]
    with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
        command = [str(word) for word in [*words, *command]]
        run = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=os.environ | variables)
        try:
            run.wait()
        finally:
            # It ends what it has started; there is nothing to end unless this process was told to.
            run.terminate()
            run.wait()
    return json.loads(figures.read_text())


def last_words(folder):
    """The error of a failed run, as far as it fits into a table."""
    lines = [line for line in (folder / "stderr").read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines or ["it said nothing"]
    return errors[-1].strip()[:200]


def parquet_bytes(folder):
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


def read_all(folder):
    """Brings every file into the page cache."""
    buffer = bytearray(2**20)
    for path in sorted(folder.rglob("*.parquet")):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def every_run(sitting):
    options = sitting.options
    for round_number in range(1, options.rounds + 1):
        for cores in options.cores:
            for name in options.contenders:
                record = sitting.run(name, cores, round_number)
                print(f"round {round_number}, {cores} cores, {name}: {record['wall_s']} s, {record['verdict']}", file=sys.stderr)
                yield record


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=["disk", "link"])
    parser.add_argument("source", type=pathlib.Path, help="a folder made by data.py")
    parser.add_argument("--icelift", type=pathlib.Path, required=True, help="the program, built with --profile dist")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="scratch folder on the source's disk")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", type=words, help="names with commas between them; all that can unless given")
    parser.add_argument("--cores", type=numbers, default=[places.cores()], help="such as 1,2; all unless given")
    parser.add_argument("--codec", choices=["zstd", "snappy"], help="of the target; the source's unless given")
    parser.add_argument("--timeout-s", type=int, default=6 * 3600, help="after which a run is ended and has failed")
    parser.add_argument("--rtt-ms", type=float, default=0.0, help="of each link")
    parser.add_argument("--mbit", type=float, default=0.0, help="megabits a second of each link and direction; 0: no limit")
    options = parser.parse_args()
    for name in ("source", "work", "icelift"):
        setattr(options, name, getattr(options, name).absolute())
    options.all_contenders = contenders.every(options.icelift)
    able = [name for name, each in options.all_contenders.items() if each.speaks_rest or options.scenario == "disk"]
    options.contenders = options.contenders or able
    unable = [name for name in options.contenders if name not in able]
    if unable:
        parser.error(f"`{unable[0]}` cannot run here; there are {', '.join(able)}")
    if max(options.cores) > places.cores():
        parser.error(f"there are {places.cores()} cores")
    return options


def words(text):
    return text.split(",")


def numbers(text):
    return [int(word) for word in text.split(",")]


def main():
    # As an exception, so that every server and contender is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    with clouds.source(options) as source:
        sitting = Sitting(options, source)
        records = list(every_run(sitting))
    print(report.heading(sitting.source_info, sitting.source_bytes, options, sitting.codec))
    print(report.tables(records, options, sitting.source_info["rows"]))
    if any(record["verdict"] != "ok" for record in records):
        sys.exit(1)


if __name__ == "__main__":
    main()
