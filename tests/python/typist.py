"""Types into a program on a terminal and reads its screen.

    typist.py COLUMNS ROWS PROGRAM [ARGUMENT...] < steps

Each line of stdin is a JSON list, one step:
    ["type", text]             writes text as keys
    ["wait", regex, seconds]   waits until the screen shows it, else fails with what it shows
    ["gone", regex, seconds]   waits until the screen does not show it
    ["screen"]                 answers with the screen
    ["busy", seconds]          waits until the program has used so many seconds of CPU from now on
    ["raw"]                    answers with all that was written to the terminal
    ["resize", columns, rows]
    ["end", seconds]           waits for the end of the program, answers with its exit code
Answers are JSON values, one a line.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
import unicodedata


class Screen:
    """Keeps what a terminal would show, lines that scrolled away included."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.column = columns, [[]], 0, 0
        self.rest = ""

    def feed(self, text):
        text = self.rest + text
        open_escape = re.search(r"\x1b(\[[0-9;?]*)?$", text)
        self.rest = text[open_escape.start():] if open_escape else ""
        text = text[: len(text) - len(self.rest)]
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|.|\n", text):
            self.one(part)

    def one(self, part):
        if part == "\n":
            self.row += 1
        elif part == "\r":
            self.column = 0
        elif part == "\x08":
            self.column = max(0, self.column - 1)
        elif part == "\t":
            self.column = min(self.columns - 1, self.column // 8 * 8 + 8)
        elif part.startswith("\x1b"):
            self.escape(part)
        elif part >= " ":
            width = 2 if unicodedata.east_asian_width(part) in "WF" else 0 if unicodedata.combining(part) else 1
            if self.column + width > self.columns:
                self.row, self.column = self.row + 1, 0
            self.grow()
            line = self.lines[self.row]
            line.extend(" " * (self.column + 1 - len(line)))
            line[self.column] = part
            self.column += width
        self.grow()

    def escape(self, part):
        last, digits = part[-1], re.sub("[^0-9].*", "", part[2:-1])
        number = int(digits or (0 if last in "JK" else 1))
        self.grow()
        if last == "A":
            self.row = max(0, self.row - number)
        elif last == "B":
            self.row += number
        elif last == "C":
            self.column = min(self.columns - 1, self.column + number)
        elif last == "D":
            self.column = max(0, self.column - number)
        elif last == "G":
            self.column = number - 1
        elif last == "H":
            self.lines, self.row, self.column = [[]], 0, 0
        elif last == "K" and part != "\x1b[1K":
            del self.lines[self.row][0 if number == 2 else self.column:]
        elif last == "J":
            del self.lines[self.row][self.column:]
            del self.lines[self.row + 1:]

    def grow(self):
        while self.row >= len(self.lines):
            self.lines.append([])

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)


def main():
    columns, rows = int(sys.argv[1]), int(sys.argv[2])
    signal.alarm(300)
    child, terminal = pty.fork()
    if child == 0:
        size(0, columns, rows)
        os.execv(sys.argv[3], sys.argv[3:])
    screen, raw, everything = Screen(columns), b"", ""

    def read(seconds):
        nonlocal raw, everything
        if not select.select([terminal], [], [], seconds)[0]:
            return True
        try:
            new = os.read(terminal, 65536)
        except OSError:
            new = b""
        raw += new
        try:
            text, raw = raw.decode(), b""
        except UnicodeDecodeError as error:
            text, raw = raw[: error.start].decode(), raw[error.start:]
        everything += text
        screen.feed(text)
        return bool(new)

    for line in sys.stdin:
        step, *rest = json.loads(line)
        if step == "type":
            os.write(terminal, rest[0].encode())
            before, end = everything, time.monotonic() + 1
            # What is waited for next must not be found on the screen before the key.
            while everything == before and time.monotonic() < end:
                read(0.02)
        elif step in ("wait", "gone"):
            end, alive = time.monotonic() + rest[1], True
            # Twice in a row: a line that is drawn again looks like an empty prompt until the rest of it has come.
            shown = 0
            while shown < 2:
                if not alive or time.monotonic() > end:
                    print(f"{step} {rest[0]}: the screen shows\n{screen.text()}", file=sys.stderr)
                    os.kill(child, signal.SIGKILL)
                    sys.exit(1)
                shown = shown + 1 if bool(re.search(rest[0], screen.text(), re.M)) == (step == "wait") else 0
                alive = read(0.03) or shown > 0
        elif step == "screen":
            while select.select([terminal], [], [], 0.15)[0] and read(0):
                pass
            print(json.dumps(screen.text()))
        elif step == "raw":
            print(json.dumps(everything))
        elif step == "busy":
            # Reads meanwhile: who cannot write to the terminal does not get on.
            until = cpu_seconds(child) + rest[0]
            while cpu_seconds(child) < until and read(0.02):
                pass
        elif step == "resize":
            size(terminal, *rest)
            screen.columns = rest[0]
        elif step == "end":
            end = time.monotonic() + rest[0]
            while time.monotonic() < end and read(0.02):
                pass
            _, status = os.waitpid(child, 0)
            print(json.dumps(os.waitstatus_to_exitcode(status)))
        sys.stdout.flush()


def cpu_seconds(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            user, system = file.read().rsplit(")", 1)[1].split()[11:13]
    except FileNotFoundError:  # no Linux
        return time.monotonic()
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def size(terminal, columns, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


main()
