"""Every numeric type of every engine into every dtype, in each way of reading: bit for bit, or refused by name.

What a dtype holds is worked out here with integers and fractions; nothing of rowfeed or numpy decides it.
"""

from __future__ import annotations

import math
import re
import struct
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from engines import ENGINES, MYSQLS, opened, place, read
from hypothesis import given
from hypothesis import strategies as st
from reference import SLOW, examples

import rowfeed

INF, NAN = math.inf, math.nan
INTEGERS = {f"{sign}int{bits}": (bits, sign == "") for bits in (8, 16, 32, 64) for sign in ("", "u")} | {"bool": (1, 0)}
FLOATS = {
    "float16": (11, -14, 15, "e", "H"),
    "float32": (24, -126, 127, "f", "I"),
    "float64": (53, -1022, 1023, "d", "Q"),
}
"""Digits, least and greatest exponent of normal numbers; how `struct` calls the number and its bits."""

NOT_FINITE = {"float16": (0x7C00, 1 << 15, 0x7E00), "float32": (0x7F800000, 1 << 31, 0x7FC00000)}
NOT_FINITE |= {"float64": (0x7FF << 52, 1 << 63, 0x7FF8 << 48)}
"""The bits of infinity, of a sign, and of NaN."""

DTYPES = [*INTEGERS, *FLOATS]


