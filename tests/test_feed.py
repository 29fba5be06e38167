"""`Feed`: order, windows, batches, splits, ownership of memory, threads. Cell x of sample s holds 100 · s + x."""

from __future__ import annotations

import gc
import pickle
import re
import sqlite3
import time
import tracemalloc
import warnings
from contextlib import closing

import numpy as np
import pytest
import reference
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from reference import assert_same, create, examples, flat, has_long_cycle, open_files, query, readers

import rowfeed
from rowfeed.dialects.sqlite.session import Session as SqliteSession

GRID = {"sample": "id", "axes": "x", "value": "v", "shape": 3}
SAMPLE_BYTES = 12
ALL = {"x": 100, "y": 200}


def write(path, ids, table="t", declared="INTEGER"):
    """A table in which cell x of sample number s (from 1 on, in the order given) holds 100 · s + x."""
    rows = [(i, x, 100 * s + x) for s, i in enumerate(ids, 1) for x in range(3)]
    create(path, table, [("id", declared), ("x", ""), ("v", "")], rows, index=["id", "x"])
    return path


def grid(table="t", **changes):
    """A grid of 3 cells."""
    return rowfeed.Grid(table, **{**GRID, **changes})


def memory(window, layouts=1):
    """Memory for windows of so many samples."""
    return reference.memory_for(window, SAMPLE_BYTES * layouts)


def make(path, *layouts, plain=False, **options):
    """A feed of a file."""
    return rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}", plain_rows=plain), *(layouts or (grid(),)), **options)


def seen(batches):
    """Which samples came, by what their cells hold; checks that every cell is of its sample."""
    numbers = []
    for batch in batches:
        x = flat(batch)[0]
        samples = (x[:, 0] // 100).astype(int)
        assert np.array_equal(x, samples[:, None] * 100 + np.arange(3))
        numbers.append(samples.tolist())
    return numbers


@pytest.fixture
def path(tmp_path):
    """Samples 1 to 101, of which sample s has the id s."""
    return write(tmp_path / "a.db", range(1, 102))


class TestOrder:
    """Which samples make which batch."""

    @pytest.mark.parametrize(
        ("batch_size", "window"),
        [(1, 48), (1, 101), (4, 8), (7, 70), (10, 100), (101, 101), (200, 200)],
    )
    @pytest.mark.parametrize("last_batch", ["keep", "drop"])
    def test_the_documented_order(self, path, batch_size, window, last_batch):
        """Windows, blocks of several samples, a short last block: each batch is the one that the text of plan says."""
        if last_batch == "drop" and batch_size > 101:
            pytest.skip("not one batch")
        feed = make(path, batch_size=batch_size, memory_bytes=memory(window), seed=-5, last_batch=last_batch)
        window = reference.alike(window, batch_size, 101)
        for epoch in (0, 3):
            expected = reference.order(101, batch_size, window, True, -5, epoch, last_batch)
            got = seen(feed.batches(epoch))
            assert got == [[i + 1 for i in batch] for batch in expected]
            assert got == [feed.batch_ids(epoch, b).tolist() for b in range(len(feed))]
            assert last_batch == "drop" or has_long_cycle([i for batch in expected for i in batch])

    def test_without_shuffle(self, path):
        """Ascending ids, in every epoch."""
        feed = make(path, batch_size=40, shuffle=False, memory_bytes=memory(80))
        expected = [list(range(1, 41)), list(range(41, 81)), list(range(81, 102))]
        assert [seen(feed) for _ in range(2)] == [expected] * 2

    @pytest.mark.parametrize("plain", [False, True])
    @pytest.mark.parametrize("connections", [1, 2, 5])
    def test_the_order_is_pure(self, path, plain, connections):
        """Neither connections nor the way of reading changes a bit, with many windows and requests of one sample."""
        feed = make(path, batch_size=3, memory_bytes=memory(9), seed=2, plain=plain, connections=connections)
        expected = reference.order(101, 3, reference.alike(9, 3, 101), True, 2, 1, "keep")
        assert seen(feed.batches(1)) == [[i + 1 for i in batch] for batch in expected]

    def test_memory_matters_by_the_window_alone(self, path):
        """memory_bytes that make the same window make the same order; another window is another order."""
        base = make(path, batch_size=4, memory_bytes=memory(16))
        same = make(path, batch_size=4, memory_bytes=memory(20) - 1)
        more = make(path, batch_size=4, memory_bytes=memory(20))
        assert seen(base.batches()) == seen(same.batches())
        assert seen(base.batches()) != seen(more.batches())
        off = {"batch_size": 4, "shuffle": False}
        assert seen(make(path, memory_bytes=memory(16), **off)) == seen(make(path, memory_bytes=memory(20), **off))

    def test_the_order_does_not_depend_on_the_rows(self, tmp_path, path):
        """The order of rows in the table, and their number per sample, change nothing."""
        rows = query(path, "SELECT id, x, v FROM t ORDER BY v % 7, id DESC")
        create(tmp_path / "b.db", "t", [("id", "INTEGER"), ("x", ""), ("v", "")], rows, index=["id"])
        one, two = (make(p, batch_size=5, memory_bytes=memory(20)) for p in (path, tmp_path / "b.db"))
        assert seen(one.batches(2)) == seen(two.batches(2))

    def test_nothing_global(self, path):
        """Global random states play no part and stay as they are."""
        np.random.seed(1)
        one = seen(make(path, batch_size=10))
        state = np.random.get_state()[1].tolist()
        two = seen(make(path, batch_size=10))
        assert one == two
        assert np.random.get_state()[1].tolist() == state

    def test_seeds_and_epochs(self, path):
        """Each seed and each epoch has an order of its own."""
        orders = [seen(make(path, batch_size=10, seed=s).batches(e)) for s in (0, 1, 2) for e in (0, 1, 2)]
        assert all(a != b for i, a in enumerate(orders) for b in orders[:i])

    @pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint16])
    def test_integers_of_numpy(self, path, kind):
        """Integers of numpy as arguments, epoch, start and batch mean what they say."""
        options = {"batch_size": 4, "memory_bytes": memory(16), "seed": 3}
        feed = make(path, **options)
        other = make(path, **{name: kind(value) for name, value in options.items()})
        expected = [feed.batch_ids(2, batch).tolist() for batch in range(len(feed))]
        assert seen(feed.batches(2)) == expected
        assert seen(feed.batches(kind(2), kind(5))) == expected[5:]
        assert seen(other.batches(2)) == expected
        for batch in range(0, len(feed), 5):
            assert feed.batch_ids(kind(2), kind(batch)).tolist() == expected[batch]
            assert other.batch_ids(2, batch).tolist() == expected[batch]

    @pytest.mark.parametrize("count", [1, 2, 3, 255, 256, 257])
    def test_every_sample_once(self, tmp_path, count):
        """At awkward numbers of samples, every one comes exactly once."""
        feed = make(write(tmp_path / "b.db", range(1, count + 1)), batch_size=2, memory_bytes=memory(64))
        got = [i for batch in seen(feed) for i in batch]
        assert sorted(got) == list(range(1, count + 1))

    def test_65537_samples(self, tmp_path):
        """At 65,537 samples too, with windows that cut it unevenly."""
        create(
            tmp_path / "b.db", "t", [("id", "INTEGER"), ("v", "INTEGER")], ((i, i) for i in range(65_537)), key=["id"]
        )
        layout = rowfeed.Columns("t", sample="id", columns="v", dtype="int32")
        feed = make(tmp_path / "b.db", layout, batch_size=256, memory_bytes=reference.memory_for(30 * 256, 4), seed=1)
        got = np.concatenate(list(feed))
        assert np.array_equal(np.sort(got), np.arange(65_537))
        assert np.array_equal(got[:256], feed.batch_ids(0, 0))
        assert has_long_cycle(got.tolist())


