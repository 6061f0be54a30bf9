"""What a result was measured on."""

import functools
import json
import pathlib
import platform
import subprocess

import places

PACKAGES = {
    "lakes": ["duckdb", "pyarrow", "pyiceberg"],
    "sail": ["pysail"],
    "spark35": ["pyspark"],
}
ASK = "import importlib.metadata as m, json, sys; print(json.dumps({name: m.version(name) for name in sys.argv[1:]}))"


@functools.cache
def description():
    processor = first_value("/proc/cpuinfo", "model name")
    memory_kib = int(first_value("/proc/meminfo", "MemTotal").split()[0])
    return {
        "processor": processor,
        "cores": places.cores(),
        "memory_gib": round(memory_kib / 2**20, 1),
        "kernel": platform.release(),
    }


def first_value(file, key):
    lines = pathlib.Path(file).read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(key))


@functools.cache
def versions(icelift):
    """Versions of the contenders, as they are installed."""
    found = {"icelift": answer([icelift, "--version"]).removeprefix("icelift ")}
    for environment, packages in PACKAGES.items():
        python = places.CACHE / environment / "bin" / "python"
        if python.exists():
            found |= json.loads(answer([python, "-c", ASK, *packages]))
    return found | {"python": platform.python_version()}


def answer(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