def ends(bits, signed):
    """The extremes of an integer type, and what lies on both sides of the integers that floats have not."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    middle = [s * 2**p + d for p in (7, 8, 11, 15, 16, 24, 31, 32, 53, 63) for d in (-1, 0, 1) for s in (1, -1)]
    return sorted({low, low + 1, 0, 1, high - 1, high, *(n for n in [-1, *middle] if low <= n <= high)})


SINGLE = [0.0, 1.0, -1.0, 0.5, 2.0**-149, -(2.0**-149), 2.0**-126, 2.0**-126 - 2.0**-149, 3.4028234663852886e38]
SINGLE += [-3.4028234663852886e38, 2.0**24, 2.0**24 - 1, 255.0, 256.0, -128.0, 65504.0, 65520.0, 0.10000000149011612]
SINGLE += [2.0**31, -(2.0**31), 2.0**63, -(2.0**63), 2.0**64, 2.0**64 - 2.0**40]
DOUBLE = [*SINGLE, 0.1, 1 / 3, 5e-324, 2.2250738585072014e-308, 2.225073858507201e-308, 1.7976931348623157e308]
DOUBLE += [2.0**24 + 1, 2.0**53, 2.0**53 - 1, 2.0**53 + 2, 65519.99, 3.4028235677973366e38, 3.4028235677973362e38]
DOUBLE += [1 + 2.0**-24, 1 + 2.0**-24 + 2.0**-52, 1 + 3 * 2.0**-24, 2.0**-150, 2.0**-150 + 2.0**-202, -1e300]
SPECIAL = [NAN, INF, -INF, -0.0]
MIDDLE = Decimal(1 + 2.0**-24)
"""Between two numbers of float32; with one digit more or less it belongs to one of them."""

WHOLE = [Decimal(n) for n in (0, 1, -1, 255, 2**24 + 1, 2**53, 2**53 + 1, -(2**63), 2**63, 2**64 - 1, 2**64, 2**100)]
WHOLE += [Decimal(10**38 - 1), Decimal(1 - 10**38)]
SHORT = [Decimal(t) for t in ("0", "0.1", "-0.05", "1.5", "16777215.5", "16777217", "16777217.5", "-9999999999999.99")]
NEAR = [
    Decimal(t) for t in ("1.00000661611557", "1.00001460313797", "1.00000661611558", "0.1", "1", "0.00000000000001")
]
"""Of 15 digits: of the first two, the nearest float64 is in the middle of two float32, and they are not."""

FINE = [Decimal(t) for t in ("0", "0.1", "1e-25", "1.0000000000000000000000001", "1.0000000596046447753906251")]
FINE += [MIDDLE, Decimal("1.0000000596046447753906249"), Decimal("-1.0000000596046447753906251")]
LONG = [Decimal(t) for t in ("0", "1e-25", "-1e-25", "1.0000000000000000000000001", "0.1", "-0.5", "2049")]
LONG += [MIDDLE, Decimal("1.0000000596046447753906251"), Decimal("1.0000000596046447753906249"), Decimal(65504)]
LONG += [Decimal("9007199254740992.5"[4:]), Decimal("9999999999999.9999999999999999999999999"[:39])]
WIDE = [Decimal(t) for t in ("1e-310", "1e-46", f"1{'0' * 310}.5", "1e400", "-1e-400", "65519.999999999999999999")]
WIDE += [Decimal(2**70), -Decimal(2**127), Decimal(2**128)]

FIXED = [("TINYINT", 8, True), ("SMALLINT", 16, True), ("BIGINT", 64, True)]
TYPES = {
    "sqlite": {
        "INTEGER": ends(64, True),
        "REAL": [*(v for v in DOUBLE), INF, -INF],
        "": [*ends(64, True), *(v for v in DOUBLE if not v.is_integer()), INF],
        "BOOLEAN": [0, 1],
    },
    "duckdb": {name: ends(bits, signed) for name, bits, signed in FIXED}
    | {"U" + name: ends(bits, False) for name, bits, _ in FIXED}
    | {"INTEGER": ends(32, True), "UINTEGER": ends(32, False), "HUGEINT": [*ends(128, True), 2**100, 2**64]}
    | {"UHUGEINT": [*ends(128, False), 2**127 + 2**100], "BOOLEAN": [False, True], "FLOAT": SINGLE + SPECIAL}
    | {"DOUBLE": DOUBLE + SPECIAL, "DECIMAL(38, 0)": WHOLE, "DECIMAL(15, 2)": SHORT, "DECIMAL(38, 25)": LONG}
    | {"DECIMAL(15, 14)": NEAR, "DECIMAL(26, 25)": FINE},
    "mysql": {name: ends(bits, signed) for name, bits, signed in [*FIXED, ("MEDIUMINT", 24, True), ("INT", 32, True)]}
    | {f"{name} UNSIGNED": ends(bits, False) for name, bits, _ in [*FIXED, ("MEDIUMINT", 24, 0), ("INT", 32, 0)]}
    | {"BOOLEAN": [0, 1], "BIT(1)": [0, 1], "BIT(12)": ends(12, False), "BIT(64)": ends(64, False)}
    | {"YEAR": [0, 1901, 2155], "FLOAT": SINGLE, "DOUBLE": DOUBLE}
    | {"DECIMAL(38, 0)": WHOLE, "DECIMAL(15, 2)": SHORT, "DECIMAL(38, 25)": LONG}
    | {"DECIMAL(15, 14)": NEAR, "DECIMAL(26, 25)": FINE},
    "postgresql": {"smallint": ends(16, True), "integer": ends(32, True), "bigint": ends(64, True)}
    | {"boolean": [False, True], "real": SINGLE + SPECIAL, "double precision": DOUBLE + SPECIAL}
    | {"numeric(38, 0)": WHOLE, "numeric(15, 2)": SHORT, "numeric(38, 25)": LONG}
    | {"numeric(15, 14)": NEAR, "numeric(26, 25)": FINE}
    | {"numeric": [*WIDE, *WHOLE, Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")]},
}
TYPES["mariadb"] = TYPES["mysql"]
TABLES = {(engine, kind): f"t{number}" for engine, kinds in TYPES.items() for number, kind in enumerate(kinds)}
KNOWN = {}
CASES = [(e, way, k, d) for e, kinds in TYPES.items() for way in ("fast", "plain") for k in kinds for d in DTYPES]


def held(value, dtype):
    """The bits of a value in a dtype, as an integer; None where the dtype does not hold it."""
    key = (type(value), str(value), dtype)
    if key not in KNOWN:
        KNOWN[key] = worked_out(value, dtype)
    return KNOWN[key]


def worked_out(value, dtype):
    """What `held` says, with fractions."""
    if isinstance(value, Decimal) and not value.is_finite():
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        infinity, sign, nan = NOT_FINITE.get(dtype, (None, 0, None))
        return nan if math.isnan(value) else infinity and infinity | (sign if value < 0 else 0)
    exact = Fraction(value)
    if dtype in INTEGERS:
        bits, signed = INTEGERS[dtype]
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        return int(exact) % 2 ** max(8, bits) if exact.denominator == 1 and low <= exact <= high else None
    real = isinstance(value, float) or exact.denominator != 1
    rounded = nearest(exact, dtype)
    if rounded is None or (not real and rounded != exact):
        return None
    form, bits = FLOATS[dtype][3:]
    minus = math.copysign(1, value) < 0 if isinstance(value, float) else exact < 0
    packed = struct.pack("<" + form, float(rounded))
    return struct.unpack("<" + bits, packed)[0] | (minus << (8 * len(packed) - 1))


def nearest(exact, dtype):
    """The nearest number of a float format, ties to even; None beyond the greatest."""
    digits, least, greatest = FLOATS[dtype][:3]
    if not exact:
        return exact
    power = max(abs(exact).numerator.bit_length() - abs(exact).denominator.bit_length(), least)
    while power > least and abs(exact) < Fraction(2) ** power:
        power -= 1
    while abs(exact) >= Fraction(2) ** (power + 1):
        power += 1
    step = Fraction(2) ** (power - digits + 1)
    result = round(exact / step) * step
    return result if abs(result) < Fraction(2) ** (greatest + 1) else None


def literal(engine, kind, value):
    """A value in the SQL of an engine, of the very type."""
    if isinstance(value, bool):
        return str(value).upper()
    text = format(value, "f") if isinstance(value, Decimal) else repr(value)
    return text if engine in MYSQLS else f"CAST('{text}' AS {kind})"


def create(where, _):
    """All tables of an engine: rows (number of the value, value)."""
    for kind, values in TYPES[where.engine].items():
        table = TABLES[where.engine, kind]
        where.run(f"CREATE TABLE {table} (id INT PRIMARY KEY, v {kind})")
        if where.engine == "sqlite":
            where.run(*((f"INSERT INTO {table} VALUES (?, ?)", row) for row in enumerate(values)))
        else:
            rows = ", ".join(f"({i}, {literal(where.engine, kind, value)})" for i, value in enumerate(values))
            where.run(f"INSERT INTO {table} VALUES {rows}")


@pytest.fixture(scope="module")
def sessions(request, tmp_path_factory):
    """A session on each engine."""
    with opened(request, tmp_path_factory.mktemp, create) as session:
        yield session


def bits_of(array):
    """The bits of each value as an integer; the same for every NaN."""
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return [int.from_bytes(value.tobytes(), "little") for value in array]


@pytest.mark.parametrize(("engine", "way", "kind", "dtype"), CASES, ids=lambda v: v or "untyped")
def test_into_every_dtype(sessions, engine, way, kind, dtype):
    """A dtype gets every value that it holds, all bits of it; any other is an error that names its place."""
    session, values = sessions(engine, way), TYPES[engine][kind]
    layout = rowfeed.Columns(TABLES[engine, kind], sample="id", columns="v", dtype=dtype)
    selection, expected = layout.selection(session), [held(value, dtype) for value in values]
    good = [i for i, bits in enumerate(expected) if bits is not None]
    if good:
        found = read(session, layout, selection, good)
        assert found.dtype == dtype
        wrong = [(values[i], b) for i, b in zip(good, bits_of(found), strict=True) if b != expected[i]]
        assert not wrong
    bad = sorted(set(range(len(values))) - set(good))
    step = 1 if SLOW else max(1, len(bad) // 2)  # one in so many, which are others for each dtype
    for i in bad[(DTYPES.index(dtype) + (way == "fast")) % step :: step]:
        with pytest.raises(rowfeed.DataError) as caught:
            read(session, layout, selection, sorted([*good[:2], i]))
        message = str(caught.value)
        assert re.match(rf"expected a value that {dtype} holds exactly; got .+ at t\d+\.v, id={i}\. ", message), message
        advised = re.search(r'Pass dtype="(\w+)"', message)
        assert advised is None or held(values[i], advised[1]) is not None, message
        assert advised or all(held(values[i], d) is None for d in ("int64", "uint64", "float64")), message


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_oracle_itself(dtype):
    """What is held by the fractions is what Python's own conversions give."""
    for value in [*DOUBLE, *SPECIAL[1:], *ends(64, True)]:
        try:
            if dtype in FLOATS:
                form, bits = FLOATS[dtype][3:]
                packed = struct.pack("<" + form, value)
                wanted = struct.unpack("<" + bits, packed)[0]
                if isinstance(value, int) and struct.unpack("<" + form, packed)[0] != value:
                    wanted = None
            else:
                bits, _ = INTEGERS[dtype]
                wanted = int(np.array(int(value)).astype(dtype)) % 2 ** max(8, bits)
                np.array([int(value)], object).astype(dtype) if bits > 1 else None
                if int(value) != value or int(np.array(int(value)).astype(dtype)) != value:
                    wanted = None
        except (OverflowError, ValueError, struct.error):
            wanted = None
        assert held(value, dtype) == wanted, (value, dtype)


