"""Dates and times of every engine into datetime64 and timedelta64, in each way of reading: exact, or refused."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from fractions import Fraction

import numpy as np
import pytest
import sqlalchemy as sa
from engines import ENGINES, MYSQLS, opened, place, read
from hypothesis import given
from hypothesis import strategies as st
from reference import SLOW, examples

import rowfeed
from rowfeed.values.dates import MICROSECONDS

DAY = 86_400_000_000
UNITS = {"D": DAY, "h": DAY // 24, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
DATES, TIMES = [f"datetime64[{u}]" for u in UNITS], [f"timedelta64[{u}]" for u in UNITS]


def days(text):
    """Days from 1970 to a date of the years 1 to 9999, in microseconds."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days * DAY


def at(text, clock):
    """Microseconds from 1970 to a date and a time of day."""
    return days(text) + (datetime.fromisoformat(f"1970-01-01 {clock}") - datetime(1970, 1, 1)) // timedelta(
        microseconds=1
    )


DAYS = {
    text: days(text) for text in ("1970-01-01", "1969-12-31", "2000-02-29", "1900-02-28", "2026-03-29", "9999-12-31")
}
STAMPS = {
    f"{day} {clock}": at(day, clock)
    for day, clock in [
        ("1970-01-01", "00:00:00"), ("1969-12-31", "23:59:59.999999"), ("2026-03-29", "01:59:59.999"),
        ("2026-03-29", "02:30:00"), ("2026-03-29", "03:00:00"), ("2026-10-25", "02:30:00.000001"),
        ("2000-02-29", "12:00:00"), ("9999-12-31", "23:59:59.999999"), ("2038-01-19", "03:14:08"),
    ]
}  # fmt: skip
"""With the hours that a change of daylight saving leaves out, and has twice, in Berlin."""

INSTANTS = {
    "2026-03-29 01:30:00+00": at("2026-03-29", "01:30:00"),
    "2026-10-25 02:30:00+02": at("2026-10-25", "00:30:00"),
    "2026-10-25 02:30:00+01": at("2026-10-25", "01:30:00"),
    "1970-01-01 00:00:00.000001+05:30": 1 - 5 * UNITS["h"] - 30 * UNITS["m"],
}
MYSQL_INSTANTS = {
    f"2026-{t}": at("2026-" + t[:5], t[6:]) for t in ("03-29 01:30:00", "10-25 00:30:00", "10-25 01:30:00.5")
}
MYSQL_INSTANTS |= {"1970-01-01 00:00:01": 1_000_000, "2038-01-19 03:14:07.999999": at("2038-01-19", "03:14:07.999999")}
CLOCKS = {
    "00:00:00": 0,
    "23:59:59.999999": DAY - 1,
    "12:00:00": DAY // 2,
    "00:00:00.001": 1000,
    "01:01:00": 61 * UNITS["m"],
}
FAR = {"-838:59:59.999999": -3_020_399_999_999, "838:59:59.999999": 3_020_399_999_999, "-00:00:00.5": -500_000}
CYCLE = 146_097 * DAY
"""400 years, after which the calendar repeats itself."""

JULIAN_0 = -2_440_588 * DAY
OLD = {"0001-01-01": days("0001-01-01")}
OLD_STAMP = {"0001-01-01 00:00:00": days("0001-01-01")}

