"""Tables without an index: as few scans as memory allows, said, and refused above a limit.

Cell x of sample s holds 10 s + x + 0.5.
"""

from __future__ import annotations

import pickle
import re
import tracemalloc
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from engines import ENGINES, place
from reference import assert_same, create, readers
from test_access_throttle import closed_in

import rowfeed
from rowfeed.dialects.sqlite import session as sqlite
from rowfeed.dialects.sqlite.session import Session as SqliteSession
from rowfeed.feed import scans
from rowfeed.feed.scans import FEW_ROWS
from rowfeed.plan.order import Plan
from rowfeed.reading.sizes import MAX_SCANNED, Scan, ScanSize, row_bytes
from rowfeed.request.selection import Selection, Value
from rowfeed.request.source import Source

CELLS = 4
pytestmark = pytest.mark.usefixtures("warned_of_few_rows")


def grid(table="t", **changes):
    return rowfeed.Grid(table, **{"sample": "id", "axes": "x", "value": "v", "shape": CELLS, **changes})


def cells(samples):
    """What the table holds: every fifth cell has no row."""
    sample, x = np.indices((samples, CELLS))
    return np.where((sample + x) % 5, 10 * sample + x + 0.5, 0).astype("float32")


@contextmanager
def tables(engine, request, directory, samples):
    """A place with a table `i`, which has an index, and a copy `t`, which has none."""
    with place(engine, request, directory) as there:
        there.connect().write(grid("i"), cells(samples))
        there.run("CREATE TABLE t AS SELECT * FROM i")
        yield there


@pytest.fixture
def path(tmp_path):
    """100 samples of 4 rows, in no order, without an index."""
    rows = [(i * 37 % 100, x, 10 * (i * 37 % 100) + x + 0.5) for x in range(CELLS) for i in range(100)]
    create(tmp_path / "t.db", "t", [("id", "INTEGER"), ("x", ""), ("v", "")], rows)
    return tmp_path / "t.db"


def make(path, *layouts, **options):
    """A feed of a file, and what it warned of."""
    server = {name: options.pop(name) for name in ("throttle", "max_scanned_rows") if name in options}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", rowfeed.MissingIndexWarning)
        options.setdefault("cache", None)
        feed = rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}", **server), *(layouts or (grid(),)), **options)
    return feed, [str(warning.message) for warning in caught]


def memory_for_rows(rows, layout=None):
    """Memory of which a quarter holds so many rows on their way."""
    return 4 * rows * (64 + 32 * (1 if layout is None else len(layout.values)))


@pytest.mark.parametrize("engine", ENGINES)
class TestEngines:
    """On every engine."""

    SAMPLES = 5_000

    @pytest.mark.parametrize("plain", [False, True])
    def test_an_epoch_is_one_scan(self, engine, plain, request, tmp_path):
        """Several thousand samples come by one request an epoch, also as plain rows; the bits are those of an index."""
        with tables(engine, request, tmp_path, self.SAMPLES) as there:
            db = there.connect(plain)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", rowfeed.MissingIndexWarning)
                feed = rowfeed.Feed(db, grid(), batch_size=64, connections=3, cache=None)
            indexed = rowfeed.Feed(db, grid("i"), batch_size=64)
            for epoch in (0, 1):
                before = feed.stats()
                assert_same(np.concatenate(list(feed.batches(epoch))), np.concatenate(list(indexed.batches(epoch))))
                if engine != "duckdb":
                    assert (feed.stats() - before).requests == 1
            assert_same(feed.arrays(), cells(self.SAMPLES))
            if engine == "duckdb":
                assert not caught
            else:
                (said,) = (str(warning.message) for warning in caught)
                rows = np.count_nonzero(cells(self.SAMPLES))
                each = f" of {rows:,} rows an epoch"
                assert f"so each request scans the whole table: 1 scan{each}. Create one: CREATE INDEX " in said

    def test_text_ids(self, engine, request, tmp_path):
        """More than a thousand ids of text come by one request, also where they are read as plain rows."""
        with place(engine, request, tmp_path) as there:
            db = there.connect()
            ids = [f"user {number:04}" for number in range(1_200)]
            db.write(grid("i"), cells(1_200), ids=ids)
            there.run("CREATE TABLE t AS SELECT * FROM i")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", rowfeed.MissingIndexWarning)
                feed = rowfeed.Feed(db, grid(), shuffle=False, batch_size=1_200)
            assert_same(next(iter(feed)), cells(1_200))
            if engine != "duckdb":
                assert feed.stats().requests == 1


