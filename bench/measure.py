#!/usr/bin/env python3
"""Runs a command and writes what its whole process tree has used as JSON.

  measure.py --to used.json [--cores 2] [--timeout-s 3600] -- COMMAND ...

wall_s, cpu_s (user and system), peak_rss_mib (the largest sum over the tree that was seen, 20 times a second; pages that
processes share count for each), others_cpu_s (what all other processes of the machine used meanwhile), exit_code.
"""

import argparse
import ctypes
import json
import os
import pathlib
import resource
import signal
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_S = 0.05
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def machine_cpu_s():
    """What all processes have used since the machine was started."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, pathlib.Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS_PER_S


def descendants(pid):
    found, left = [], [pid]
    while left:
        for task in pathlib.Path(f"/proc/{left.pop()}/task").glob("*/children"):
            try:
                children = [int(child) for child in task.read_text().split()]
            except OSError:
                # It has ended since it was listed.
                continue
            found += children
            left += children
    return found


def rss_bytes(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


class PeakRss:
    """Watches the memory of all descendants of this process while it is open."""

    def __enter__(self):
        self.bytes, self._over = 0, threading.Event()
        self._watch = threading.Thread(target=self._sample)
        self._watch.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._watch.join()

    def _sample(self):
        while not self._over.wait(SAMPLE_S):
            self.bytes = max(self.bytes, sum(map(rss_bytes, descendants(os.getpid()))))


def wait_for_all(command, timeout_s):
    """Waits for the command, then for what it has left behind; ends all of it when the time is over or SIGTERM comes."""

    def end_all(*_):
        for pid in descendants(os.getpid()):
            os.kill(pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, end_all)
    signal.signal(signal.SIGTERM, end_all)
    signal.alarm(timeout_s)
    exit_code = command.wait()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.alarm(0)
            return exit_code


def measure(command, cores, timeout_s):
    # Processes whose parent has ended become ours, so that their CPU time is counted too: Spark leaves a JVM behind.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    machine_before, started = machine_cpu_s(), time.monotonic()
    with PeakRss() as peak:
        exit_code = wait_for_all(subprocess.Popen(command), timeout_s)
        wall_s = time.monotonic() - started
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = usage.ru_utime + usage.ru_stime
    return {
        "exit_code": exit_code,
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "peak_rss_mib": round(max(peak.bytes, usage.ru_maxrss * 1024) / 2**20, 1),
        "others_cpu_s": round(max(0.0, machine_cpu_s() - machine_before - cpu_s), 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=pathlib.Path, required=True)
    parser.add_argument("--cores", type=int, help="confine the command to so many cores")
    parser.add_argument("--timeout-s", type=int, default=6 * 3600)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    options.to.write_text(json.dumps(measure(options.command, options.cores, options.timeout_s)))


if __name__ == "__main__":
    main()
