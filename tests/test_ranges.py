"""Runs of neighbouring ids are asked for as ranges, where an index finds them; the rows are the same."""

from __future__ import annotations

import numpy as np
import pytest
from engines import ENGINES, MYSQLS, opened, read

import rowfeed
from rowfeed.request.request import Request
from rowfeed.request.selection import Selection
from rowfeed.request.source import Source

GRID = {"sample": "id", "axes": ("y", "x"), "value": "v", "shape": (2, 3)}
SAMPLES = 3_000
HOLES = {50, 51, 2_999}
"""Ids without rows."""


@pytest.fixture(scope="module")
def session(request, tmp_path_factory):
    """A function (engine, way) that gives a session."""

    def prepare(place, _):
        arrays = np.arange(6 * SAMPLES, dtype=np.float32).reshape(-1, 2, 3) + 1
        arrays[sorted(HOLES)] = 0
        for table in ("t", "unindexed"):
            place.connect().write(rowfeed.Grid(table, **GRID), arrays)
        if place.engine in MYSQLS:
            place.run("ALTER TABLE unindexed DROP PRIMARY KEY")
        if place.engine == "postgresql":
            place.run("ALTER TABLE unindexed DROP CONSTRAINT unindexed_pkey")
        if place.engine == "sqlite":
            place.run("DROP TABLE unindexed", "CREATE TABLE unindexed AS SELECT * FROM t")

    with opened(request, tmp_path_factory.mktemp, prepare) as given:
        yield given


IDS = {
    "all": np.arange(SAMPLES),
    "one": np.array([7]),
    "runs": np.concatenate([np.arange(start, start + 60) for start in range(5, 2_900, 200)]),
    "mostly": np.array([i for i in range(SAMPLES) if i % 40]),
    "scattered": np.arange(0, SAMPLES, 3),
    "beyond": np.concatenate([np.arange(-40, 40), np.arange(2**40, 2**40 + 40)]),
    "ends": np.concatenate([-(2**63) + np.arange(20), 2**63 - 20 + np.arange(20)]),
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
@pytest.mark.parametrize("table", ["t", "unindexed"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_rows(session, engine, table, ids):
    """Whatever the runs, each sample has its own cells, and one without rows none."""
    expected = (np.arange(6) + 1 + 6 * ids[:, None]).astype(np.float32).reshape(-1, 2, 3)
    expected[(ids < 0) | (ids >= SAMPLES) | np.isin(ids, list(HOLES))] = 0
    grid = rowfeed.Grid(table, **GRID)
    for way in ("fast", "plain"):
        opened_session = session(engine, way)
        np.testing.assert_array_equal(read(opened_session, grid, grid.selection(opened_session), ids), expected)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "duckdb"])
def test_an_index_is_known(session, engine):
    """A table with an index that starts with the column is told from others, which each range would scan."""
    opened_session = session(engine, "fast")
    assert opened_session.indexed(Source("t"), "id")
    assert not opened_session.indexed(Source("t"), "v")
    assert not opened_session.indexed(Source("unindexed"), "id")


def request(ids, indexed=True):
    """A request of nothing but ids."""
    return Request(Selection(Source("t"), "id", (), (), indexed=indexed), ids)


def test_runs():
    """Neighbours are ids that follow one another."""
    low, high = request(np.array([-2, -1, 0, 5, 7, 8])).runs
    assert (low.tolist(), high.tolist()) == ([-2, 5, 7], [0, 5, 8])
    low, high = request(np.array([2**64 - 3, 2**64 - 1], np.uint64)).runs
    assert (low.tolist(), high.tolist()) == ([2**64 - 3, 2**64 - 1],) * 2
    assert request(np.array(["a", "b"], np.dtypes.StringDType())).runs is None


def test_ranges_are_long_enough():
    """Runs are worth asking for from some length on, and only where there is an index."""
    ids = np.array([1, 2, 3, 4, 11, 12])
    assert request(ids).ranges(3) is not None
    assert request(ids).ranges(4) is None
    assert request(ids, indexed=False).ranges(1) is None