def test_what_takes_plain_rows(tmp_path, monkeypatch):
    """Where the engine's own way declines, requests are as many as those of plain rows, and that is said."""
    with place("sqlite", None, tmp_path) as there:
        there.run(
            "CREATE TABLE t (n TEXT, x, id INTEGER, v, PRIMARY KEY (n, x, id))",
            "WITH s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i < 699) "
            "INSERT INTO t SELECT 'a', 0, i, 2 * i FROM s",
        )
    monkeypatch.setattr(SqliteSession, "_most_plain_ids", lambda self, request: 500)
    feed, (said,) = make(tmp_path / "engine.db", grid(duplicates="last"), batch_size=10, connections=3)
    assert "2 scans of 700 rows an epoch, each for up to 500 samples." in said
    assert sorted(np.concatenate(list(feed))[:, 0].tolist()) == [2 * i for i in range(700)]
    assert feed.stats().requests == 2


def test_what_sqlite_sees(path, monkeypatch):
    """An epoch is a single statement that reads the table, on the only connection."""
    seen, protect = [], sqlite.Session._protect

    def traced(session):
        seen.append("connect")
        session._driver.set_trace_callback(seen.append)
        protect(session)

    feed, _ = make(path, connections=4, batch_size=10)
    monkeypatch.setattr(sqlite.Session, "_protect", traced)
    assert sum(len(x) for x in feed) == 100
    assert seen.count("connect") == 1
    assert len([statement for statement in seen if re.search(r"FROM \"?t\b", statement)]) == 1


def test_windows_of_what_memory_holds(path):
    """Where a window's rows do not fit, there are more requests; the warning says how many, and so does the epoch."""
    feed, (said,) = make(path, batch_size=10, memory_bytes=memory_for_rows(100))
    assert said == (
        "t has no index that starts with id, so each request scans the whole table: 5 scans of 400 rows an epoch, each "
        "for up to 20 samples. Create one: CREATE INDEX t_id ON t (id)"
    )
    assert sum(len(x) for x in feed) == 100
    assert feed.stats().requests == 5


def test_mixed_with_an_indexed_table(path):
    """A layout with an index beside one without is right, in the place that it is given, and not warned of."""
    rows = [(i, 1000 * i) for i in range(100)]
    create(path, "u", [("id", "INTEGER"), ("v", "")], rows, index=["id"])
    label = rowfeed.Columns("u", sample="id", columns="v")
    feed, said = make(path, label, grid(), shuffle=False, batch_size=100)
    (x, y) = next(iter(feed))
    assert x.tolist() == [1000 * i for i in range(100)]
    assert y.tolist() == [[10 * i + c + 0.5 for c in range(CELLS)] for i in range(100)]
    assert [text[:14] for text in said] == ["t has no index"]