class TestEpochs:
    """Iterating again, and from the middle."""

    def test_iterating_is_the_next_epoch(self, path):
        """The first iteration is epoch 0, the second epoch 1; `batches` counts none of them."""
        feed = make(path, batch_size=10, memory_bytes=memory(30))
        pure = [seen(feed.batches(epoch)) for epoch in range(3)]
        assert [seen(feed), seen(feed), seen(feed)] == pure
        assert seen(feed.batches()) == pure[0]
        assert pure[0] != pure[1] != pure[2]

    def test_two_iterations_side_by_side(self, path):
        """Two open iterators are two epochs and do not disturb each other."""
        feed = make(path, batch_size=10, memory_bytes=memory(30))
        pairs = list(zip(feed, feed, strict=True))
        assert seen(a for a, _ in pairs) == seen(feed.batches(0))
        assert seen(b for _, b in pairs) == seen(feed.batches(1))

    def test_start(self, path):
        """batches(epoch, start) is the tail of batches(epoch), at every start."""
        feed = make(path, batch_size=10, memory_bytes=memory(30), seed=8)
        everything = seen(feed.batches(1))
        for start in range(len(feed) + 3):
            assert seen(feed.batches(1, start)) == everything[start:]

    @pytest.mark.parametrize(("epoch", "start"), [(-1, 0), (0, -1), (0.0, 0), (0, "1"), (None, 0)])
    def test_no_epoch(self, path, epoch, start):
        """Epoch and start count from 0."""
        with pytest.raises(rowfeed.ArgumentError, match=r"expected 0 or more; got (epoch|start)="):
            make(path).batches(epoch, start)

    @pytest.mark.parametrize(("last_batch", "length"), [("keep", 11), ("drop", 10)])
    def test_length(self, path, last_batch, length):
        """len is the number of batches that come, and an int."""
        feed = make(path, batch_size=10, last_batch=last_batch)
        got = seen(feed)
        assert len(feed) == len(got) == length
        assert [len(batch) for batch in got] == [10] * 10 + [1] * (length - 10)

    def test_batch_ids_out_of_range(self, path):
        """There is no batch beyond the last, and none before the first."""
        feed = make(path, batch_size=10)
        with pytest.raises(rowfeed.ArgumentError, match=r"expected a batch in 0\.\.10; got batch=11"):
            feed.batch_ids(0, 11)
        with pytest.raises(rowfeed.ArgumentError, match="expected 0 or more; got batch=-1"):
            feed.batch_ids(0, -1)

    def test_dropped_samples_change(self, path):
        """With drop, the samples that are left out change with the epoch, also where one window holds all others."""
        feed = make(path, batch_size=10, memory_bytes=memory(100), last_batch="drop")
        came = [{i for batch in seen(feed.batches(epoch)) for i in batch} for epoch in range(8)]
        assert all(len(some) == 100 for some in came)
        assert len({frozenset(some) for some in came}) > 3

    def test_an_iterator(self, path):
        """What `batches` returns is an iterator and a context manager; it ends for good."""
        with make(path, batch_size=50).batches() as batches:
            assert iter(batches) is batches
            assert sum(1 for _ in batches) == 3
            with pytest.raises(StopIteration):
                next(batches)


