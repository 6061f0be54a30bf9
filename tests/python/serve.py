"""What the Rust side of the interop tests talks to: one JSON object a line on stdin, one a line back on stdout.

A command is a function of COMMANDS and its arguments; the answer is {"ok": <result>} or {"error": <text>}. One process serves
all trials, because importing the readers takes longer than most trials.
"""

import json
import logging
import os
import sys
import traceback

import foreign
import foreign_audit
import foreign_statements
import pyarrow as pa
import sources
from audit import audit
from canon import differences, rows_of
from changed import layout, readers_of, same_rows
from doubles import assume_role, glue_add_others, glue_annotate, glue_answers, glue_entry
from encrypted import encrypted_source
from fingerprints import fingerprint_by_duckdb
from inspected import inspected
from maintenance import past_as_others_see_it, write_with_a_past
from migrations import (
    add_column,
    damage_copied,
    damage_file,
    delete_positions,
    delete_rows,
    expire_snapshots,
    growth,
    is_locked,
    merged_manifests,
    metadata_files,
    metadata_location,
    migration_audit,
    migration_objects,
    rewrite,
    set_back,
    sort_by,
    sort_orders,
    sums,
)
from readback import compare, selfcheck
from rewrites import counts_of_others, live_files, partition_by_bucket
from remote import duckdb_queries, pyiceberg_append, pyiceberg_audit, pyiceberg_count
from versions import compare_version, write_versions
from warehouse import open_catalog

QUARTERS = ("Q1", "Q2", "Q3", "Q4")


def write_sources(folder):
    return sources.write_all(folder)


def check_sources(folder, names):
    return selfcheck(folder, names)


def compare_arrow(folder, source, file):
    """Compares the Arrow file that icelift's answer was stored in with the rows of a source table."""
    rows, _ = sources.expected(folder, source)
    schema = open_catalog(folder).load_table(("default", source)).schema()
    with pa.ipc.open_file(file) as reader:
        return differences(rows, rows_of(reader.read_all(), schema))


def read_back(folder, source, target, table):
    """Whether both readers see the rows of a source table in `table` of the catalog in `target`."""
    rows, _ = sources.expected(folder, source)
    return compare(target, table, rows, _able(source))


def _able(source):
    """PyIceberg 0.12 cannot tell a NULL list of structs from an empty one, nor read an INT96 year 3000 (we write none)."""
    null_lists = ("nested", "evolved_nested", "no_field_ids_nested", "added_struct")
    return ("duckdb",) if source in null_lists else ("pyiceberg", "duckdb")


def headline(folder, source, target, table, year):
    """Whether `table` holds the rows of one year, each with its quarter as the last column."""
    rows, _ = sources.expected(folder, source)
    names = [field.name for field in open_catalog(folder).load_table(("default", source)).schema().fields]
    day, in_year = names.index("date"), names.index("year")
    wanted = [[*row, QUARTERS[(int(row[day][5:7]) - 1) // 3]] for row in rows if row[in_year] == year]
    return compare(target, table, wanted)


def append_by_pyiceberg(target, table):
    """PyIceberg appends the table's own rows once more: our metadata is good enough to build on."""
    loaded = open_catalog(target).load_table(("default", table))
    loaded.append(loaded.scan().to_arrow())


def check_metadata(target, table, snapshots=1, codec="SNAPPY", operation="append"):
    """`snapshots` may be None where both an empty commit and none at all are right."""
    return "\n".join(audit(target, table, snapshots, codec, operation))


def foreign_case(folder, seed, count):
    """Writes the random source table of this number, and returns what it is like and what may be asked of it."""
    story = foreign.write(folder, seed)
    return {"story": story, "statements": foreign_statements.statements(folder, seed, count)}


def foreign_source(folder, file):
    return foreign_audit.check_source(folder, file)


def foreign_check(**about):
    return foreign_audit.check(**about)


COMMANDS = {
    function.__name__: function
    for function in (
        write_sources,
        check_sources,
        compare_arrow,
        read_back,
        headline,
        fingerprint_by_duckdb,
        foreign_case,
        foreign_source,
        foreign_check,
        append_by_pyiceberg,
        same_rows,
        readers_of,
        layout,
        assume_role,
        encrypted_source,
        check_metadata,
        duckdb_queries,
        pyiceberg_append,
        pyiceberg_audit,
        pyiceberg_count,
        glue_add_others,
        glue_annotate,
        glue_answers,
        glue_entry,
        migration_audit,
        merged_manifests,
        growth,
        metadata_files,
        migration_objects,
        delete_positions,
        delete_rows,
        damage_copied,
        damage_file,
        set_back,
        sort_by,
        sort_orders,
        expire_snapshots,
        sums,
        metadata_location,
        inspected,
        compare_version,
        write_versions,
        is_locked,
        rewrite,
        add_column,
        counts_of_others,
        live_files,
        partition_by_bucket,
        write_with_a_past,
        past_as_others_see_it,
    )
}


def answer(line):
    try:
        request = json.loads(line)
        return {"ok": COMMANDS[request.pop("do")](**request)}
    except Exception:
        return {"error": traceback.format_exc()}


def main():
    # Libraries that print must not get between the answers, nor fill the screen with what they cannot do.
    logging.disable(logging.WARNING)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(answer(line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