class TestLimit:
    """`max_scanned_rows`."""

    def test_the_limit_itself_is_no_fault(self, path):
        """5 scans of 400 rows are allowed by 2,000, and not by 1,999."""
        options = {"batch_size": 10, "memory_bytes": memory_for_rows(100)}
        make(path, max_scanned_rows=2_000, **options)
        make(path, max_scanned_rows=None, **options)
        with pytest.raises(rowfeed.SchemaError) as caught:
            make(path, max_scanned_rows=1_999, **options)
        assert str(caught.value) == (
            "expected at most max_scanned_rows=1,999 rows scanned in an epoch; got 400 rows × 5 scans = 2,000, since t "
            "has no index that starts with id. Create one: CREATE INDEX t_id ON t (id). Or pass more memory_bytes, for "
            "fewer scans; or max_scanned_rows=None to rowfeed.connect, to scan all the same."
        )

    def test_where_memory_does_not_help(self, path):
        """What is one scan already is not made less by memory."""
        with pytest.raises(rowfeed.SchemaError) as caught:
            make(path, max_scanned_rows=399)
        assert str(caught.value) == (
            "expected at most max_scanned_rows=399 rows scanned in an epoch; got 400 rows × 1 scan = 400, since t has "
            "no index that starts with id. Create one: CREATE INDEX t_id ON t (id). Or pass max_scanned_rows=None to "
            "rowfeed.connect, to scan all the same."
        )

    def test_all_layouts_together(self, path):
        """The scans of all queries count, and each missing index is named once."""
        create(path, "u", [("id", "INTEGER"), ("v", "")], [(i, i) for i in range(100)])
        label = rowfeed.Columns("u", sample="id", columns="v")
        with pytest.raises(
            rowfeed.SchemaError,
            match=re.escape(
                "got 400 rows × 1 scan + 100 rows × 1 scan + 400 rows × 1 scan = 900, since t has no index that starts "
                "with id, and u has no index that starts with id. Create one: CREATE INDEX t_id ON t (id); CREATE "
                "INDEX u_id ON u (id). Or"
            ),
        ):
            make(path, {"a": grid(), "b": label, "c": grid(null="drop")}, max_scanned_rows=899)
        make(path, {"a": grid(), "b": label, "c": grid(null="drop")}, max_scanned_rows=900)
        make(path, {"a": grid(), "b": label, "c": grid(dtype="int64")}, max_scanned_rows=500)

    def test_an_index_makes_it_free(self, path, tmp_path):
        """With an index nothing is counted and nothing refused."""
        create(tmp_path / "i.db", "t", [("id", "INTEGER"), ("x", ""), ("v", "")], [(1, 0, 1)] * 1, index=["id"])
        assert make(tmp_path / "i.db", max_scanned_rows=1)[1] == []

    def test_rows_that_where_leaves_out_are_scanned(self, path):
        """A scan passes all rows of a table."""
        with pytest.raises(rowfeed.SchemaError, match="got 400 rows × 1 scan = 400"):
            make(path, grid(where="x = 0"), max_scanned_rows=399)

    @pytest.mark.parametrize("bad", [0, -1, True, 1.5, "many", float("nan")])
    def test_what_cannot_be_a_limit(self, path, bad):
        """Anything but a positive integer or None is refused."""
        with pytest.raises(
            rowfeed.ArgumentError, match=rf"expected a positive integer; got max_scanned_rows={re.escape(repr(bad))}\."
        ):
            make(path, max_scanned_rows=bad)


class TestWhatTravels:
    """Feeds that come of another one know what it knew. A second warning would be an error in these tests."""

    def test_without_asking_again(self, path):
        """split and replace need no database, and read in as few scans."""
        feed, (said,) = make(path, batch_size=10)
        path.rename(path.with_suffix(".away"))
        train, _ = feed.split(0.7, 0.3)
        again = train.replace(seed=5, connections=7, batch_size=20)
        copy = pickle.loads(pickle.dumps(again))
        path.with_suffix(".away").rename(path)
        assert said.startswith("t has no index")
        for side in (train, again, copy):
            assert sum(len(x) for x in side) == side.sample_ids.size
            assert side.stats().requests == 1

    def test_the_limit_of_a_change(self, path):
        """A change that makes more scans is refused; a side of a split takes fewer scans."""
        feed, _ = make(path, batch_size=10, max_scanned_rows=2_000, memory_bytes=memory_for_rows(100))
        assert len(feed.split(0.5, 0.5)) == 2
        with pytest.raises(rowfeed.SchemaError, match=r"got 400 rows × 10 scans = 4,000"):
            feed.replace(memory_bytes=memory_for_rows(50))

    def test_a_new_layout_is_warned_of_where_it_is_given(self, path):
        """replace with another table without an index warns, of that one, at the line that calls it."""
        create(path, "u", [("id", "INTEGER"), ("v", "")], [(i, i) for i in range(100)])
        feed, _ = make(path)
        with pytest.warns(rowfeed.MissingIndexWarning, match="^u has no index") as caught:
            feed.replace(y=rowfeed.Columns("u", sample="id", columns="v"))
        assert [warning.filename for warning in caught] == [__file__]