class TestStructure:
    """What a batch looks like."""

    @pytest.fixture
    def path(self, path):
        """And labels (10 · s), and weights (s / 2)."""
        create(
            path,
            "labels",
            [("id", "INTEGER"), ("c", ""), ("w", "")],
            [(s, 10 * s, s / 2) for s in range(1, 102)],
            key=["id"],
        )
        return path

    LABEL = rowfeed.Columns("labels", sample="id", columns="c", dtype="int64")
    WEIGHT = rowfeed.Columns("labels", sample="id", columns="w")

    def test_x_alone(self, path):
        """Without y a batch is x."""
        batch = next(make(path, shuffle=False, batch_size=2).batches())
        assert_same(batch, np.array([[100, 101, 102], [200, 201, 202]], np.float32))

    def test_x_and_y_of_different_tables(self, path):
        """Rows of x, y and weights belong together, in every batch."""
        feed = make(path, grid(), self.LABEL, self.WEIGHT, batch_size=8, memory_bytes=5_000, seed=4)
        for number, (x, y, w) in enumerate(feed):
            ids = feed.batch_ids(0, number)
            assert np.array_equal(x[:, 0], 100 * ids)
            assert_same(y, 10 * ids)
            assert_same(w, (ids / 2).astype(np.float32))

    def test_dicts(self, path):
        """Dicts of layouts give dicts of arrays, under the same names."""
        feed = make(
            path, {"a": grid(), "b": self.LABEL}, {"c": grid()}, {"c": self.WEIGHT}, shuffle=False, batch_size=2
        )
        x, y, w = next(feed.batches())
        assert_same(x, {"a": np.array([[100, 101, 102], [200, 201, 202]], np.float32), "b": np.array([10, 20])})
        assert_same(y, {"c": x["a"]})
        assert_same(w, {"c": np.array([0.5, 1], np.float32)})

    def test_one_table_in_two_layouts(self, path):
        """Two layouts of one table are two."""
        x, y = next(make(path, grid(), grid(shape=1, out_of_range="drop"), shuffle=False, batch_size=2).batches())
        assert x.shape == (2, 3)
        assert_same(y, np.array([[100], [200]], np.float32))

    def test_the_same_layout_is_read_once(self, path, monkeypatch):
        """Equal layouts as x and y cost no more queries and no more memory than x alone; others no more queries."""
        counts = []
        original = SqliteSession.read

        def counted(self, request):
            counts[-1] += request.ids.size
            return original(self, request)

        monkeypatch.setattr(SqliteSession, "read", counted)
        same = grid()
        for layouts in ((same,), (same, same), ({"a": same, "b": same}, same, grid()), (same, grid(fill=1))):
            counts.append(0)
            list(make(path, *layouts, batch_size=10, memory_bytes=memory(50)))
        assert counts == [101, 101, 101, 101]
        assert len(make(path, same, same, batch_size=10, memory_bytes=memory(10))) == 11
        with pytest.raises(rowfeed.ArgumentError, match="memory_bytes"):
            make(path, same, grid(fill=1), batch_size=10, memory_bytes=memory(10))

    def test_arrays(self, path):
        """`arrays` is all samples in ascending order, without transform, shuffle and padding, whatever the windows."""
        feed = make(
            path, grid(), self.LABEL, batch_size=10, memory_bytes=memory(400), last_batch="pad", transform=print
        )
        x, y = feed.arrays()
        assert np.array_equal(x, 100 * np.arange(1, 102)[:, None] + np.arange(3))
        assert_same(y, 10 * np.arange(1, 102))

    def test_arrays_that_are_too_large(self, path):
        """Arrays that this machine cannot hold are refused with the numbers, before any of it is taken."""
        feed = make(path, grid(shape=10**12), self.LABEL, memory_bytes=10**16)
        with pytest.raises(rowfeed.ArgumentError, match="101 samples, together 404,000,000,000,808 bytes"):
            feed.arrays()