TYPES = {
    "sqlite": {"DATE": DAYS | OLD, "TIMESTAMP": STAMPS | INSTANTS | {"2026-03-29T02:30": at("2026-03-29", "02:30:00")}}
    | {"TEXT": CLOCKS | {"12:34": 754 * UNITS["m"]}},
    "mariadb": {"DATE": DAYS | OLD, "DATETIME(6)": STAMPS | OLD_STAMP, "TIMESTAMP(6)": MYSQL_INSTANTS}
    | {"TIME(6)": CLOCKS | FAR},
    "mysql": {"DATE": DAYS | OLD, "DATETIME(6)": STAMPS | OLD_STAMP, "TIMESTAMP(6)": MYSQL_INSTANTS}
    | {"TIME(6)": CLOCKS | {"-838:59:59": -3_020_399_000_000, "838:59:59": 3_020_399_000_000}},
    "postgresql": {
        "date": DAYS | {"0001-12-31 BC": days("0001-01-01") - DAY, "4714-11-24 BC": JULIAN_0}
        | {"5874897-12-31": days("2097-12-31") + 14_682 * CYCLE},
        "timestamp": STAMPS | {"0001-12-31 23:59:59 BC": days("0001-01-01") - 1_000_000}
        | {"294276-12-31 23:59:59.999999": at("2276-12-31", "23:59:59.999999") + 730 * CYCLE},
        "timestamptz": INSTANTS,
        "time": CLOCKS | {"24:00:00": DAY},
    },
    "duckdb": {
        "DATE": DAYS | {"0001-12-31 (BC)": days("0001-01-01") - DAY}
        | {"5881580-07-10": days("1980-07-10") + 14_699 * CYCLE},
        "TIMESTAMP": STAMPS | {"294247-01-10 04:00:54.775806": 2**63 - 2},
        "TIMESTAMP_S": {"2026-03-29 02:30:00": at("2026-03-29", "02:30:00")},
        "TIMESTAMP_MS": {"2026-03-29 02:30:00.25": at("2026-03-29", "02:30:00.25")},
        "TIMESTAMP_NS": {"2026-03-29 02:30:00.123456": at("2026-03-29", "02:30:00.123456")}
        | {"2026-03-29 02:30:00.123456789": at("2026-03-29", "02:30:00.123456") + Fraction(789, 1000)},
        "TIMESTAMPTZ": INSTANTS,
        "TIME": CLOCKS | {"24:00:00": DAY},
    },
}  # fmt: skip
TABLES = {(engine, kind): f"t{number}" for engine, kinds in TYPES.items() for number, kind in enumerate(kinds)}
CASES = [(e, w, k, d) for e, kinds in TYPES.items() for w in ("fast", "plain") for k in kinds for d in DATES + TIMES]


def is_time(engine, kind):
    return (kind.upper().startswith("TIME") and not kind.upper().startswith("TIMESTAMP")) or (engine, kind) == (
        "sqlite",
        "TEXT",
    )


def held(exact, dtype):
    """The ticks of a dtype that are so many microseconds; None where there is no such number in 64 bits."""
    ticks = Fraction(exact) / UNITS[re.search(r"\[(\w+)\]", dtype)[1]]
    return int(ticks) if ticks.denominator == 1 and abs(ticks) < 2**63 else None


def quoted(engine, kind, text):
    return f"'{text}'" if engine in (*MYSQLS, "sqlite") else f"CAST('{text}' AS {kind})"


def create(where, stack):
    """All tables of an engine, on a server whose zone is not UTC from then on."""
    engine = where.engine
    for kind, values in TYPES[engine].items():
        table = TABLES[engine, kind]
        default = " NULL" if kind.startswith("TIMESTAMP(") else ""
        rows = ", ".join(f"({i}, {quoted(engine, kind, text)})" for i, text in enumerate(values))
        zone = ["SET time_zone = '+00:00'"] if engine in MYSQLS else []
        where.run(f"CREATE TABLE {table} (id INT PRIMARY KEY, v {kind}{default})")
        where.run(*zone, f"INSERT INTO {table} VALUES {rows}")
    if engine in MYSQLS:
        where.run("SET GLOBAL time_zone = '+02:00'")
        stack.callback(where.run, "SET GLOBAL time_zone = 'SYSTEM'")
    if engine == "postgresql":
        database = sa.make_url(where.url).database
        where.run(f"ALTER DATABASE {database} SET timezone = 'Europe/Berlin'")
        where.run(f"ALTER DATABASE {database} SET datestyle = 'SQL, DMY'")


@pytest.fixture(scope="module")
def sessions(request, tmp_path_factory):
    """A session on each engine with tables of all its types."""
    with opened(request, tmp_path_factory.mktemp, create) as session:
        yield session