class TestThrottle:
    """A scan reads the whole table, and is paced by that."""

    def test_scanned_rows_count(self, path):
        """A request for 3 samples of a table of 400 rows costs 400 rows."""
        feed, _ = make(path, samples=[1, 2, 3], throttle=4_000)
        for _ in range(5):
            assert sum(len(x) for x in feed) == 3
        assert feed.stats().throttled_s > 0.2
        assert feed.stats().rows == 60

    def test_a_rate_cuts_no_scan(self, path):
        """A low rate does not make more scans of one; it would make more rows to read."""
        feed, _ = make(path, batch_size=10, throttle=10)
        batches = iter(feed)
        closer = closed_in(5, batches)
        assert sum(len(x) for x in batches) == 100
        closer.cancel()
        assert feed.stats().requests == 1
        assert not readers()


class TestSize:
    """How many samples a request has that scans."""

    SELECTION_BYTES = 96

    def size(self, rows, fits, per_sample=4.0, most_ids=10**6):
        selection = Selection(Source("t"), "id", (), (Value("v", np.dtype("float32")),))
        assert row_bytes(selection) == self.SELECTION_BYTES
        return ScanSize(fits * self.SELECTION_BYTES, selection, Scan("", rows, per_sample, most_ids))

    def test_a_table_that_fits(self):
        """Where the table's rows fit, a request takes whatever a statement can ask for."""
        assert self.size(rows=1_000, fits=1_000).samples == 10**6
        assert self.size(rows=1_000, fits=1_000, most_ids=500).samples == 500

    def test_a_table_that_does_not(self):
        """Samples are taken for average ones with a quarter to spare, then for the fullest that came."""
        size = self.size(rows=10_000, fits=1_000)
        assert size.samples == 200
        size.observe(200, 400, 0, 9.0)
        assert size.samples == 400
        size.observe(400, 3_200, 0, 0.001)
        assert size.samples == 100
        size.observe(100, 100, 0, 0.001)
        assert size.samples == 100

    def test_bounds(self):
        """At least one sample, and never more rows than engines put into one answer."""
        assert self.size(rows=10_000, fits=1, per_sample=500.0).samples == 1
        assert self.size(rows=10**9, fits=10**9, per_sample=1.0, most_ids=10**9).samples == int(MAX_SCANNED / 1.25)
        assert self.size(rows=10_000, fits=100, per_sample=0.0).samples > 10_000


@pytest.mark.parametrize("last_batch", ["keep", "drop"])
@pytest.mark.parametrize("count", [1, 9, 10, 59, 60, 61, 125])
@pytest.mark.parametrize("most", [1, 7, 60, 10**9])
def test_requests_of_a_plan(count, most, last_batch):
    """A plan counts what cutting each of its windows gives."""
    plan = Plan(count, 10, 60, last_batch=last_batch)
    sizes = [plan.epoch(0).window(window).size for window in range(plan.windows)]
    assert plan.requests(most) == sum(len(range(0, size, most)) for size in sizes)


def test_memory_stays_within_its_bounds(tmp_path):
    """A table of many times the memory is read by few requests, and the peak is that of memory_bytes."""
    rows = ((i % 20_000, i // 20_000, i) for i in range(400_000))
    create(tmp_path / "t.db", "t", [("id", "INTEGER"), ("x", ""), ("v", "")], rows)
    feed, _ = make(tmp_path / "t.db", grid(shape=20), memory_bytes=8 * 2**20)
    for _ in feed.batches(0):
        pass
    tracemalloc.start()
    try:
        for _ in feed.batches(1):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20
    assert feed.stats().rows == 800_000


def test_few_rows_are_not_warned_of(tmp_path, monkeypatch):
    """A table whose scans cost less than a request needs no index; above the limit, the warning has the arithmetic."""
    create(tmp_path / "t.db", "t", [("id", "INTEGER"), ("x", ""), ("v", "")], [(i, 0, 1) for i in range(344)])
    monkeypatch.setattr(scans, "FEW_ROWS", FEW_ROWS)
    assert make(tmp_path / "t.db")[1] == []
    monkeypatch.setattr(scans, "FEW_ROWS", 344)
    assert make(tmp_path / "t.db")[1] == []
    monkeypatch.setattr(scans, "FEW_ROWS", 343)
    (said,) = make(tmp_path / "t.db")[1]
    assert "1 scan of 344 rows an epoch" in said
