"""The ids of a table in parts, which several sessions list at the same time; on every engine."""

from __future__ import annotations

import threading
from itertools import pairwise

import engines
import numpy as np
import pytest

import rowfeed
from rowfeed.dialects import session_class
from rowfeed.reading import listing
from rowfeed.request.source import Source

IDS = sorted({*range(-40, 60, 3), *range(500, 700), 9_000, 9_001})
ROWS = [(i, x, -1 if i % 3 == 0 else 1) for i in IDS for x in range(2)]
CUT = set(engines.ENGINES) - {"duckdb"}
"""Engines of which one query takes one core."""


@pytest.fixture(params=engines.ENGINES)
def place(request, tmp_path):
    """A table `t` with two rows for each of IDS; those of every third sample are below 0."""
    with engines.place(request.param, request, tmp_path) as made:
        made.run(
            "CREATE TABLE t (id BIGINT, x INTEGER, v INTEGER)",
            f"INSERT INTO t VALUES {', '.join(map(str, ROWS))}",
            "CREATE INDEX t_id ON t (id, x)",
        )
        yield made


@pytest.fixture
def listed(place, monkeypatch):
    """Each part that was listed, and by which thread; all tables are large enough."""
    monkeypatch.setattr(listing, "LEAST_NUMBERS", 1)
    found, kind = [], session_class(place.engine)
    method = kind.sample_ids

    def noted(session, source, column):
        found.append((source.bounds, threading.current_thread()))
        return method(session, source, column)

    monkeypatch.setattr(kind, "sample_ids", noted)
    return found


def feed(place, *, plain=False, where=None, **options):
    """A feed of the table."""
    grid = rowfeed.Grid("t", sample="id", axes="x", value="v", shape=2, where=where)
    throttle = options.pop("throttle", None)
    return rowfeed.Feed(place.connect(plain, throttle=throttle), x=grid, **options)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("connections", [1, 2, 5])
def test_parts_are_all_ids(place, listed, connections, plain):
    """Each id once and in order, whatever the number of parts, of which some are empty."""
    found = feed(place, connections=connections, plain=plain).sample_ids
    assert found.dtype == np.int64
    assert found.tolist() == IDS
    assert len({share for share, _ in listed}) == (connections if place.engine in CUT else 1)
    assert len({thread for _, thread in listed}) <= connections


def test_rows_that_do_not_count(place, listed):
    """A condition holds in every share."""
    assert feed(place, where="v < 0").sample_ids.tolist() == [i for i in IDS if i % 3 == 0]
    assert feed(place, where="v > 5 OR id > 9000").sample_ids.tolist() == [9_001]


def test_ids_of_another_table(place, listed):
    """`Samples` are listed in shares as well."""
    place.run("CREATE TABLE u (id INTEGER PRIMARY KEY)", "INSERT INTO u SELECT DISTINCT id + 50 FROM t")
    assert feed(place, samples=rowfeed.Samples("u", "id")).sample_ids.tolist() == [i + 50 for i in IDS]
    assert (len(listed) > 1) == (place.engine in CUT)


def test_an_id_that_is_null(place, listed):
    """It is in no share, and is named all the same."""
    place.run("INSERT INTO t VALUES (NULL, 0, 1)")
    with pytest.raises(rowfeed.DataError, match=r"t\.id.*NULL|NULL.*t\.id"):
        feed(place)


@pytest.mark.parametrize("option", [{"throttle": 0.5}, {"connections": 1}])
def test_one_session_where_the_server_is_to_stay_cool(place, listed, option):
    """A throttled feed lists by itself."""
    assert feed(place, **option).sample_ids.tolist() == IDS
    assert len({thread for _, thread in listed}) == 1


def test_few_numbers_are_not_shared(place, listed, monkeypatch):
    """Another connection must be worth opening."""
    monkeypatch.setattr(listing, "LEAST_NUMBERS", 10_000)
    assert feed(place).sample_ids.tolist() == IDS
    assert len(listed) == 1


@pytest.mark.parametrize("in_main", [False, True])
def test_a_part_that_fails(place, monkeypatch, in_main):
    """Its error is the feed's, a part that still runs is ended, and no thread is left."""
    if place.engine not in CUT:
        pytest.skip("no parts")
    monkeypatch.setattr(listing, "LEAST_NUMBERS", 1)
    kind = session_class(place.engine)
    runs, ended = threading.Event(), threading.Event()

    def sample_ids(session, source, column):
        main = source.bounds[1] is None  # the feed's own part
        if main == in_main:
            assert runs.wait(10)
            raise rowfeed.DataError("this part")
        runs.set()
        if not main:
            assert ended.wait(10), "nobody ended this part"
        return np.arange(3)

    interrupt = kind.interrupt
    monkeypatch.setattr(kind, "sample_ids", sample_ids)
    monkeypatch.setattr(kind, "interrupt", lambda session: (ended.set(), interrupt(session)))
    with pytest.raises(rowfeed.DataError, match="this part"):
        feed(place)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rowfeed")]


@pytest.mark.parametrize(("low", "high", "count"), [(0, 1, 5), (-7, 9, 2), (0, 10**18, 3), (5, 5, 2)])
def test_parts_touch_and_do_not_overlap(low, high, count):
    """The parts of any numbers, together, are all numbers, each once."""
    parts = [source.bounds for source in Source("t").cut("id", low, high, count)]
    assert len(parts) == count
    assert (parts[0][1], parts[-1][2]) == (None, None)
    assert all(after[1] == before[2] + 1 for before, after in pairwise(parts))
    assert all(low <= part[2] <= high for part in parts[:-1])


def test_a_part_begins_where_it_begins(tmp_path):
    """SQLite, too, goes from id to id in a part without passing those before it at each step."""
    with engines.place("sqlite", None, tmp_path) as place:
        rows = ", ".join(f"({i}, {x}, 0)" for i in range(1_000) for x in range(50))
        place.run(
            "CREATE TABLE t (id INTEGER, x, v, PRIMARY KEY (id, x)) WITHOUT ROWID", f"INSERT INTO t VALUES {rows}"
        )
        steps = []
        with place.connect().open() as session:
            connection = session._connection.connection.driver_connection
            for part in Source("t").cut("id", 0, 999, 2):
                count = iter(range(10**9))
                connection.set_progress_handler(lambda: next(count) and None, 100)  # noqa: B023
                assert session.sample_ids(part, "id").size == 500
                steps.append(next(count))
        assert max(steps) < 3 * min(steps)