class TestPad:
    """last_batch="pad": padding is `fill` and weighs nothing."""

    @pytest.fixture
    def path(self, tmp_path):
        """Five samples with labels and weights."""
        write(tmp_path / "a.db", range(1, 6))
        create(
            tmp_path / "a.db",
            "labels",
            [("id", "INTEGER"), ("c", ""), ("w", "")],
            [(s, 10 * s, s / 2) for s in range(1, 6)],
            key=["id"],
        )
        return tmp_path / "a.db"

    def test_without_weights(self, path):
        """Real rows of a padded batch weigh batch_size / real, padding 0; full batches weigh 1."""
        label = rowfeed.Columns("labels", sample="id", columns="c", dtype="int64", fill=-1)
        got = list(make(path, grid(fill=7), label, shuffle=False, batch_size=4, last_batch="pad"))
        assert_same(got[0][2], np.ones(4, np.float32))
        x, y, w = got[1]
        assert_same(x, np.array([[500, 501, 502], [7] * 3, [7] * 3, [7] * 3], np.float32))
        assert_same(y, np.array([50, -1, -1, -1]))
        assert_same(w, np.array([4, 0, 0, 0], np.float32))

    def test_a_batch_that_is_full(self, path):
        """Where batches divide, nothing is padded."""
        for *_, w in make(path, grid(), grid(), batch_size=5, last_batch="pad"):
            assert_same(w, np.ones(5, np.float32))

    def test_with_weights(self, path):
        """Given weights are multiplied; a mean over the batch is the weighted mean over its real rows."""
        weight = rowfeed.Columns("labels", sample="id", columns="w")
        got = list(make(path, grid(), grid(), weight, shuffle=False, batch_size=3, last_batch="pad"))
        assert_same(got[0][2], np.array([0.5, 1, 1.5], np.float32))
        assert_same(got[1][2], np.array([3, 3.75, 0], np.float32))

    @pytest.mark.parametrize("fill", [float("nan"), float("inf"), 5])
    def test_the_fill_of_weights_weighs_nothing(self, path, fill):
        """Padding weighs 0 whatever the weights' own fill."""
        weight = rowfeed.Columns("labels", sample="id", columns="w", fill=fill)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # inf · 0 would warn
            *_, w = list(make(path, grid(), grid(), weight, shuffle=False, batch_size=4, last_batch="pad"))[-1]
        assert w.tolist() == [10, 0, 0, 0]

    def test_dicts(self, path):
        """A dict of targets gets a dict of weights, each its own array."""
        x, y, w = list(make(path, grid(), {"a": grid(), "b": grid()}, batch_size=4, last_batch="pad"))[-1]
        assert list(w) == list(y) == ["a", "b"]
        assert w["a"].tolist() == w["b"].tolist() == [4, 0, 0, 0]
        assert not np.shares_memory(w["a"], w["b"])
        assert x.shape == (4, 3)

    def test_weights_of_several_columns(self, path):
        """Weights (B, n) are zero in every column of padding."""
        weight = rowfeed.Columns("labels", sample="id", columns=["w", "c"])
        *_, w = list(make(path, grid(), grid(), weight, shuffle=False, batch_size=4, last_batch="pad"))[-1]
        assert w.tolist() == [[10, 200], [0, 0], [0, 0], [0, 0]]

    def test_one_window_of_less_than_a_batch(self, path):
        """Fewer samples than a batch are padded too."""
        (x, _, w), *none = make(path, grid(), grid(), batch_size=8, last_batch="pad")
        assert none == []
        assert x.shape == (8, 3)
        assert np.allclose(w, [8 / 5] * 5 + [0] * 3)

    def test_needs_a_target(self, path):
        """Weights without a target mean nothing: refused."""
        with pytest.raises(rowfeed.ArgumentError, match='expected a y with last_batch="pad"'):
            make(path, grid(), last_batch="pad")


class TestMemory:
    """Whose memory the arrays are."""

    @pytest.mark.parametrize("last_batch", ["keep", "drop", "pad"])
    def test_every_array_is_the_receiver_s_own(self, path, last_batch):
        """C-contiguous, writable, in no other array's memory: x and y of one layout, batches of one window."""
        same = grid()
        options = {"batch_size": 10, "memory_bytes": memory(40), "last_batch": last_batch, "seed": 6}
        expected = list(make(path, same, {"a": same, "b": same}, same, **options))
        arrays = []
        for batch, untouched in zip(make(path, same, {"a": same, "b": same}, same, **options), expected, strict=True):
            assert_same(batch, untouched)
            for array in flat(batch):
                assert array.flags.c_contiguous
                assert array.flags.writeable
                array[...] = -1
            arrays += flat(batch)
        assert all(not np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])

    def test_arrays_are_the_receiver_s_own(self, path):
        """`arrays` too, x and y alike."""
        same = grid()
        x, y = make(path, same, same).arrays()
        assert not np.shares_memory(x, y)
        assert x.flags.writeable
        assert x.flags.c_contiguous

    def test_a_batch_does_not_hold_its_window(self, path):
        """Keeping a small batch keeps no window alive."""
        batch = next(iter(make(path, batch_size=2)))
        base = batch if batch.base is None else batch.base
        assert base.nbytes == batch.nbytes == 24

    def test_the_peak_is_bounded(self, tmp_path):
        """A table of 192,000 rows is read in memory_bytes, a fixed amount for code, and 40 bytes a sample for ids."""
        count, memory_bytes = 6_000, 400_000
        rows = ((s, x, y, s % 100 + 0.125) for s in range(count) for x in range(8) for y in range(4))
        columns = [("id", "INTEGER"), ("x", ""), ("y", ""), ("v", "REAL")]
        create(tmp_path / "b.db", "t", columns, rows, key=["id", "x", "y"])
        layout = rowfeed.Grid("t", sample="id", axes=("x", "y"), value="v", shape=(8, 4))
        feed = make(tmp_path / "b.db", layout, batch_size=32, memory_bytes=memory_bytes)
        next(feed.batches())
        gc.collect()
        tracemalloc.start()
        for _ in feed:
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < memory_bytes + 700_000 + 40 * count

    @pytest.mark.parametrize(
        ("layout", "arithmetic"),
        [
            (
                grid(axes=("x", "id", "v"), value="v", shape=(1000, 1000, 1000)),
                "4 × 32 × 4,000,000,000 = 512,000,000,000 bytes",
            ),
            (grid(shape=10**9, dtype="float64"), "4 × 32 × 8,000,000,000 = 1,024,000,000,000 bytes"),
        ],
    )
    def test_a_billion_cells(self, path, layout, arithmetic):
        """A shape that memory_bytes cannot hold is refused with the arithmetic, before any of it is taken."""
        tracemalloc.start()
        with pytest.raises(rowfeed.ArgumentError) as caught:
            make(path, layout)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert arithmetic in str(caught.value)
        assert "memory_bytes=268,435,456" in str(caught.value)
        assert peak < 10_000_000

    def test_one_batch_must_fit(self, path):
        """The least memory is four batches."""
        assert len(make(path, batch_size=10, memory_bytes=480)) == 11
        with pytest.raises(
            rowfeed.ArgumentError, match=r"4 × 10 × 12 = 480 bytes, and memory_bytes=479\. Pass a smaller"
        ):
            make(path, batch_size=10, memory_bytes=479)


