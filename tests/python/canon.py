"""One spelling for every value, so that rows from different readers can be compared as text.

A value is spelled by the Iceberg type of its column, never by the Python type a reader happens to return: DuckDB gives a UUID
as text, PyIceberg as an object and Arrow as bytes, and all three mean the same. Floats are spelled by their bits, so that
-0.0 is not 0.0; every NaN is the same NaN.
"""

import json
import math
import struct
import uuid
from collections import Counter
from datetime import datetime, timezone
from decimal import Decimal

from pyiceberg.types import (
    BinaryType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    ListType,
    MapType,
    StructType,
    TimestamptzType,
    UUIDType,
)


def rows_of(table, schema):
    """The canonical rows of an Arrow table whose columns are in the order of `schema`."""
    names = table.column_names
    if len(names) != len(schema.fields):
        raise ValueError(f"{len(names)} columns {names}, expected {[field.name for field in schema.fields]}")
    columns = [
        [value(cell, field.field_type) for cell in column.to_pylist()]
        for column, field in zip(table.columns, schema.fields, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def rows_of_dicts(rows, schema):
    """The canonical rows of dictionaries; a key that is not there is NULL, one too many is a mistake."""
    known = {field.name for field in schema.fields}
    for row in rows:
        if not row.keys() <= known:
            raise ValueError(f"row {row} has keys that are no columns of {sorted(known)}")
    return [[value(row.get(field.name), field.field_type) for field in schema.fields] for row in rows]


def value(cell, kind):
    """The canonical form of one value: something that JSON can hold."""
    if cell is None:
        return None
    match kind:
        case StructType():
            return {field.name: value(cell.get(field.name), field.field_type) for field in kind.fields}
        case ListType():
            return [value(item, kind.element_type) for item in cell]
        case MapType():
            pairs = cell.items() if isinstance(cell, dict) else cell
            return sorted(([value(k, kind.key_type), value(v, kind.value_type)] for k, v in pairs), key=json.dumps)
        case FloatType():
            return "NaN" if math.isnan(cell) else struct.pack(">f", cell).hex()
        case DoubleType():
            return "NaN" if math.isnan(cell) else struct.pack(">d", cell).hex()
        case DecimalType():
            return f"{Decimal(cell):.{kind.scale}f}"
        case UUIDType():
            return _uuid(cell).hex
        case BinaryType() | FixedType():
            return bytes(cell).hex()
        case TimestamptzType():
            return _utc(cell).isoformat()
    if isinstance(cell, (bool, int, str)):
        return cell
    return cell.isoformat()


def _uuid(cell):
    if isinstance(cell, uuid.UUID):
        return cell
    return uuid.UUID(cell) if isinstance(cell, str) else uuid.UUID(bytes=bytes(cell))


def _utc(cell):
    if isinstance(cell, datetime) and cell.tzinfo is None:
        raise ValueError(f"{cell} of a timestamptz column has no time zone")
    return cell.astimezone(timezone.utc)


def differences(expected, actual, limit=3):
    """What is missing from and what is too much in `actual`, as one short text; empty if the rows are the same."""
    wanted = Counter(json.dumps(row, ensure_ascii=False) for row in expected)
    found = Counter(json.dumps(row, ensure_ascii=False) for row in actual)
    if wanted == found:
        return ""
    missing, extra = list((wanted - found).elements()), list((found - wanted).elements())
    lines = [f"{sum(found.values())} rows, expected {sum(wanted.values())}; {len(missing)} missing, {len(extra)} too many"]
    lines += [f"  missing {row}" for row in missing[:limit]] + [f"  too many {row}" for row in extra[:limit]]
    return "\n".join(lines)
