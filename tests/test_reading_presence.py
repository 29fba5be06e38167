"""No zeros without a reason: rows that are gone when they are read are an error, or counted."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from engines import ENGINES, place

import rowfeed
from rowfeed.reading.presence import Presence
from rowfeed.values.ids import TEXT

SHAPE = {"sample": "id", "axes": ("x", "y"), "value": "v", "shape": (2, 2)}
GRID = rowfeed.Grid("t", **SHAPE)
WINDOWS = {"batch_size": 8, "memory_bytes": 4 * 16 * 16, "cache": None}
"""Windows of 16 samples of one grid."""


def write(db, ids, table="t"):
    """Samples with four rows each, none of which is zero."""
    cells = np.arange(1, 4 * len(ids) + 1, dtype=np.float32).reshape(-1, 2, 2)
    db.write(rowfeed.Grid(table, **SHAPE), cells, ids=ids)


def run(db, *statements):
    """Statements on a SQLite file, as one transaction."""
    with closing(sqlite3.connect(db._address.url.database)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)


@pytest.fixture(params=[False, True], ids=["fast", "plain"])
def db(request, tmp_path):
    return rowfeed.connect(f"sqlite:///{tmp_path}/m.db", plain_rows=request.param)


def zeros(feed):
    """The samples of an epoch that are all zero."""
    found = []
    for number, batch in enumerate(feed.batches()):
        ids = feed.batch_ids(0, number).tolist()
        found += [sample for sample, array in zip(ids, batch, strict=True) if not array.any()]
    return sorted(found)


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
@pytest.mark.parametrize("engine", ENGINES)
def test_rows_that_are_deleted_while_a_feed_is_in_use(engine, plain, request, tmp_path):
    """Of one sample, then of all, on each engine: an error if they gave the ids; counted if the ids were given."""
    with place(engine, request, tmp_path) as here:
        db = here.connect(plain)
        write(db, range(60))
        own = rowfeed.Feed(db, GRID, **WINDOWS)
        given = own.replace(samples=range(61))
        assert zeros(own) == []
        assert own.stats().samples_without_rows == 0
        here.run("DELETE FROM t WHERE id = 41")
        with pytest.raises(rowfeed.DataError) as lost:
            list(own)
        assert str(lost.value) == (
            "expected rows of each sample, as t had when the feed was made; got none at t.id, id=41. Its rows were "
            "deleted since: make the feed again, or name its samples with samples=, which may be without rows."
        )
        assert zeros(given) == [41, 60]
        assert given.stats().samples_without_rows == 2
        here.run("DELETE FROM t" if engine in ("sqlite", "duckdb") else "TRUNCATE TABLE t")
        with pytest.raises(rowfeed.DataError, match=r"got none at t\.id, id=\d+ \(and \d+ more of its request\)\. "):
            own.replace(memory_bytes=2**20).arrays()
        with pytest.raises(rowfeed.DataError) as emptied:
            list(given)
        assert str(emptied.value) == (
            "expected rows in t, which had some when the feed was made; got an empty table. Fill it, and make the "
            "feed again."
        )


@pytest.mark.parametrize(
    "statements", [["DELETE FROM t"], ["DROP TABLE t", "CREATE TABLE t (id, x, y, v, PRIMARY KEY (id, x, y))"]]
)
def test_in_the_middle_of_an_epoch(db, statements):
    """The windows that were read are given out; then comes the error, and it stays one in the next epoch."""
    write(db, range(600))
    for samples in (None, range(600)):
        feed = rowfeed.Feed(db, GRID, samples=samples, **WINDOWS)
        batches = iter(feed)
        taken = [next(batches)]
        run(db, "CREATE TABLE kept AS SELECT * FROM t", *statements)
        with pytest.raises(rowfeed.DataError, match=r"had when the feed was made|which had some when"):
            taken.extend(batches)
        assert 1 <= len(taken) <= 8
        assert all(array.all() for array in taken[: None if samples is None else -2])  # a window may have rows of both
        with pytest.raises(rowfeed.DataError):
            list(feed)
        run(db, "INSERT INTO t SELECT * FROM kept", "DROP TABLE kept")
        assert zeros(feed) == []


def test_feeds_that_are_made_from_a_feed(db):
    """The sides of a split, and a feed with other arguments, know which samples had rows."""
    write(db, range(60))
    feed = rowfeed.Feed(db, GRID, **WINDOWS)
    sides = feed.split(0.5, 0.5)
    lost = [side.sample_ids[3].item() for side in sides]
    run(db, f"DELETE FROM t WHERE id IN ({lost[0]}, {lost[1]})")
    for side, sample in zip(sides, lost, strict=True):
        for made in (side, side.replace(batch_size=4), side.replace(y=GRID)):
            with pytest.raises(rowfeed.DataError, match=rf"got none at t\.id, id={sample}\."):
                list(made)


def test_several_tables(db):
    """With the union of the ids of several tables: a sample needs rows in those that it came from, in no other."""
    write(db, range(0, 40))
    write(db, range(20, 60), "u")
    write(db, range(60), "v")
    other = rowfeed.Grid("u", **SHAPE)
    feed = rowfeed.Feed(db, {"t": GRID, "u": other}, rowfeed.Grid("v", **SHAPE), batch_size=7, cache=None)
    sides = feed.split(0.5, 0.5)
    x, _ = feed.arrays()
    assert np.flatnonzero(~x["t"].any(axis=(1, 2))).tolist() == list(range(40, 60))
    assert np.flatnonzero(~x["u"].any(axis=(1, 2))).tolist() == list(range(20))
    assert feed.stats().samples_without_rows == 40
    run(db, "DELETE FROM v WHERE id = 5")  # of which no id came
    assert len(list(feed)) == len(feed)
    run(db, "DELETE FROM u WHERE id = 25")  # which still has rows in t
    for made in (feed, next(side for side in sides if 25 in side.sample_ids)):
        with pytest.raises(rowfeed.DataError, match=r"as u had when .* got none at u\.id, id=25\."):
            list(made)
    assert len(list(next(side for side in sides if 25 not in side.sample_ids))) > 0


def test_layouts_of_one_table(db):
    """The ids of one table come from its rows, whichever columns a layout reads; of other rows they do not."""
    write(db, range(20))
    half = rowfeed.Grid("t", **SHAPE | {"shape": (1, 2)}, out_of_range="drop")
    feed = rowfeed.Feed(db, GRID, {"half": half, "large": rowfeed.Grid("t", **SHAPE, where="v > 40")}, cache=None)
    assert feed.arrays()[1]["large"][:10].any() == False  # noqa: E712
    run(db, "DELETE FROM t WHERE id = 3")
    with pytest.raises(rowfeed.DataError, match=r"got none at t\.id, id=3\."):
        feed.replace(x=half, y=None).arrays()


@pytest.mark.parametrize("policy", ["null", "out_of_range"])
@pytest.mark.parametrize("text", [False, True], ids=["integers", "text"])
def test_rows_that_a_policy_drops(db, policy, text):
    """A sample whose rows are all dropped is all fill; one without any is an error."""
    write(db, [f"s{number:02}" for number in range(20)] if text else range(20))
    odd, gone = ("'s07'", "'s09'") if text else (7, 9)
    run(db, "ALTER TABLE t RENAME TO strict", "CREATE TABLE t AS SELECT * FROM strict", "CREATE INDEX i ON t (id)")
    run(db, f"UPDATE t SET {'v = NULL' if policy == 'null' else 'x = 8'} WHERE id = {odd}")
    feed = rowfeed.Feed(db, rowfeed.Grid("t", **SHAPE, **{policy: "drop"}), batch_size=8, cache=None)
    assert zeros(feed) == ["s07" if text else 7]
    assert feed.stats().samples_without_rows == 1
    run(db, f"DELETE FROM t WHERE id = {gone}")
    with pytest.raises(rowfeed.DataError, match=rf"got none at t\.id, id={gone}\."):
        list(feed)


def test_an_epoch_without_a_row(db):
    """Of given ids is an error before its last window; a part of an epoch may be without rows."""
    write(db, range(16))
    feed = rowfeed.Feed(db, GRID, samples=range(100, 164), shuffle=False, **WINDOWS)
    batches, taken = iter(feed), []
    with pytest.raises(rowfeed.DataError) as barren:
        taken.extend(batches)
    assert str(barren.value) == (
        "expected rows of the 64 samples; got none in a whole epoch, at t.id. Check samples=, where= and what the "
        "layouts drop."
    )
    assert len(taken) == 6
    assert len(list(feed.replace(samples=range(64)).batches(0, start=4))) == 4
    assert len(list(feed.replace(samples=range(64)))) == 8


def test_values_of_a_missing_row(db):
    """Columns with null="fill" may be without any row, as long as another layout has some."""
    write(db, range(16))
    run(db, "CREATE TABLE labels (id INTEGER PRIMARY KEY, label)")
    labels = rowfeed.Columns("labels", sample="id", columns="label", null="fill", fill=5)
    feed = rowfeed.Feed(db, GRID, labels, cache=None)
    assert feed.arrays()[1].tolist() == [5] * 16
    assert feed.stats().samples_without_rows == 16


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, TEXT])
def test_the_bits_of_a_presence(dtype):
    """A bit for each sample, also of a part of them; no bits if all have rows."""
    ids = np.array([f"{number:03}" for number in range(100)], TEXT) if dtype is TEXT else np.arange(100).astype(dtype)
    found = np.arange(100) % 3 != 1
    presence = Presence.of(ids[found], ids)
    order = np.random.default_rng(5).permutation(100)
    assert presence.at(order).tolist() == found[order].tolist()
    part = np.arange(5, 100, 4)
    assert presence.cut(part).at(np.arange(part.size)).tolist() == found[part].tolist()
    assert presence.bits.nbytes == 13
    everywhere = Presence.of(ids, ids)
    assert everywhere.bits is everywhere.cut(part).bits is None
    assert everywhere.at(order).all()
