#!/usr/bin/env python3
"""A wide-area link: a TCP proxy on 127.0.0.1 that adds a round-trip time and limits the bandwidth of each direction.

  link.py --to 127.0.0.1:9000 --rtt-ms 40 --mbit 800
  link.py --to 127.0.0.1:9000                          neither delay nor limit; counts bytes only
  link.py --try                                        says how much it sustains on this machine

It prints `ready PORT`. For each line on standard input it prints its counters as JSON; it ends when standard input closes.
All connections share the bandwidth, first come first served. A connection waits a round trip before its first byte, as for
TCP's handshake, and has at most --window-mib under way, as TCP's window has it. Loss, slow start and TLS are not simulated.
"""

import argparse
import asyncio
import json
import resource
import socket
import subprocess
import sys
import threading
import time

CHUNK_BYTES_MAX = 256 * 1024
# A sleep may end this late without bandwidth being lost.
BURST_S = 0.02


class Direction:
    """One way of the link, shared by its connections."""

    def __init__(self, bytes_per_s, delay_s):
        self.bytes_per_s, self.delay_s = bytes_per_s, delay_s
        self.byte_count = 0
        self.free_at = 0.0
        # Small enough that connections take turns every few milliseconds.
        fair = int(bytes_per_s * 0.005) if bytes_per_s else CHUNK_BYTES_MAX
        self.chunk_bytes = max(4096, min(CHUNK_BYTES_MAX, fair))

    def reserve(self, byte_count):
        """When these bytes have left, behind all that were reserved before them."""
        self.byte_count += byte_count
        now = time.monotonic()
        if not self.bytes_per_s:
            return now
        self.free_at = max(self.free_at, now - BURST_S) + byte_count / self.bytes_per_s
        return max(now, self.free_at)


class Link:
    def __init__(self, upstream, rtt_s, bytes_per_s, window_bytes):
        self.upstream, self.rtt_s, self.window_bytes = upstream, rtt_s, window_bytes
        self.up, self.down = (Direction(bytes_per_s, rtt_s / 2) for _ in range(2))
        self.connection_count = 0

    def counters(self):
        return {
            "up_bytes": self.up.byte_count,
            "down_bytes": self.down.byte_count,
            "connections": self.connection_count,
        }

    async def serve(self, listener):
        """Accepts connections until it is cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as connections:
            while True:
                client, _ = await loop.sock_accept(listener)
                connections.create_task(self._connection(client))

    async def _connection(self, client):
        self.connection_count += 1
        server = socket.socket()
        with client, server:
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.sleep(self.rtt_s)
            # Either end may reset the connection, or be gone: closing both passes that on. The group has ended all that waits
            # for a socket before it is closed; else the number of a closed one, used again, would be taken from its new owner.
            try:
                await asyncio.get_running_loop().sock_connect(server, self.upstream)
                async with asyncio.TaskGroup() as ways:
                    ways.create_task(self._pass(client, server, self.up))
                    ways.create_task(self._pass(server, client, self.down))
            except* OSError:
                pass

    async def _pass(self, source, target, direction):
        if not direction.delay_s and not direction.bytes_per_s:
            await count(source, target, direction)
            return
        # Bytes leave this queue half a round trip before TCP would hear of it.
        under_way = asyncio.Queue(max(1, self.window_bytes // 2 // direction.chunk_bytes))
        async with asyncio.TaskGroup() as ends:
            ends.create_task(receive(source, direction, under_way))
            ends.create_task(deliver(target, under_way))


async def count(source, target, direction):
    """A link without delay and limit needs no queue."""
    loop, buffer = asyncio.get_running_loop(), memoryview(bytearray(CHUNK_BYTES_MAX))
    while received := await loop.sock_recv_into(source, buffer):
        direction.byte_count += received
        await loop.sock_sendall(target, buffer[:received])
    target.shutdown(socket.SHUT_WR)


async def receive(source, direction, under_way):
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, direction.chunk_bytes):
        left_at = direction.reserve(len(data))
        await sleep_until(left_at)
        await under_way.put((left_at + direction.delay_s, data))
    await under_way.put((time.monotonic() + direction.delay_s, b""))


async def deliver(target, under_way):
    loop = asyncio.get_running_loop()
    while True:
        due, data = await under_way.get()
        await sleep_until(due)
        if not data:
            target.shutdown(socket.SHUT_WR)
            return
        await loop.sock_sendall(target, data)


async def sleep_until(moment):
    wait_s = moment - time.monotonic()
    if wait_s > 0:
        await asyncio.sleep(wait_s)


def listen():
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    return listener


async def answer_counters(link):
    """Prints the counters for each line; returns when standard input closes."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        print(json.dumps(link.counters()), flush=True)


async def run(link):
    listener = listen()
    serving = asyncio.create_task(link.serve(listener))
    print(f"ready {listener.getsockname()[1]}", flush=True)
    await answer_counters(link)
    serving.cancel()


def try_out(arguments, seconds=3.0):
    """Sends zeros through a link in a process of its own; returns bytes of each second, and of each second of its CPU."""
    with socket.create_server(("127.0.0.1", 0)) as sink:
        command = [sys.executable, __file__, "--to", f"127.0.0.1:{sink.getsockname()[1]}", *arguments]
        link = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(link.stdout.readline().split()[1])
        entrance = socket.create_connection(("127.0.0.1", port))
        sender = threading.Thread(target=send_zeros, args=(entrance, time.monotonic() + seconds))
        started = time.monotonic()
        sender.start()
        received = drain(sink)
        wall_s = time.monotonic() - started
        sender.join()
        link.communicate("")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return received / wall_s, received / (usage.ru_utime + usage.ru_stime)


def send_zeros(entrance, end):
    zeros = bytes(CHUNK_BYTES_MAX)
    with entrance:
        while time.monotonic() < end:
            entrance.sendall(zeros)


def drain(sink):
    buffer, total = bytearray(CHUNK_BYTES_MAX), 0
    connection, _ = sink.accept()
    with connection:
        while received := connection.recv_into(buffer):
            total += received
    return total


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--to", type=address, metavar="HOST:PORT", help="the server at the other end")
    goal.add_argument("--try", dest="trial", action="store_true", help="measure the proxy itself")
    parser.add_argument("--rtt-ms", type=float, default=0.0)
    parser.add_argument("--mbit", type=float, default=0.0, help="megabits a second in each direction; 0 is no limit")
    parser.add_argument("--window-mib", type=float, default=16.0, help="what a connection may have under way")
    options = parser.parse_args()
    link = Link(options.to, options.rtt_ms / 1000, options.mbit * 125_000, int(options.window_mib * 2**20))
    if options.trial:
        rate, cpu_rate = try_out([word for word in sys.argv[1:] if word != "--try"])
        print(f"{rate / 1e6:.0f} MB/s, {cpu_rate / 1e6:.0f} MB for each second of the link's CPU")
    else:
        asyncio.run(run(link))


if __name__ == "__main__":
    main()
