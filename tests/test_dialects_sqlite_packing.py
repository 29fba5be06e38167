"""SQLite's packed integers: what they expect of a column, and that nothing is taken for what it is not."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rowfeed
from rowfeed.dialects.sqlite.packing import MISSES, MOST_BITS, Packing, Steps, steps_of
from rowfeed.request.request import Request

LIMIT = 2**24
SAMPLES = 20


class TestSteps:
    @given(
        st.lists(st.integers(-LIMIT, LIMIT), min_size=1, max_size=20),
        st.integers(0, 29),
    )
    def test_hold_what_they_were_made_of(self, numbers, shift):
        """Every multiple of a power of two is one of the steps, and comes back as it was."""
        data = np.ldexp(np.array(numbers, np.float64), -shift)
        steps = steps_of(data, LIMIT, fractions=True)
        assert steps.bits <= MOST_BITS
        number = np.ldexp(data, steps.shift).astype(np.int64)
        assert ((number >= steps.low) & (number <= steps.high)).all()
        assert steps.numbers(number - steps.low).tolist() == data.tolist()

    def test_leave_room(self):
        """Half of the range below and above, and four more bits after the point."""
        assert steps_of(np.array([10, 20]), LIMIT, fractions=True) == Steps(0, 4, 26)
        assert steps_of(np.array([0.5, 1.0]), LIMIT, fractions=True).shift == 5

    @pytest.mark.parametrize(
        ("data", "fractions"),
        [
            ([2**24 + 1], True),  # where an integer is refused and a real rounded
            ([2.0**-300], True),
            ([1e-9, 1.0], True),  # more digits than a double has
            ([0.5], False),
            ([], True),
        ],
    )
    def test_are_none(self, data, fractions):
        """Numbers that are read column by column."""
        assert steps_of(np.array(data), LIMIT, fractions) is None

    def test_keep_the_limit(self):
        """There is no room beyond the numbers that the dtype holds as integers and as reals."""
        steps = steps_of(np.array([-LIMIT, LIMIT]), LIMIT, fractions=True)
        assert (steps.low, steps.high) == (-LIMIT, LIMIT)


COLUMNS = {"integer": "INTEGER", "real": "REAL", "numeric": "DECIMAL(9, 2)", "text": "VARCHAR(9)", "any": ""}
ORDINARY = [1, 2, 3, -4, 5.0, 0, 7]
ODD = [
    0.1,
    1e9,
    16777217,
    16777217.0,
    2**53 + 1,
    1e300,
    5e-324,
    "7",
    " 7",
    "7x",
    "x",
    b"7",
    None,
    float("inf"),
    -0.0,
    1.5,
    -1.25,
    2**62,
]


@pytest.fixture
def table(tmp_path):
    """A function that makes a table of one value a sample, in a column of a declared type."""

    def make(declared, values):
        path = tmp_path / "packed.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DROP TABLE IF EXISTS t")
            connection.execute(f"CREATE TABLE t (id INTEGER, x INTEGER, v {declared}, PRIMARY KEY (id, x))")
            connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(i, i % 3, v) for i, v in enumerate(values)])
        return f"sqlite:///{path}"

    return make


def outcomes(url, dtype, requests, plain, null="error", fill=0):
    """What each of some requests gives on one session: an array's bytes, or the place of the error."""
    grid = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=3, dtype=dtype, null=null, fill=fill)
    found = []
    with rowfeed.connect(url, plain_rows=plain).open() as session:
        selection = grid.selection(session)
        for ids in requests:
            out = grid.empty(len(ids))
            try:
                grid.scatter(session.read(Request(selection, np.array(ids))), np.arange(len(ids)), out)
                found.append(out.tobytes())
            except rowfeed.DataError as error:
                found.append(str(error).partition(" at ")[2].partition(".")[0])
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int8", "uint8", "bool"])
@pytest.mark.parametrize("declared", COLUMNS.values(), ids=COLUMNS)
def test_an_odd_value_after_ordinary_ones(table, declared, dtype):
    """Whatever comes after the values that were learnt from is read, or refused, as by plain rows."""
    ordinary = [1, 0, 1] if dtype == "bool" else ORDINARY
    values = [ordinary[i % len(ordinary)] for i in range(SAMPLES)] + ODD
    values = [abs(v) if dtype == "uint8" and isinstance(v, int) else v for v in values]
    url = table(declared, values)
    requests = [list(range(SAMPLES))] * 2
    requests += [[0, 1, 2, SAMPLES + i] for i in range(len(ODD))] + [list(range(SAMPLES))]
    assert outcomes(url, dtype, requests, False) == outcomes(url, dtype, requests, True)


