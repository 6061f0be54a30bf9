"""Writes the source tables of the interop tests: `sources.py FOLDER`.

FOLDER becomes a local catalog, and FOLDER/expected/<table>.json holds the rows of each table: known to the function that
writes the table, not read back. `selfcheck` in readback.py compares them with what PyIceberg and DuckDB read.
The names stand in sources.txt too, where the Rust side finds them without starting Python.
"""

import json
import sys
import traceback
from pathlib import Path

from canon import rows_of_dicts
from warehouse import Warehouse

SOURCES = {}
ALL_READERS = ("pyiceberg", "duckdb")


def source(function=None, *, readers=ALL_READERS):
    """Registers a function that writes the table of its own name and returns its rows as dictionaries.

    `readers` are those that read the table right: leave one out only with a comment that says why.
    """

    def register(function):
        SOURCES[function.__name__] = (function, readers)
        return function

    return register(function) if function else register


def write_all(folder):
    """Writes every source table and returns their names."""
    import source_deletes  # noqa: F401
    import source_layouts  # noqa: F401
    import source_types  # noqa: F401

    warehouse = Warehouse(folder)
    expected = warehouse.folder / "expected"
    expected.mkdir(exist_ok=True)
    for name, (function, readers) in SOURCES.items():
        try:
            rows = function(warehouse)
            table = warehouse.catalog.load_table(f"default.{name}")
            content = {"readers": readers, "rows": rows_of_dicts(rows, table.schema())}
        except Exception as error:
            raise RuntimeError(f"source {name}: {error}") from error
        (expected / f"{name}.json").write_text(json.dumps(content))
    return list(SOURCES)


def expected(folder, name):
    """The rows of one source table, and which readers read it right."""
    content = json.loads((Path(folder) / "expected" / f"{name}.json").read_text())
    return content["rows"], content["readers"]


if __name__ == "__main__":
    # The source modules import this one by name: it must be the same module, or they would register elsewhere.
    import sources

    try:
        print("\n".join(sources.write_all(sys.argv[1])))
    except Exception:
        traceback.print_exc()
        sys.exit(1)