NO_NUMBERS = [(engine, kind) for engine in MYSQLS for kind in ("TEXT", "JSON", "BLOB")]
NO_NUMBERS += [("postgresql", "text"), ("postgresql", "bit(2)"), ("postgresql", "money"), ("postgresql", "bytea")]
NO_NUMBERS += [("duckdb", "VARCHAR"), ("duckdb", "BLOB"), ("duckdb", "BIT"), ("sqlite", "TEXT"), ("sqlite", "BLOB")]


@pytest.mark.parametrize("way", ["fast", "plain"])
@pytest.mark.parametrize(("engine", "kind"), NO_NUMBERS)
def test_what_is_no_number(engine, kind, way, request, tmp_path):
    """Types that only look like numbers are refused."""
    with place(engine, request, tmp_path) as where:
        value = "x'3130'" if (engine, kind) == ("sqlite", "BLOB") else "'10'"
        where.run(f"CREATE TABLE t (id INT PRIMARY KEY, v {kind})", f"INSERT INTO t VALUES (3, {value})")
        layout = rowfeed.Columns("t", sample="id", columns="v", dtype="float64")
        with pytest.raises(rowfeed.DataError, match=r"expected a number; got .*10.* at t\.v, id=3\. .*CAST"):
            rowfeed.Feed(where.connect(way == "plain"), layout).arrays()