class TestTransform:
    """transform(batch, rng) -> batch."""

    def test_what_it_gets_and_gives(self, path):
        """It gets the batch as it would be delivered, and what it returns is delivered."""
        same = grid()
        plain = list(make(path, same, same, batch_size=10))
        doubled = list(make(path, same, same, batch_size=10, transform=lambda batch, rng: (batch[0] * 2, batch)))
        for (x, _), (twice, whole) in zip(plain, doubled, strict=True):
            assert_same(twice, x * 2)
            assert_same(whole, (x, x))

    def test_its_random_numbers(self, path):
        """They depend on seed, epoch and number of the batch: not on start, connections, windows or earlier draws."""

        def draw(batch, rng):
            assert isinstance(rng, np.random.Generator)
            return rng.random(3).tolist()

        feed = make(path, batch_size=10, memory_bytes=memory(30), seed=5, transform=draw)
        drawn = {epoch: list(feed.batches(epoch)) for epoch in (0, 1)}
        numbers = [tuple(one) for some in drawn.values() for one in some]
        assert len(set(numbers)) == 22
        assert list(feed.batches(1, 4)) == drawn[1][4:]
        assert list(feed.batches(np.int64(1), np.int64(4))) == drawn[1][4:]
        assert list(feed.replace(connections=5, memory_bytes=memory(60)).batches(0)) == drawn[0]
        assert list(feed.replace(transform=lambda b, r: (r.random(1), r.random(2))[1].tolist()).batches(0)) != drawn[0]
        assert list(feed.replace(seed=6).batches(0)) != drawn[0]

    def test_its_error(self, path):
        """Its exception reaches the caller as it is, and the feed goes on with the next batch or epoch."""

        def fails(batch, rng):
            raise LookupError("mine")

        feed = make(path, batch_size=10, transform=fails)
        with pytest.raises(LookupError, match="mine"):
            next(iter(feed))
        gc.collect()
        assert readers() == []


class TestSplit:
    """Splitting samples by a hash of their ids."""

    def test_cover_and_disjoint(self, path):
        """Every sample is on one side."""
        feed = make(path)
        sides = [side.sample_ids.tolist() for side in feed.split(0.5, 0.3, 0.2)]
        assert sorted(i for side in sides for i in side) == list(range(1, 102))
        assert all(side == sorted(side) for side in sides)

    @pytest.mark.parametrize("text", [False, True])
    def test_the_documented_hash(self, tmp_path, text):
        """A side takes the samples whose hash, as the text of plan has it, is in its share."""
        ids = [f"user {i}" if text else i * i - 50 for i in range(60)]
        make_hash = reference.hash_text if text else reference.hash_integer
        feed = make(write(tmp_path / "b.db", ids, declared="TEXT" if text else "INTEGER"))
        for salt in ("", "é"):
            one, two = feed.split(0.75, 0.25, salt=salt)
            expected = sorted(i for i in ids if make_hash(i, f"/{salt}") < 3 * 2**62)
            assert one.sample_ids.tolist() == expected
            assert two.sample_ids.tolist() == sorted(set(ids) - set(expected))

    def test_a_sample_never_changes_sides(self, tmp_path):
        """Neither the order of rows nor other samples matter."""
        ids = list(range(0, 300, 3))
        side = {}
        for number, present in enumerate((ids, ids[::-1], range(300), [*ids[50:], -7, 10**12])):
            one, two = make(write(tmp_path / f"{number}.db", present)).split(0.6, 0.4)
            for name, feed in (("one", one), ("two", two)):
                for i in feed.sample_ids.tolist():
                    assert side.setdefault(i, name) == name

    def test_the_same_on_every_way_of_reading(self, path):
        """plain_rows and windows change no membership."""
        one = make(path).split(0.5, 0.5)[0]
        two = make(path, plain=True, memory_bytes=memory(32), shuffle=False).split(0.5, 0.5)[0]
        assert one.sample_ids.tolist() == two.sample_ids.tolist()

    def test_sides_deliver_their_samples(self, path):
        """A side is a feed like others, in the documented order of its own samples."""
        side, _ = make(path, batch_size=4, memory_bytes=memory(16), seed=9).split(0.7, 0.3)
        ids = side.sample_ids.tolist()
        expected = reference.order(len(ids), 4, reference.alike(16, 4, len(ids)), True, 9, 1, "keep")
        assert seen(side.batches(1)) == [[ids[i] for i in batch] for batch in expected]
        assert [i for batch in seen(side) for i in batch] != ids

    def test_a_split_of_a_split(self, path):
        """It hashes anew: a nested split is not the outer one again; two sides are split apart, too."""
        create(path, "u", [("id", "INTEGER"), ("x", ""), ("v", "")], [(i, 0, 1) for i in range(4_000)], index=["id"])
        feed = make(path, grid("u"))
        outer = feed.split(0.5, 0.5)
        for side in outer:
            sizes = [half.sample_ids.size / side.sample_ids.size for half in side.split(0.5, 0.5)]
            assert np.allclose(sizes, 0.5, atol=0.06)
        inner = outer[0].split(0.5, 0.5)
        again = feed.split(0.25, 0.25, 0.5)
        assert set(inner[0].sample_ids.tolist()) != set(again[0].sample_ids.tolist())
        assert inner[0].sample_ids.tolist() == feed.split(0.5, 0.5)[0].split(0.5, 0.5)[0].sample_ids.tolist()

    def test_salt(self, path):
        """Another salt is another split; the same is the same."""
        feed = make(path)
        plain, salted, again = (feed.split(0.5, 0.5, salt=s)[0].sample_ids.tolist() for s in ("", "a", "a"))
        assert plain != salted == again

    @pytest.mark.parametrize(
        "fractions",
        [(), (0.5,), (0.5, 0.6), (1.2, -0.2), (1, 0), (0.5, 0.5, 0.0), (float("nan"), 1), (2, -1), (float("inf"), 1)],
    )
    def test_no_fractions(self, path, fractions):
        """Fractions are positive and have a sum of 1."""
        with pytest.raises(rowfeed.ArgumentError, match="expected positive fractions with a sum of 1"):
            make(path).split(*fractions)

    def test_sums_that_are_nearly_1(self, path):
        """Sums that are 1 but for rounding leave nobody out."""
        for fractions in ([0.1] * 10, [1 / 3] * 3, [1 / 7] * 7):
            sides = make(path).split(*fractions)
            assert sum(side.sample_ids.size for side in sides) == 101

    def test_an_empty_side(self, tmp_path):
        """A side without a sample is refused, not handed out."""
        with pytest.raises(rowfeed.ArgumentError, match=r"expected samples on every side; got none for fraction"):
            make(write(tmp_path / "b.db", [1])).split(0.5, 0.5)

    def test_one_side(self, path):
        """split(1) is everything."""
        (side,) = make(path).split(1)
        assert side.sample_ids.size == 101


