"""Where things are: the cache folder with what setup.py installed, and the programs in it."""

import os
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
_USER_CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
CACHE = _USER_CACHE / "icelift" / "bench"


def python(environment):
    """The interpreter of an environment that setup.py made."""
    return installed(CACHE / environment / "bin" / "python", environment)


def versitygw():
    return installed(CACHE / "s3" / "versitygw", "s3")


def spark_jar():
    folder = installed(CACHE / "spark35-jars", "spark35")
    return next(folder.glob("iceberg-spark-runtime-*.jar"))


def rest_fixture():
    """The folder of the tests' REST catalog: the newest that `cargo xtask fixture` has installed."""
    found = [marker.parent for marker in CACHE.parent.glob("rest-fixture-*/complete")]
    if not found:
        sys.exit("the REST catalog is not installed; run: python3 bench/setup.py catalog")
    return max(found, key=lambda folder: folder.stat().st_mtime)


def java():
    home = os.environ.get("JAVA_HOME")
    found = str(pathlib.Path(home) / "bin" / "java") if home else shutil.which("java")
    return found or sys.exit("there is no Java; install version 17 or set JAVA_HOME")


def installed(path, part):
    return path if path.exists() else sys.exit(f"{path} is missing; run: python3 bench/setup.py {part}")


def cores():
    return len(os.sched_getaffinity(0))
