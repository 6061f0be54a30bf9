#!/usr/bin/env python3
"""Installs what the benchmarks run on into ~/.cache/icelift/bench (or $XDG_CACHE_HOME): about 2 GB and a few minutes.

  python3 bench/setup.py                 everything
  python3 bench/setup.py lakes spark35   some parts of it

  lakes    a Python environment with pyarrow, PyIceberg and DuckDB: the generator and run.py need it
  sail     a Python environment with Sail
  spark35  a Python environment with Spark 3.5, and Iceberg's jar for it (needs Java 17 and Maven)
  s3       versitygw, a fast S3 server (needs Go)
  catalog  the Iceberg REST catalog of the tests (cargo xtask fixture; needs Java 17 and Maven)

Versions are pinned in requirements/*.txt, jars.xml and below. A part whose pins have not changed is left alone.
"""

import argparse
import hashlib
import pathlib
import shutil
import subprocess
import venv

from places import CACHE, HERE, java

VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"


def run(*command, **options):
    print("+", *command, flush=True)
    subprocess.run([str(word) for word in command], check=True, **options)


def environment(name):
    folder = CACHE / name
    requirements = HERE / "requirements" / f"{name}.txt"
    if is_current(folder, requirements.read_bytes()):
        return
    venv.create(folder, with_pip=True, clear=True)
    run(folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements)
    mark_current(folder, requirements.read_bytes())


def spark_jars():
    pom = HERE / "jars.xml"
    folder = CACHE / "spark35-jars"
    if is_current(folder, pom.read_bytes()):
        return
    shutil.rmtree(folder, ignore_errors=True)
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
    run("mvn", "-q", "-B", "-f", pom, goal, f"-DoutputDirectory={folder}", "-DexcludeTransitive=true")
    mark_current(folder, pom.read_bytes())


def spark35():
    java()
    environment("spark35")
    spark_jars()


def s3():
    folder = CACHE / "s3"
    if not is_current(folder, VERSITYGW.encode()):
        folder.mkdir(parents=True, exist_ok=True)
        run("env", f"GOBIN={folder}", "go", "install", VERSITYGW)
        mark_current(folder, VERSITYGW.encode())


def catalog():
    run("cargo", "xtask", "fixture", cwd=HERE.parent)


def is_current(folder, pins):
    marker = folder / "pins"
    return marker.exists() and marker.read_text() == hashlib.sha256(pins).hexdigest()


def mark_current(folder, pins):
    (folder / "pins").write_text(hashlib.sha256(pins).hexdigest())


PARTS = {
    "lakes": lambda: environment("lakes"),
    "sail": lambda: environment("sail"),
    "spark35": spark35,
    "s3": s3,
    "catalog": catalog,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all of them unless given")
    wanted = parser.parse_args().parts or list(PARTS)
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    for part in wanted:
        PARTS[part]()
    print(f"installed in {CACHE}: {', '.join(wanted)}")


if __name__ == "__main__":
    main()
