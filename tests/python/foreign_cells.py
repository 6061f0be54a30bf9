"""Random columns, and random values for them: edges of each type, runs of one value, few values, many."""

import math
import struct
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

NULLS = ("none", "some", "all")
SPREADS = ("one", "few", "many", "edges")

EPOCH = datetime(2019, 1, 1)


def kinds(number):
    """One of each type of column; the ids of nested fields begin with `number`."""
    return {
        "flag": BooleanType(),
        "small": IntegerType(),
        "large": LongType(),
        "single": FloatType(),
        "precise": DoubleType(),
        "cents": DecimalType(9, 2),
        "units": DecimalType(18, 4),
        "wide": DecimalType(38, 10),
        "born": DateType(),
        "clock": TimeType(),
        "moment": TimestampType(),
        "instant": TimestamptzType(),
        "text": StringType(),
        "ident": UUIDType(),
        "code": FixedType(4),
        "blob": BinaryType(),
        "place": StructType(NestedField(number, "a", IntegerType()), NestedField(number + 1, "b", StringType())),
        "tags": ListType(number, StringType(), element_required=False),
        "counts": MapType(number, StringType(), number + 1, LongType(), value_required=False),
        "grid": ListType(number, ListType(number + 1, IntegerType(), False), False),
    }


def cells(random, kind, count, nulls, spread):
    """`count` values of a type."""
    pool = {"one": 1, "few": 4}.get(spread, count)
    drawn = [_cell(random, kind, spread) for _ in range(pool)]
    share = {"none": 0, "some": random.choice((0.02, 0.5)), "all": 1}[nulls]
    start = random.randrange(len(drawn))
    # Runs of one value, in some columns: a row group may then hold one of them only.
    run = random.choice((1, 1, 64, 400))
    return [
        None if random.random() < share else drawn[(start + number // run) % len(drawn)] for number in range(count)
    ]


def _cell(random, kind, spread):
    if not isinstance(kind, (StructType, ListType, MapType)) and spread == "edges" and random.random() < 0.3:
        return random.choice(_edges(kind))
    match kind:
        case BooleanType():
            return random.random() < 0.5
        case IntegerType():
            return random.randint(-1000, 1000)
        case LongType():
            return random.randint(-(2**40), 2**40)
        case FloatType():
            return _single(random.uniform(-1e6, 1e6))
        case DoubleType():
            return random.uniform(-1e12, 1e12)
        case DecimalType():
            digits = min(kind.precision, 9)
            return Decimal(random.randint(-(10**digits) + 1, 10**digits - 1)).scaleb(-kind.scale)
        case DateType():
            return EPOCH.date() + timedelta(days=random.randint(-400, 800))
        case TimeType():
            return (datetime(1, 1, 1) + timedelta(microseconds=random.randrange(86_400_000_000))).time()
        case TimestampType():
            return EPOCH + timedelta(microseconds=random.randrange(86_400_000_000 * 300))
        case TimestamptzType():
            return (EPOCH + timedelta(microseconds=random.randrange(86_400_000_000 * 300))).replace(tzinfo=timezone.utc)
        case StringType():
            return random.choice(("", "word ", "prefix " * 12, "ü🧊")) + str(random.randrange(10_000))
        case UUIDType():
            return UUID(int=random.getrandbits(128))
        case FixedType():
            return random.randbytes(len(kind))
        case BinaryType():
            return random.randbytes(random.choice((0, 3, 40)))
        case StructType():
            return {field.name: _or_null(random, field.field_type, spread) for field in kind.fields}
        case ListType():
            return [_or_null(random, kind.element_type, spread) for _ in range(random.randrange(4))]
        case MapType():
            keys = [f"k{number}" for number in range(random.randrange(3))]
            return [(key, _or_null(random, kind.value_type, spread)) for key in keys]
    raise ValueError(f"no values of {kind}")


def _or_null(random, kind, spread):
    return None if random.random() < 0.2 else _cell(random, kind, spread)


def _single(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def _edges(kind):
    match kind:
        case IntegerType():
            return [-(2**31), 2**31 - 1, 0]
        case LongType():
            return [-(2**63), 2**63 - 1, 0]
        case FloatType() | DoubleType():
            return [math.nan, math.inf, -math.inf, -0.0, 0.0]
        case DecimalType():
            # Arithmetic would round to 28 digits.
            return [Decimal((sign, (9,) * kind.precision, -kind.scale)) for sign in (0, 1)] + [Decimal(0)]
        case DateType():
            return [date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31)]
        case TimeType():
            return [time(0), time(23, 59, 59, 999999)]
        case TimestampType():
            return [datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2200, 1, 1)]
        case TimestamptzType():
            return [datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc)]
        case StringType():
            return ["", "\U0010ffff" * 20, "\ud7fe" * 30, "z" * 5000, "żółć \u0000 end", "é" * 90]
        case UUIDType():
            return [UUID(int=0), UUID(int=2**128 - 1)]
        case FixedType():
            return [b"\0" * len(kind), b"\xff" * len(kind)]
        case BinaryType():
            return [b"", b"\xff" * 40, b"\x80", bytes(range(256)) * 20]
    return [True, False]
