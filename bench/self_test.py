#!/usr/bin/env python3
"""Tests of the benchmarks themselves: that a wrong outcome is found, that figures are those of what ran, that a link keeps
its delay and rate.   python3 bench/self_test.py   (a minute; needs the part `lakes` of setup.py)"""

import concurrent.futures
import contextlib
import json
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import reenter

reenter.lakes()

import outcome  # noqa: E402 (what follows exists only in the environment that was just entered)
import places  # noqa: E402

ROWS = 20_000


def run(script, *arguments):
    command = [sys.executable, places.HERE / script, *arguments]
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


class Generated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.source = cls.folder / "source"
        run("data.py", cls.source, "--rows", ROWS)
        cls.wanted = outcome.expected(cls.source)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def copy(self):
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.source / "default" / "drive_stats" / "data", copy)
        return copy, sorted(copy.rglob("*.parquet"))

    def test_all_rows_of_all_quarters(self):
        self.assertEqual(sum(row[2] for row in self.wanted), ROWS)
        # 2013 begins in the second quarter.
        self.assertEqual(len(self.wanted), 47)

    def test_an_equal_copy_is_right(self):
        copy, _ = self.copy()
        outcome.check(self.wanted, copy, adds_quarter=False)

    def test_lost_rows_are_found(self):
        copy, files = self.copy()
        files[3].unlink()
        with self.assertRaisesRegex(outcome.Wrong, "4 quarters differ"):
            outcome.check(self.wanted, copy, adds_quarter=False)

    def test_doubled_rows_are_found(self):
        copy, files = self.copy()
        shutil.copy(files[3], files[3].with_name("again.parquet"))
        with self.assertRaisesRegex(outcome.Wrong, "4 quarters differ"):
            outcome.check(self.wanted, copy, adds_quarter=False)

    def test_files_that_no_commit_lists_are_found(self):
        copy = self.folder / "forgetful"
        shutil.copytree(self.source, copy)
        first, *_, last = sorted(copy.rglob("0*.metadata.json"))
        # A copy may have been written in any order.
        first.touch()
        outcome.check(self.wanted, copy, adds_quarter=False)
        # The table as it was before its last year was added.
        version = last.read_bytes()
        for file in [file for file in copy.rglob("*.metadata.json") if file.read_bytes() == version]:
            file.unlink()
        with self.assertRaisesRegex(outcome.Wrong, "the table has"):
            outcome.check(self.wanted, copy, adds_quarter=False)

    def test_order_and_files_do_not_change_the_rows(self):
        other = self.folder / "shuffled"
        run("data.py", other, "--rows", ROWS, "--order", "shuffled", "--by", "quarter", "--codec", "snappy")
        self.assertEqual(outcome.expected(other), self.wanted)


class Measured(unittest.TestCase):
    def measure(self, program, timeout_s):
        with tempfile.TemporaryDirectory() as folder:
            figures = pathlib.Path(folder) / "used.json"
            run("measure.py", "--to", figures, "--timeout-s", timeout_s, "--", sys.executable, "-c", program)
            return json.loads(figures.read_text())

    def test_a_child_that_outlives_its_parent_counts(self):
        busy = "import time\\nheld = bytearray(200 * 2**20)\\nwhile time.process_time() < 0.7: pass"
        used = self.measure(f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{busy}'])", 60)
        self.assertEqual(used["exit_code"], 0)
        self.assertGreaterEqual(used["cpu_s"], 0.7)
        self.assertGreaterEqual(used["wall_s"], 0.7)
        self.assertGreaterEqual(used["peak_rss_mib"], 200)

    def test_what_it_runs_ends_with_it(self):
        with tempfile.TemporaryDirectory() as folder:
            started = pathlib.Path(folder) / "started"
            program = f"import os, time; open('{started}.new', 'w').write(str(os.getpid()))\n"
            program += f"os.rename('{started}.new', '{started}'); time.sleep(600)"
            command = [sys.executable, places.HERE / "measure.py", "--to", started.with_name("used.json"), "--"]
            measure = subprocess.Popen([*map(str, command), sys.executable, "-c", program])
            while not started.exists():
                time.sleep(0.05)
            measure.terminate()
            measure.wait(60)
            self.assertFalse(pathlib.Path("/proc", started.read_text()).exists())

    def test_what_takes_too_long_is_ended(self):
        used = self.measure("import time; time.sleep(60)", 1)
        self.assertLess(used["wall_s"], 30)
        self.assertNotEqual(used["exit_code"], 0)


class Links(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        threading.Thread(target=self.echo, daemon=True).start()

    def echo(self):
        while True:
            connection, _ = self.server.accept()
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection, contextlib.suppress(ConnectionError):
            while data := connection.recv(65_536):
                connection.sendall(data)

    def exchange(self, payload, *arguments, resets=0):
        """Seconds until the payload is back, on a connection that stands, and the link's counters."""
        command = [sys.executable, places.HERE / "link.py", "--to", f"127.0.0.1:{self.server.getsockname()[1]}"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen([str(word) for word in [*command, *arguments]], **pipes) as link:
            port = int(link.stdout.readline().split()[1])
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda number: self.come_and_go(port, number), range(resets)))
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.settimeout(30)
                self.back(client, b"first")
                started = time.monotonic()
                self.back(client, payload)
                seconds = time.monotonic() - started
            counters, _ = link.communicate("\n")
        return seconds, json.loads(counters)

    def come_and_go(self, port, number):
        """A short exchange, one that does not wait for its answer, or one that is reset with bytes under way."""
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            if number % 3 == 0:
                self.back(client, b"x" * 1000)
            elif number % 3 == 1:
                client.sendall(b"x" * 1000)
            else:
                client.sendall(bytes(500_000))
                at_once = struct.pack("ii", 1, 0)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)

    def back(self, client, payload):
        threading.Thread(target=client.sendall, args=(payload,)).start()
        left = len(payload)
        while left:
            left -= len(client.recv(65_536))

    def test_each_answer_takes_a_round_trip(self):
        seconds, counters = self.exchange(b"x" * 1000, "--rtt-ms", 100, "--mbit", 800)
        self.assertGreaterEqual(seconds, 0.1)
        self.assertLess(seconds, 0.5)
        self.assertEqual(counters, {"up_bytes": 1005, "down_bytes": 1005, "connections": 1})

    def test_lost_patience_does_not_stop_other_connections(self):
        for arguments in ([], ["--rtt-ms", 2, "--mbit", 800]):
            with self.subTest(arguments=arguments):
                seconds, _ = self.exchange(b"x" * 1000, *arguments, resets=120)
                self.assertLess(seconds, 5)

    def test_bandwidth_is_limited(self):
        # 4 MB at 4 MB a second; both directions are busy at once.
        seconds, _ = self.exchange(bytes(4_000_000), "--mbit", 32)
        self.assertGreaterEqual(seconds, 0.9)
        self.assertLess(seconds, 2.0)


if __name__ == "__main__":
    unittest.main()
