"""Layouts of one table come from one query, with the bits of queries of their own."""

from __future__ import annotations

import warnings
from contextlib import ExitStack

import pytest
from engines import ENGINES, place

import rowfeed
from rowfeed.dialects.sqlite.session import Session

SAMPLES = 60


@pytest.fixture(scope="module")
def opened(request, tmp_path_factory):
    """A function engine -> place, with a table `t` of two cells a sample, and a table `u` of one row."""
    with ExitStack() as stack:
        places = {}

        def there(engine):
            if engine not in places:
                found = stack.enter_context(place(engine, request, tmp_path_factory.mktemp(engine)))
                cells = [(i, x, i * 10 + x, i * 10 + x + 0.5) for i in range(SAMPLES) for x in range(i % 3)]
                rows = [f"({i}, {i % 5}, {i / 4}, 'n{i}', {'NULL' if i % 7 == 0 else i})" for i in range(SAMPLES)]
                found.run(
                    "CREATE TABLE t (id INTEGER, x INTEGER, v INTEGER, w DOUBLE PRECISION, PRIMARY KEY (id, x))",
                    f"INSERT INTO t VALUES {', '.join(map(str, cells))}",
                    "CREATE TABLE u (id INTEGER PRIMARY KEY, a INTEGER, b DOUBLE PRECISION, c VARCHAR(9), d INTEGER)",
                    f"INSERT INTO u VALUES {', '.join(rows)}",
                )
                places[engine] = found
            return places[engine]

        yield there


def grid(value, **options):
    return rowfeed.Grid("t", sample="id", axes="x", value=value, shape=3, **options)


def columns(names, **options):
    return rowfeed.Columns("u", sample="id", columns=names, **options)


GROUPS = {
    "columns": [[columns("a", dtype="int32"), columns(["b", "a"]), columns("b", dtype="float64")]],
    "grids": [[grid("v"), grid("w", dtype="float64"), grid(["w", "v"], duplicates="sum"), grid("v", fill=-1)]],
    "two tables": [[grid("v"), grid("w")], [columns("a"), columns("b")]],
    "fills": [
        [
            columns("d", null="fill", fill=-1),
            columns(["a", "d"], null="fill", fill=-0.0),
            columns("d", null="fill"),
            columns("d", null="fill", fill=float("nan"), dtype="float64"),
            columns("a"),
        ]
    ],
    "rows that count": [
        [grid("v", where="v > 99")],
        [grid("w")],
        [grid("v", null="drop"), grid("v", null="drop", dtype="int32")],
        [grid("w", null="drop")],
    ],
    "order": [[grid("v", duplicates="first"), grid("w", duplicates="last")]],
}
"""Layouts that are read together, in lists."""


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", GROUPS)
def test_as_queries_of_their_own(opened, engine, plain, name):
    """One query reads each list; every layout gets the bits, dtype and fill that it gets when it is read alone."""
    db, groups = opened(engine).connect(plain), GROUPS[name]
    layouts = [layout for group in groups for layout in group]
    options = {"samples": range(SAMPLES), "seed": 5, "batch_size": 9, "cache": None}
    together = rowfeed.Feed(db, {str(number): layout for number, layout in enumerate(layouts)}, **options)
    alone = [rowfeed.Feed(db, layout, **options) for layout in layouts]
    for batch, *others in zip(together, *alone, strict=True):
        for number, other in enumerate(others):
            assert batch[str(number)].dtype == other.dtype
            assert batch[str(number)].tobytes() == other.tobytes()
    firsts = [layouts.index(group[0]) for group in groups]
    assert together.stats().samples == len(groups) * SAMPLES
    assert together.stats().rows == sum(alone[first].stats().rows for first in firsts)


def test_faults_are_named(opened):
    """A NULL is an error that names its own column and sample, whichever layout asks for it."""
    db = opened("sqlite").connect()
    with pytest.raises(rowfeed.DataError, match=r"got NULL at u\.d, id=0"):
        rowfeed.Feed(db, columns("a"), columns("d")).arrays()


@pytest.mark.usefixtures("warned_of_few_rows")
def test_scans_are_shared(opened):
    """A table without an index is scanned once for all of its layouts, and the warning counts so."""
    there = opened("sqlite")
    there.run("CREATE TABLE IF NOT EXISTS bare AS SELECT * FROM u")
    layouts = [rowfeed.Columns("bare", sample="id", columns=name) for name in ("a", "b")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        feed = rowfeed.Feed(there.connect(), *layouts)
    assert [str(one.message).count("1 scan of 60 rows") for one in caught] == [1]
    list(feed)
    assert feed.stats().requests == 1


def test_derived_feeds_ask_again_for_nothing(opened, monkeypatch):
    """A feed with some of the layouts knows all that it needs from the feed that it is made from."""
    feed = rowfeed.Feed(opened("sqlite").connect(), columns("a"), columns("b"))
    monkeypatch.setattr(Session, "open", None)
    fewer = feed.replace(y=None)
    assert [part.layout for query in fewer._survey.queries for part in query.shared.parts] == [columns("a")]
