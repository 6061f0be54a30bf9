"""Starts SeaweedFS (S3 and its own Iceberg REST catalog) and ends it when standard input closes.

The program is not ours, so that it cannot watch for the end of the tests itself: `python weed.py FOLDER S3_PORT CATALOG_PORT`.
It opens nine further ports on loopback that cannot be switched off; they are picked here, free at this moment.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

PARTS = ("master", "volume", "filer", "s3", "admin")

# Its own clients look for gRPC at this distance from the port for HTTP, some of them whatever the flags say.
GRPC = 10_000


def free_ports(count):
    """Ports that nobody listens on, each with its port for gRPC; all different because they are held together."""
    held, found = [], []
    try:
        while len(found) < count:
            http, grpc = socket.socket(), socket.socket()
            held += [http, grpc]
            http.bind(("127.0.0.1", 0))
            port = http.getsockname()[1]
            try:
                grpc.bind(("127.0.0.1", port + GRPC))
            except (OSError, OverflowError):
                continue
            found.append(port)
        return found
    finally:
        for each in held:
            each.close()


def arguments(folder, s3_port, catalog_port):
    iam = pathlib.Path(__file__).with_name("weed-iam.json")
    [vended] = [role["roleArn"] for role in json.loads(iam.read_text())["roles"] if role["roleName"] == "vend"]
    ports = dict(zip(PARTS, free_ports(len(PARTS))))
    grpc = [f"-{part}.port.grpc={port + GRPC}" for part, port in ports.items()]
    http = [f"-{part}.port={port}" for part, port in (ports | {"s3": s3_port}).items()]
    return [
        str(pathlib.Path(sys.executable).with_name("weed")),
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        # Without this it listens on every address, and without the next it calls home.
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        *http,
        *grpc,
        f"-s3.port.iceberg={catalog_port}",
        "-s3.port.lance=0",
        f"-s3.config={iam}",
        f"-s3.iam.config={iam}",
        "-bucket=aws-lake,r2-lake",
        "-tableBucket=warehouse",
        "-volume.max=40",
        f"-s3.iceberg.credentialRole={vended}",
        "-s3.iceberg.credentialDurationSeconds=900",
        f"-s3.externalUrl=http://127.0.0.1:{s3_port}",
    ]


def main():
    weed = subprocess.Popen(arguments(*sys.argv[1:]), stdin=subprocess.DEVNULL)

    def end_with_stdin():
        sys.stdin.buffer.read()
        # Its data goes with it, so that there is nothing to put in order first.
        weed.kill()

    threading.Thread(target=end_with_stdin, daemon=True).start()
    status = weed.wait()
    print(f"weed ended with {status}", flush=True)
    os._exit(1)


if __name__ == "__main__":
    main()