@pytest.mark.parametrize("null", ["drop", "fill"])
def test_nulls_that_are_allowed(table, null):
    """The policies of NULL hold, whether values are packed or not."""
    url = table("REAL", [*[1.0, None, 3.5] * 7, 2.0])
    requests = [range(i, i + 8) for i in range(0, 16, 4)]
    assert outcomes(url, "float32", requests, False, null) == outcomes(url, "float32", requests, True, null)


@pytest.mark.parametrize("fill", [0.0, -0.0, 9.0, 0.1, float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("declared", COLUMNS.values(), ids=COLUMNS)
def test_fills(table, declared, fill):
    """A fill has its bits, whatever stands beside it, and none hides a text."""
    url = table(declared, [*[1, None, 3.5, 4] * 7, 2, "x", *[1, 5] * 4, *[None] * 4])
    requests = [range(i, i + 8) for i in range(0, 40, 4) if i + 8 <= 42]
    given = {"null": "fill", "fill": fill}
    assert outcomes(url, "float32", requests, False, **given) == outcomes(url, "float32", requests, True, **given)
    whole = {"null": "fill", "fill": 7}
    assert outcomes(url, "int16", requests, False, **whole) == outcomes(url, "int16", requests, True, **whole)


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False) | st.integers(-300, 300), min_size=8, max_size=8)))
def test_requests_of_any_numbers(tmp_path_factory, requests):
    """Whatever was learnt from some requests, the next one is right."""
    url = f"sqlite:///{tmp_path_factory.mktemp('any')}/any.db"
    values = [value for numbers in requests for value in numbers] + [1.0]
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER, v REAL)")
        connection.executemany("INSERT INTO t VALUES (?, 0, ?)", enumerate(values))
    asked = [range(8 * i, 8 * i + 8) for i in range(len(requests))]
    assert outcomes(url, "float32", asked, False) == outcomes(url, "float32", asked, True)


def test_values_are_packed(table, monkeypatch):
    """Requests after the first are answered by packed integers, with NULLs too: none is read twice, none in vain."""
    asked = []
    unpacked = Packing.unpacked
    monkeypatch.setattr(Packing, "unpacked", lambda *given: asked.append(1) or unpacked(*given))
    requests = [range(10, 60), range(20, 70), range(30, 80)]
    outcomes(table("REAL", [i / 8 for i in range(100)]), "float32", requests, False)
    assert len(asked) == 2
    outcomes(table("REAL", [i / 8 if i % 3 else None for i in range(100)]), "float32", requests, False, "fill", 5)
    assert len(asked) == 4


def test_hope_ends(table, monkeypatch):
    """Where each request has other numbers than the last, packing is given up."""
    tried = []
    expressions = Packing.expressions
    monkeypatch.setattr(Packing, "expressions", lambda *given: tried.append(1) or expressions(*given))
    url = table("REAL", [10.0 ** (i - 10) for i in range(20)])
    outcomes(url, "float64", [[i] for i in range(20)], False)
    assert 1 <= len(tried) <= MISSES + 1


def test_many_columns(tmp_path):
    """Columns of 20 reals, in as many integers as it takes, hold the bits that were written."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/wide.db")
    columns = rowfeed.Columns("t", sample="id", columns=[f"c{i}" for i in range(20)])
    written = np.random.default_rng(0).normal(size=(3000, 20)).astype("float32")
    db.write(columns, written)
    feed = rowfeed.Feed(db, x=columns, shuffle=False)
    assert feed.arrays().tobytes() == written.tobytes()