@pytest.mark.parametrize(("engine", "way", "kind", "dtype"), CASES)
def test_into_every_unit(sessions, engine, way, kind, dtype):
    """A unit gets every date that it holds, wherever the server is; any other is an error that names its place."""
    session, values = sessions(engine, way), TYPES[engine][kind]
    layout = rowfeed.Columns(TABLES[engine, kind], sample="id", columns="v", dtype=dtype)
    selection = layout.selection(session)
    noun, fits = ("time", dtype in TIMES) if is_time(engine, kind) else ("date", dtype in DATES)
    expected = [held(exact, dtype) if fits else None for exact in values.values()]
    good = [i for i, ticks in enumerate(expected) if ticks is not None]
    if good:
        found = read(session, layout, selection, good)
        assert found.dtype == dtype
        assert found.view(np.int64).tolist() == [expected[i] for i in good]
    bad = sorted(set(range(len(values))) - set(good))
    step = 1 if SLOW else max(1, len(bad) // 2)
    for i in bad[(DATES + TIMES).index(dtype) % step :: step]:
        with pytest.raises(rowfeed.DataError) as caught:
            read(session, layout, selection, sorted([*good[:2], i]))
        message = str(caught.value)
        if fits:
            start = rf"expected a {noun} that {re.escape(dtype)} holds exactly; got .+ at t\d\.v, id={i}\. "
            advised = re.search(r'Pass dtype="(\w+\[\w+\])"', message)
            assert advised is None or held(list(values.values())[i], advised[1]) is not None, message
        else:
            start = rf"expected a {'date' if dtype in DATES else 'time'}; got .+ at t\d\.v, id={i}\. "
            assert "datetime64" in message or "timedelta64" in message or "CAST" in message
        assert re.match(start, message), message


@pytest.mark.parametrize("way", ["fast", "plain"])
@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_and_dates_are_two_things(sessions, engine, way):
    """A numeric dtype refuses dates and names the dtype for them; a date dtype refuses numbers."""
    session = sessions(engine, way)
    for kind in TYPES[engine]:
        for dtype in ("float64", "int64"):
            layout = rowfeed.Columns(TABLES[engine, kind], sample="id", columns="v", dtype=dtype)
            with pytest.raises(rowfeed.DataError) as caught:
                read(session, layout, layout.selection(session), [0])
            name = r"timedelta64\[\w+\]" if is_time(engine, kind) else r"datetime64\[\w+\]"
            wanted = rf'expected a number; got .+ at t\d\.v, id=0\. Read it with Columns\(…, dtype="{name}"\), or CAST'
            assert re.match(wanted, str(caught.value)), str(caught.value)
    layout = rowfeed.Columns("t0", sample="id", columns="id", dtype="datetime64[D]")
    with pytest.raises(
        rowfeed.DataError, match=r"expected a date; got 0 at t0\.id, id=0\. Pass a numeric dtype such as"
    ):
        read(session, layout, layout.selection(session), [0])


@pytest.mark.parametrize("way", ["fast", "plain"])
@pytest.mark.parametrize(
    ("engine", "kind"), [("mariadb", "TIMESTAMP(6)"), ("mysql", "TIMESTAMP(6)"), ("postgresql", "timestamptz")]
)
def test_where_is_in_the_users_zone(sessions, engine, way, kind):
    """A time of day in where= is one of the server's zone, as in any other client; the arrays are in UTC."""
    text, local = "2026-03-29 01:30:00", "2026-03-29 03:30:00"
    table = TABLES[engine, kind]
    layout = rowfeed.Columns(table, sample="id", columns="v", dtype="datetime64[s]", where=f"v = '{local}'")
    session = sessions(engine, way)
    number = next(i for i, exact in enumerate(TYPES[engine][kind].values()) if exact == at(text[:10], text[11:]))
    assert read(session, layout, layout.selection(session), [number]).tolist() == [datetime.fromisoformat(text)]


NO_DATES = [
    ("postgresql", "date", "infinity", "datetime64[D]"), ("postgresql", "date", "-infinity", "datetime64[us]"),
    ("postgresql", "timestamp", "infinity", "datetime64[us]"),
    ("postgresql", "timestamptz", "-infinity", "datetime64[s]"),
    ("postgresql", "interval", "1 month", "timedelta64[us]"), ("postgresql", "timetz", "10:00+02", "timedelta64[s]"),
    ("duckdb", "DATE", "infinity", "datetime64[D]"), ("duckdb", "TIMESTAMP", "-infinity", "datetime64[us]"),
    ("duckdb", "TIMESTAMPTZ", "infinity", "datetime64[us]"), ("duckdb", "INTERVAL", "1 month", "timedelta64[us]"),
    ("duckdb", "TIMETZ", "10:00:00+02", "timedelta64[s]"),
    *((engine, "DATE", "0000-00-00", "datetime64[D]") for engine in MYSQLS),
    *((engine, "DATE", "2026-00-10", "datetime64[D]") for engine in MYSQLS),
    *((engine, "DATETIME", "2026-02-31 10:00:00", "datetime64[s]") for engine in MYSQLS),
    *((engine, "TIMESTAMP", "0", "datetime64[s]") for engine in MYSQLS),
    ("sqlite", "DATE", "2026-02-30", "datetime64[D]"), ("sqlite", "DATE", "29.03.2026", "datetime64[D]"),
    ("sqlite", "TEXT", "24:61:00", "timedelta64[s]"), ("sqlite", "TIMESTAMP", "2026-03-29 24:00:00", "datetime64[s]"),
    ("sqlite", "DATE", "infinity", "datetime64[D]"), ("sqlite", "DATE", "", "datetime64[D]"),
]  # fmt: skip


@pytest.mark.parametrize(("engine", "kind", "text", "dtype"), NO_DATES)
def test_what_is_no_date(engine, kind, text, dtype, request, tmp_path):
    """Infinity, zero dates, months without such a day and intervals of months are refused by name."""
    with place(engine, request, tmp_path) as where:
        loose = ["SET sql_mode = 'ALLOW_INVALID_DATES'"] if engine in MYSQLS else []
        where.run(f"CREATE TABLE t (id INT PRIMARY KEY, v {kind})")
        good = {"timedelta64": "10:00:00", "datetime64": "2026-03-29"}[dtype.partition("[")[0]]
        good = "10:00:00+00" if kind.lower() == "timetz" else good
        where.run(*loose, f"INSERT INTO t VALUES (3, {quoted(engine, kind, text)}), (2, {quoted(engine, kind, good)})")
        layout = rowfeed.Columns("t", sample="id", columns="v", dtype=dtype, null="fill", fill="NaT")
        noun = "time" if dtype.startswith("timedelta") else "date"
        for plain in (False, True):
            with pytest.raises(
                rowfeed.DataError, match=rf"expected a {noun}; got .* at t\.v, id=[23]\. .*, or CAST the"
            ):
                rowfeed.Feed(where.connect(plain), layout).arrays()


@pytest.mark.parametrize("way", ["fast", "plain"])
@pytest.mark.parametrize("engine", ENGINES)
def test_null_and_missing_rows(engine, way, request, tmp_path):
    """NULL is an error, or the fill that was given; a missing row likewise."""
    kinds = {"sqlite": "TEXT", "mariadb": "DATETIME(6)", "mysql": "DATETIME(6)"}
    with place(engine, request, tmp_path) as where:
        where.run(f"CREATE TABLE t (id INT PRIMARY KEY, a {kinds.get(engine, 'timestamp')}, b DATE)")
        where.run("INSERT INTO t VALUES (1, '2026-03-29 02:30:00', '2026-03-29'), (2, NULL, NULL)")
        db, names = where.connect(way == "plain"), ["a", "b"]
        with pytest.raises(rowfeed.DataError, match=r'expected a date; got NULL at t\.a, id=2\. .*null="fill"'):
            rowfeed.Feed(db, rowfeed.Columns("t", sample="id", columns=names, dtype="datetime64[s]")).arrays()
        for fill in ("NaT", np.datetime64("2000-01-01"), date(1999, 12, 31), datetime(1, 1, 1, 12)):
            layout = rowfeed.Columns("t", sample="id", columns=names, dtype="datetime64[s]", null="fill", fill=fill)
            found = rowfeed.Feed(db, layout, samples=[1, 2, 3]).arrays()
            wanted = np.full((3, 2), np.datetime64(fill, "s"), "datetime64[s]")
            wanted[0] = [np.datetime64("2026-03-29T02:30:00"), np.datetime64("2026-03-29")]
            assert found.tobytes() == wanted.tobytes()


def arrays_of(dtype):
    """Arrays of dates between the years 1 and 9999, or of times of day, in a unit."""
    size = UNITS[re.search(r"\[(\w+)\]", dtype)[1]]
    low, high = (0, DAY - 1) if dtype in TIMES else (days("0001-01-01"), days("9999-12-31") + DAY - 1)
    ticks = st.integers(-(-low // size), high // size)
    return st.lists(ticks, min_size=1, max_size=20).map(lambda t: np.array(t, np.int64).view(dtype))


@pytest.mark.parametrize("engine", ENGINES)
def test_written_and_read_back(engine, request, tmp_path):
    """Any array of dates or times comes back bit for bit in both ways, in a column of such a type."""
    with place(engine, request, tmp_path) as where:

        @examples(14, slow=500)
        @given(st.sampled_from(DATES + TIMES).flatmap(arrays_of))
        def survives(array):
            layout = rowfeed.Columns("t", sample="id", columns="v", dtype=array.dtype)
            where.connect().write(layout, array, if_exists="replace")
            for plain in (False, True):
                found = rowfeed.Feed(where.connect(plain), layout, shuffle=False).arrays()
                assert found.dtype == array.dtype
                assert found.tobytes() == array.tobytes()

        survives()


WHAT_IS_WRITTEN = {
    "sqlite": ["DATE", "DATETIME", "TIME"],
    "duckdb": ["DATE", "TIMESTAMP", "TIME"],
    "mariadb": ["date", "datetime(6)", "time(6)"],
    "mysql": ["date", "datetime(6)", "time(6)"],
    "postgresql": ["date", "timestamp without time zone", "time without time zone"],
}
CATALOGUE = {
    "sqlite": "SELECT type FROM pragma_table_info('t') WHERE name = 'v'",
    "mariadb": "SELECT column_type FROM information_schema.columns WHERE table_name = 't' AND column_name = 'v' "
    "AND table_schema = database()",
}
CATALOGUE["mysql"] = CATALOGUE["mariadb"]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_columns_that_are_written(engine, request, tmp_path):
    """Days make a DATE, finer units a timestamp, times a TIME; NaT and what the type has not are refused."""
    with place(engine, request, tmp_path) as where:
        db = where.connect()
        for dtype, wanted in zip(
            ("datetime64[D]", "datetime64[s]", "timedelta64[s]"), WHAT_IS_WRITTEN[engine], strict=True
        ):
            layout = rowfeed.Columns("t", sample="id", columns="v", dtype=dtype)
            db.write(layout, np.array([1, 2]).astype(dtype), if_exists="replace")
            standard = "SELECT data_type FROM information_schema.columns WHERE table_name = 't' AND column_name = 'v'"
            assert where.run(CATALOGUE.get(engine, standard)) == [(wanted,)]
            with pytest.raises(
                rowfeed.DataError, match=r"expected a (date|time) that .* holds exactly; got NaT at arrays\[1"
            ):
                db.write(layout, np.array([1, "NaT"], dtype), if_exists="replace")
            with pytest.raises(rowfeed.ArgumentError, match=r"expected an array of \w+64\[.*\]; got dtype int64"):
                db.write(layout, np.array([1, 2]), if_exists="replace")
            far = np.array([10**7], np.int64).view("timedelta64[s]") if dtype in TIMES else np.array(["-0001"], dtype)
            with pytest.raises(
                rowfeed.DataError, match=r"expected values that .* stores unchanged; got .* at t\.v, id=0"
            ):
                db.write(layout, far, if_exists="replace")
        fine = np.array(["2026-03-29T02:30:00.5"], "datetime64[ms]")
        with pytest.raises(
            rowfeed.DataError, match=r"expected a date that datetime64\[s\] holds exactly; got 2026-03-29T02"
        ):
            db.write(rowfeed.Columns("t", sample="id", columns="v", dtype="datetime64[s]"), fine, if_exists="replace")


class TestArguments:
    """What cannot be right, whatever the database holds."""

    @pytest.mark.parametrize(
        "dtype", ["datetime64", "datetime64[ns]", "datetime64[M]", "timedelta64[Y]", "datetime64[10s]"]
    )
    def test_units(self, dtype):
        """Units that are not as long as each other, or finer than any engine's, are refused."""
        with pytest.raises(rowfeed.ArgumentError, match=r"in one of the units D, h, m, s, ms, us; got dtype='.*Use \""):
            rowfeed.Columns("t", sample="id", columns="v", dtype=dtype)

    def test_a_grid_is_of_numbers(self):
        """A grid of dates is refused, with the ways out."""
        with pytest.raises(
            rowfeed.ArgumentError, match=r"as a grid is of numbers; got dtype='datetime64\[D\]'\. Read da"
        ):
            rowfeed.Grid("t", sample="id", axes="x", value="v", shape=3, dtype="datetime64[D]")

    @pytest.mark.parametrize("fill", [0, 5, 1.5, None, "today", True, np.timedelta64(1, "D"), time(1), "2026-13-01"])
    def test_a_fill_of_dates_is_given(self, fill):
        """With null="fill" a date is needed; 0 is none."""
        with pytest.raises(
            rowfeed.ArgumentError, match=r'expected a date that datetime64\[D\] holds, or "NaT", with null='
        ):
            rowfeed.Columns("t", sample="id", columns="v", dtype="datetime64[D]", null="fill", fill=fill)

    @pytest.mark.parametrize("fill", [np.datetime64("2026-03-29T01"), datetime(2026, 3, 29, 1), "2026-03-29 01:00"])
    def test_a_fill_that_does_not_fit(self, fill):
        """An hour is no whole day."""
        with pytest.raises(rowfeed.ArgumentError, match=r"expected a date that datetime64\[D\] holds"):
            rowfeed.Columns("t", sample="id", columns="v", dtype="datetime64[D]", null="fill", fill=fill)
        layout = rowfeed.Columns("t", sample="id", columns="v", dtype="datetime64[h]", null="fill", fill=fill)
        assert layout.fill == np.datetime64("2026-03-29T01")

    def test_units_are_those_of_the_package(self):
        """The lengths of the units that this file counts with."""
        assert UNITS == MICROSECONDS