class TestReplace:
    """The same feed with other arguments."""

    def test_membership_stays(self, path):
        """A side of a split keeps its samples whatever else is replaced, and splits on as it would have."""
        side, _ = make(path, batch_size=10).split(0.5, 0.5)
        for changes in (
            {"shuffle": False},
            {"seed": 4},
            {"batch_size": 3},
            {"y": grid()},
            {"x": grid(shape=9)},
            {"transform": lambda b, r: b},
        ):
            other = side.replace(**changes)
            assert other.sample_ids.tolist() == side.sample_ids.tolist()
            assert other.split(0.5, 0.5)[0].sample_ids.tolist() == side.split(0.5, 0.5)[0].sample_ids.tolist()

    def test_new_samples(self, path):
        """samples= or db= ask the database again."""
        side, _ = make(path).split(0.5, 0.5)
        assert side.replace(samples=[3, 1]).sample_ids.tolist() == [1, 3]
        assert side.replace(samples=None).sample_ids.size == 101

    def test_another_database(self, tmp_path, path):
        """db= reads samples and rows there."""
        other = rowfeed.connect(f"sqlite:///{write(tmp_path / 'b.db', [7, 8])}")
        assert make(path).replace(db=other).sample_ids.tolist() == [7, 8]

    def test_the_first_feed_stays(self, path):
        """Replacing changes nothing in the feed it came from; the new one begins at epoch 0."""
        feed = make(path, batch_size=10)
        expected = seen(feed.batches(0)), seen(feed.batches(1))
        iter(feed).close()
        assert seen(feed.replace(connections=1)) == expected[0]
        assert seen(feed) == expected[1]

    def test_a_known_layout_in_another_place(self, path):
        """A layout that was there before and a new one come in the places that they are given."""
        first, second = grid(), grid("b")
        rows = [(i, x, 9000 + x) for i in range(1, 102) for x in range(3)]
        create(path, "b", [("id", "INTEGER"), ("x", ""), ("v", "")], rows, index=["id", "x"])
        x, y = make(path, first).replace(x=second, y=first).arrays()
        assert x.tolist() == [[9000, 9001, 9002]] * len(x)
        assert y[0].tolist() == [100, 101, 102]

    def test_a_new_layout_is_checked(self, path):
        """A new layout must be there, like those of a new feed."""
        with pytest.raises(rowfeed.SchemaError, match="nowhere"):
            make(path).replace(y=grid("nowhere"))

    def test_misspelt(self, path):
        """No option is swallowed."""
        feed = make(path)
        for name, way_out in {
            "batchsize": r"Did you mean 'batch_size'\?",
            "throttle": r"It is one of rowfeed\.connect",
            "nonsense": "There are batch_size, cache, connections, db,",
        }.items():
            with pytest.raises(rowfeed.ArgumentError, match=rf"expected arguments of Feed; got '{name}'\. {way_out}"):
                feed.replace(**{name: 3})


