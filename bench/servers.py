"""The servers of a run, on 127.0.0.1 only: S3 over a folder, an Iceberg REST catalog over it, and links in front.

Each ends when the block that opened it is left.
"""

import collections
import contextlib
import json
import os
import socket
import subprocess
import sys
import time

import places

sys.path.append(str(places.HERE / "peers"))

import job  # noqa: E402

BUCKET = "lake"
# Any key is good for a server that only this machine reaches.
KEYS = {"access": "benchmark", "secret": "benchmark-secret"}
START_S_MAX = 30

Cloud = collections.namedtuple("Cloud", "address folder access_log link")
"""A REST catalog's address, the folder of its bucket, the requests that its S3 server took, and the link before that."""


@contextlib.contextmanager
def cloud(folder, log_folder, link_arguments=()):
    """An object store and its catalog; clients reach the store through a link."""
    access_log = log_folder / "s3-requests.log"
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(s3(folder, access_log, log_folder))
        link = stack.enter_context(open_link(port, link_arguments, log_folder))
        address = stack.enter_context(catalog(f"http://127.0.0.1:{link.port}", log_folder))
        yield Cloud(address, folder / BUCKET, access_log, link)


@contextlib.contextmanager
def s3(folder, access_log, log_folder):
    """versitygw keeps objects as plain files; returns its port."""
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    accounts = log_folder / "accounts"
    accounts.mkdir(parents=True, exist_ok=True)
    access_log.unlink(missing_ok=True)
    port = free_port()
    command = [places.versitygw(), "--port", f"127.0.0.1:{port}", "--quiet", "--access-log", access_log]
    command += ["--iam-dir", accounts, "posix", folder]
    variables = {"ROOT_ACCESS_KEY": KEYS["access"], "ROOT_SECRET_KEY": KEYS["secret"]}
    with process(command, log_folder / "s3.log", variables) as server:
        wait_for_port(port, server)
        yield port


@contextlib.contextmanager
def catalog(s3_endpoint, log_folder):
    """The tests' REST catalog; returns its address. Tables are gone when it ends."""
    folder = places.rest_fixture()
    class_path = os.pathsep.join([str(folder / "classes"), str(folder / "lib" / "*")])
    command = [places.java(), "-Xmx512m", "-XX:+UseSerialGC", "-cp", class_path, "org.apache.iceberg.rest.RestFixture"]
    variables = {
        "FIXTURE_TOKEN": job.REST_TOKEN,
        "FIXTURE_PREFIX": "bench",
        "FIXTURE_WAREHOUSE": job.REST_WAREHOUSE,
        "FIXTURE_LOCATION": f"s3://{BUCKET}",
        "S3_ENDPOINT": s3_endpoint,
        "S3_ACCESS_KEY": KEYS["access"],
        "S3_SECRET_KEY": KEYS["secret"],
    }
    with process(command, log_folder / "catalog.log", variables) as server:
        yield f"http://127.0.0.1:{ready_port(server)}"


class OpenLink:
    def __init__(self, server):
        self._server = server
        self.port = ready_port(server)

    def counters(self):
        self._server.stdin.write("\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())


@contextlib.contextmanager
def open_link(port, arguments, log_folder):
    command = [sys.executable, places.HERE / "link.py", "--to", f"127.0.0.1:{port}", *arguments]
    with process(command, log_folder / "link.log", {}) as server:
        yield OpenLink(server)


@contextlib.contextmanager
def process(command, log, variables):
    """A server that says `ready PORT` on its standard output or needs not to, and is ended by its id."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        server = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | variables,
            text=True,
        )
    try:
        yield server
    finally:
        server.kill()
        server.communicate()


def ready_port(server):
    words = server.stdout.readline().split()
    if words[:1] != ["ready"]:
        raise RuntimeError(f"`{server.args[0]}` did not start; its log is in the work folder")
    return int(words[1])


def wait_for_port(port, server):
    end = time.monotonic() + START_S_MAX
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(ConnectionError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"`{server.args[0]}` does not listen on port {port}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def requests_by_operation(access_log):
    """How many requests of each kind an S3 server took, out of its log: `GetObject`, `UploadPart` and so on."""
    operations = [word for line in access_log.read_text().splitlines() for word in line.split() if word.startswith("s3_")]
    return collections.Counter(operation.removeprefix("s3_") for operation in operations)