def numbers(dtype):
    """Arrays of a dtype, any bits."""
    if dtype in FLOATS:
        value = st.floats(width=np.dtype(dtype).itemsize * 8)
    else:
        bits, signed = INTEGERS[dtype]
        value = st.integers(-(2 ** (bits - 1)) if signed else 0, 2 ** (bits - signed) - 1)
    return st.lists(value, min_size=1, max_size=20).map(lambda values: np.array(values, dtype))


def storable(engine, value):
    """Whether `write` has a column for such a value."""
    if isinstance(value, int):
        return value < 2**63
    if engine in MYSQLS and not math.isfinite(value):
        return False
    return engine in ("duckdb", "postgresql") or not (math.isnan(value) or str(value) == "-0.0")


@pytest.mark.parametrize("engine", ENGINES)
def test_written_and_read_back(engine, request, tmp_path):
    """Any array of any dtype comes back bit for bit in both ways, or is refused before anything is written."""
    with place(engine, request, tmp_path) as where:

        @examples(12, slow=500)
        @given(st.sampled_from(DTYPES).flatmap(numbers))
        def survives(array):
            layout = rowfeed.Columns("t", sample="id", columns="v", dtype=array.dtype)
            if not all(storable(engine, value) for value in array.tolist()):
                with pytest.raises(rowfeed.DataError, match=r"expected values that .* stores unchanged; got .* id="):
                    where.connect().write(layout, array, if_exists="replace")
                return
            where.connect().write(layout, array, if_exists="replace")
            for plain in (False, True):
                found = rowfeed.Feed(where.connect(plain), layout, shuffle=False).arrays()
                assert bits_of(found) == bits_of(array)

        survives()