class TestArguments:
    """What cannot be right, whatever the database holds."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"batch_size": 0}, "got batch_size=0"),
            ({"batch_size": 2.0}, "got batch_size=2.0"),
            ({"batch_size": True}, "got batch_size=True"),
            ({"batch_size": "8"}, "got batch_size='8'"),
            ({"memory_bytes": -1}, "got memory_bytes=-1"),
            ({"memory_bytes": 1e9}, "got memory_bytes=1000000000.0"),
            ({"connections": 0}, "got connections=0"),
            ({"connections": None}, "got connections=None"),
            ({"seed": 1.0}, "got seed=1.0"),
            ({"seed": None}, "got seed=None"),
            ({"seed": False}, "got seed=False"),
            ({"shuffle": 1}, "got shuffle=1"),
            ({"shuffle": "yes"}, "got shuffle='yes'"),
            ({"last_batch": "skip"}, "expected one of keep, drop, pad; got last_batch='skip'"),
            ({"transform": 3}, "got transform=3"),
            ({"sample_weight": grid()}, "expected a y for sample_weight to weigh"),
            ({"y": "labels"}, "got y='labels'"),
            ({"y": {}}, "got y={}"),
            ({"y": {"a": None}}, "got y={'a': None}"),
            ({"x": None}, "got x=None"),
            ({"x": "t"}, "got x='t'"),
            ({"x": [grid()]}, "expected a layout or a dict of layouts; got x="),
            ({"db": "sqlite:///a.db"}, "got db='sqlite://…'"),
            ({"samples": "abc"}, "got samples='abc'"),
            ({"samples": [1, 1]}, "expected each sample id once; got 1 twice"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_refused(self, path, change, message):
        """Each wrong argument is refused by name and value."""
        arguments = {"db": rowfeed.connect(f"sqlite:///{path}"), "x": grid(), **change}
        with pytest.raises(rowfeed.ArgumentError, match=re.escape(message)):
            rowfeed.Feed(**arguments)

    @pytest.mark.parametrize("misspelt", ["batchsize", "shufle", "sample_weights", "random_state", "workers"])
    def test_misspelt(self, path, misspelt):
        """No option is swallowed."""
        with pytest.raises(TypeError, match=misspelt):
            make(path, **{misspelt: 1})

    def test_options_are_named(self, path):
        """After the layouts, arguments are passed by name."""
        with pytest.raises(TypeError, match="positional"):
            rowfeed.Feed(rowfeed.connect(f"sqlite:///{path}"), grid(), None, None, [1])

    def test_fewer_samples_than_a_batch(self, path):
        """drop with less than a batch would deliver nothing: refused."""
        with pytest.raises(
            rowfeed.ArgumentError, match=r'at least one whole batch of 102 with last_batch="drop"; got 101 samples'
        ):
            make(path, batch_size=102, last_batch="drop")
        with pytest.raises(rowfeed.ArgumentError, match="at least one whole batch"):
            make(path, batch_size=101, last_batch="drop").split(0.5, 0.5)

    def test_any_seed(self, path):
        """Any integer is a seed, and they differ."""
        orders = [seen(make(path, seed=seed).batches()) for seed in (0, -1, 2**64, -(2**200), np.uint8(7))]
        assert len({str(order) for order in orders}) == 5
        assert orders[-1] == seen(make(path, seed=7).batches())

    def test_repr(self, path):
        """A feed says what it is."""
        assert repr(make(path, grid(), grid())) == "<Feed of t: 101 samples, 4 batches of 32, kept in memory>"


class TestThreads:
    """Nothing hangs or leaks."""

    @pytest.fixture(params=["url", "plain", "engine"])
    def feed(self, path, request):
        """A feed of many windows on three connections, by a URL, by plain rows, or by the user's own engine."""
        url = f"sqlite:///{path}"
        db = rowfeed.connect(
            sa.create_engine(url) if request.param == "engine" else url, plain_rows=request.param == "plain"
        )
        return rowfeed.Feed(db, grid(), batch_size=2, memory_bytes=memory(4), connections=3)

    def nothing_left(self, path):
        """No reading thread, no open file; the file can go."""
        assert readers() == []
        assert open_files(path) == []
        path.unlink()

    def test_nothing_before_the_first_batch(self, path, feed):
        """A feed, and batches that nobody asked for, hold no connection."""
        batches = feed.batches()
        assert readers() == []
        assert open_files(path) == []
        batches.close()
        self.nothing_left(path)

    def test_exhausted(self, path, feed):
        """After the last batch everything is gone, before the caller asks for one more."""
        batches = iter(feed)
        for _ in range(len(feed)):
            next(batches)
        self.nothing_left(path)

    def test_closed_early(self, path, feed):
        """Closing in the middle ends all; closing again is harmless, and the iterator has ended."""
        batches = feed.batches()
        next(batches)
        assert 1 <= len(readers()) <= 3
        batches.close()
        batches.close()
        self.nothing_left(path)
        with pytest.raises(StopIteration):
            next(batches)

    def test_closing_does_not_wait(self, path, feed, monkeypatch):
        """Threads are told to end; nobody waits until they have been idle for long enough."""
        monkeypatch.setattr(rowfeed.reading.prefetch, "IDLE_S", 60.0)
        batches = feed.batches()
        next(batches)
        start = time.monotonic()
        batches.close()
        assert time.monotonic() - start < 30
        self.nothing_left(path)

    def test_left_early(self, path, feed):
        """Leaving a with block ends all."""
        with feed.batches() as batches:
            next(batches)
        self.nothing_left(path)

    def test_forgotten(self, path, feed):
        """del in the middle ends all."""
        batches = feed.batches()
        next(batches)
        del batches
        gc.collect()
        self.nothing_left(path)

    def test_break(self, path, feed):
        """Breaking out of a loop over the feed ends all."""
        for _ in feed:
            break
        gc.collect()
        self.nothing_left(path)

    def test_an_error_of_the_data(self, path):
        """A DataError reaches the caller as itself, ends all, and comes again in the next epoch."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE t SET v = NULL WHERE id = 50")
            connection.commit()
        feed = make(path, batch_size=2, memory_bytes=memory(4), connections=3)
        for _ in range(2):
            with pytest.raises(rowfeed.DataError, match=r"NULL at t\.v, id=50"):
                list(feed)
            assert readers() == []
            assert open_files(path) == []
        assert len(list(feed.replace(samples=[1, 2, 3]))) == 2

    def test_a_table_that_goes_away(self, path):
        """A database error in the middle of an epoch is a DatabaseError, and ends all."""
        feed = make(path, batch_size=2, memory_bytes=memory(4))
        query(path, "DROP TABLE t")
        with pytest.raises(rowfeed.DatabaseError, match=r"(?i)no ?such ?table"):
            list(feed)
        self.nothing_left(path)

    def test_arrays(self, path, feed):
        """`arrays` leaves nothing either."""
        feed.replace(memory_bytes=memory(101)).arrays()
        self.nothing_left(path)

    @pytest.mark.parametrize("connections", [1, 2, 5])
    def test_no_more_connections_than_asked_for(self, path, connections, monkeypatch):
        """At most `connections` sessions are open at a time."""
        counts, most = [0], [0]
        opened, closed = (
            SqliteSession.open.__func__,
            SqliteSession.close,
        )

        def open_counted(cls, *arguments, **options):
            counts[0] += 1
            most[0] = max(most[0], counts[0])
            return opened(cls, *arguments, **options)

        def close_counted(self):
            closed(self)
            counts[0] -= 1

        monkeypatch.setattr(SqliteSession, "open", classmethod(open_counted))
        monkeypatch.setattr(SqliteSession, "close", close_counted)
        list(make(path, batch_size=5, memory_bytes=memory(20), connections=connections))
        assert counts == [0]
        assert 1 <= most[0] <= connections


class TestDatabase:
    """The locator."""

    def test_pickle(self, path):
        """A database can be pickled, and read from where it is opened."""
        db = pickle.loads(pickle.dumps(rowfeed.connect(f"sqlite:///{path}", plain_rows=True)))
        assert db._address.plain_rows
        assert rowfeed.Feed(db, grid()).sample_ids.size == 101

    def test_frozen(self, path):
        """It cannot be changed."""
        with pytest.raises(AttributeError):
            rowfeed.connect(f"sqlite:///{path}").plain_rows = True

    def test_changed_data_is_read_anew(self, path):
        """Without a cache, an epoch reads what is in the table then; nothing is remembered."""
        feed = make(path, batch_size=200, shuffle=False, cache=None)
        first = next(iter(feed))
        query(path, "UPDATE t SET v = v + 1")
        assert_same(next(iter(feed)), first + 1)

    def test_selectables(self, path):
        """A selectable may join tables."""
        create(path, "users", [("id", "INTEGER"), ("kind", "")], [(i, i % 2) for i in range(1, 102)], key=["id"])
        t = sa.table("t", *map(sa.column, ("id", "x", "v")))
        u = sa.table("users", *map(sa.column, ("id", "kind")))
        odd = sa.select(t.c.id, t.c.x, t.c.v).join_from(t, u, t.c.id == u.c.id).where(u.c.kind == 1)
        feed = make(path, grid(odd), batch_size=10, memory_bytes=memory(20))
        assert sorted(i for batch in seen(feed) for i in batch) == list(range(1, 102, 2))


class TestWindows:
    """Windows, requests and connections against each other."""

    @examples(25)
    @given(
        st.integers(1, 101),
        st.integers(1, 20),
        st.integers(1, 6),
        st.integers(1, 4),
        st.booleans(),
        st.sampled_from(["keep", "drop"]),
        st.integers(0, 3),
    )
    def test_any_sizes(self, tmp_path_factory, count, batch_size, per_window, connections, shuffle, last_batch, epoch):
        """Whatever the sizes, each batch holds its samples, each sample its own cells."""
        path = tmp_path_factory.mktemp("sizes") / "a.db"
        write(path, range(1, count + 1))
        options = {"batch_size": batch_size, "shuffle": shuffle, "last_batch": last_batch, "seed": count}
        window = batch_size * per_window
        if last_batch == "drop" and count < batch_size:
            with pytest.raises(rowfeed.ArgumentError):
                make(path, **options)
            return
        feed = make(path, memory_bytes=memory(window), connections=connections, **options)
        window = reference.alike(window, batch_size, count)
        expected = reference.order(count, batch_size, window, shuffle, count, epoch, last_batch)
        assert seen(feed.batches(epoch)) == [[i + 1 for i in batch] for batch in expected]
        path.unlink()

    def test_samples_without_rows_shift_nobody(self, path):
        """Of the ids 1 to 300, two of three without rows, each batch has the right ones empty."""
        feed = make(path, samples=range(1, 301), batch_size=7, memory_bytes=memory(28), seed=3)
        for number, batch in enumerate(feed):
            ids = feed.batch_ids(0, number)
            expected = np.where((ids <= 101)[:, None], 100 * ids[:, None] + np.arange(3), 0)
            assert_same(batch, expected.astype(np.float32))

    def test_samples_of_very_different_sizes(self, tmp_path):
        """Full samples after empty ones: requests adapt, results do not."""
        rows = [(i, x, i % 7 + x + 1) for i in range(600) for x in range(64) if i >= 500 or x == 0]
        create(tmp_path / "b.db", "t", [("id", "INTEGER"), ("x", ""), ("v", "")], rows, index=["id"])
        expected = np.zeros((600, 64), np.float32)
        for i, x, v in rows:
            expected[i, x] = v
        feed = make(
            tmp_path / "b.db", grid(shape=64), batch_size=20, shuffle=False, memory_bytes=reference.memory_for(40, 256)
        )
        assert_same(np.concatenate(list(feed)), expected)
