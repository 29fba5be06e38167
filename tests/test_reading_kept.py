"""Small feeds: read once, kept in memory, and the same batches in every epoch."""

from __future__ import annotations

import copy
import gc
import hashlib
import pickle
import weakref

import numpy as np
import pytest
from reference import query

import rowfeed
from rowfeed.dialects.sqlite.session import Session

SAMPLES = 103
GRID = {"sample": "id", "axes": ("y", "x"), "value": "v", "shape": (2, 3)}
LARGE, SMALL = 2**20, 4 * (SAMPLES * 24)
"""Memory in which all samples are one window, and in which they just fit, in one window as well."""


@pytest.fixture
def db(tmp_path):
    arrays = np.arange(6 * SAMPLES, dtype=np.float32).reshape(-1, 2, 3)
    arrays[7] = 0
    found = rowfeed.connect(f"sqlite:///{tmp_path}/kept.db")
    found.write(rowfeed.Grid("t", **GRID), arrays + np.float32(arrays > 0))
    return found


@pytest.fixture
def opened(monkeypatch):
    """The sessions that were opened."""
    found = []
    original = Session.open.__func__
    monkeypatch.setattr(
        Session, "open", classmethod(lambda cls, *given, **named: found.append(1) or original(cls, *given, **named))
    )
    return found


def feed(db, **options):
    options = {"samples": range(SAMPLES), "batch_size": 8, "seed": 3, "memory_bytes": LARGE, **options}
    return rowfeed.Feed(db, rowfeed.Grid("t", **GRID), **options)


def digest(batches):
    found = hashlib.sha256()
    for batch in batches:
        for array in batch if isinstance(batch, tuple) else (batch,):
            found.update(array.tobytes())
    return found.hexdigest()


def windows(monkeypatch, samples):
    """Let windows have so many samples."""
    monkeypatch.setattr("rowfeed.plan.order.MAX_WINDOW", samples)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("window", [16, 56, 131_072])
@pytest.mark.parametrize("last_batch", ["keep", "drop"])
def test_later_epochs_are_the_same_and_ask_for_nothing(db, opened, monkeypatch, window, shuffle, last_batch):
    """Epochs are those of a feed that reads each of them; after the first, no session is opened and no row is read."""
    windows(monkeypatch, window)
    kept, read = (feed(db, shuffle=shuffle, last_batch=last_batch, cache=cache) for cache in ("memory", None))
    first = digest(kept.batches(0))
    assert first == digest(read.batches(0))
    expected = [digest(read.batches(epoch)) for epoch in (1, 2)]
    left = 0 if last_batch == "keep" or not shuffle else 7  # other samples are left out in each epoch
    before, sessions = kept.stats(), len(opened)
    assert [digest(kept.batches(epoch)) for epoch in (1, 2)] == expected
    did = kept.stats() - before
    assert did.samples <= 2 * left
    assert did.samples_from_memory + did.samples == 2 * (SAMPLES if last_batch == "keep" else 96)
    if not left:
        assert (did.requests, did.rows, len(opened)) == (0, 0, sessions)


def test_padding_and_transform(db):
    """Padded batches are the same, and a transform that changes its batch does not change what is kept."""

    def spoil(batch, rng):
        for array in batch:
            array[:] = rng.random(array.shape)
        return batch

    def made(**options):
        grid = rowfeed.Grid("t", **GRID)
        return rowfeed.Feed(db, grid, grid, samples=range(SAMPLES), batch_size=8, last_batch="pad", **options)

    spoilt = made(transform=spoil)
    assert digest(spoilt.batches(0)) == digest(made(transform=spoil, cache=None).batches(0))
    assert digest(spoilt.batches(1)) == digest(made(transform=spoil, cache=None).batches(1))
    plain = spoilt.replace(transform=None)
    assert digest(plain.batches(0)) == digest(made(cache=None).batches(0))
    assert_same = np.testing.assert_array_equal
    assert_same(spoilt.arrays()[0], made(cache=None).arrays()[0])


@pytest.mark.parametrize("window", [16, 131_072])
def test_epochs_that_end_early(db, monkeypatch, window):
    """However epochs are begun and left, batches are right, and in the end nothing is read any more."""
    windows(monkeypatch, window)
    kept, read = feed(db), feed(db, cache=None)
    for epoch, (start, stop) in enumerate([(0, 1), (5, 7), (0, 3), (12, 13), (2, 4), (0, 2), (0, 1), (0, 9)]):
        with kept.batches(epoch, start) as batches:
            taken = [next(batches) for _ in range(start, stop)]
        wanted = list(read.batches(epoch, start))[: stop - start]
        assert digest(taken) == digest(wanted)
    for epoch in range(8, 12):
        before = kept.stats()
        assert digest(kept.batches(epoch)) == digest(read.batches(epoch))
    assert (kept.stats() - before).requests == 0


@pytest.mark.parametrize("window", [16, 56, 131_072])
def test_epochs_that_are_read_ahead(db, monkeypatch, window):
    """If the next epoch is read while this one is used, as Keras has it, each sample is read once all the same."""
    windows(monkeypatch, window)
    kept, read = feed(db), feed(db, cache=None)
    batches = kept._stream.running(0, 0, lambda epoch: epoch < 4)
    for epoch in range(4):
        assert digest(batches) == digest(read.batches(epoch))
        batches = batches.following()
    batches.close()
    assert kept.stats().samples == SAMPLES


def test_two_iterators(db, monkeypatch):
    """Two epochs that are read in turn, batch by batch, are each as by itself."""
    windows(monkeypatch, 16)
    kept, read = feed(db), feed(db, cache=None)
    pairs = list(zip(kept.batches(0), kept.batches(1), strict=True))
    for epoch in (0, 1):
        assert digest(pair[epoch] for pair in pairs) == digest(read.batches(epoch))
    assert digest(kept.batches(2)) == digest(read.batches(2))


def test_what_is_kept_stays(db, tmp_path):
    """A change of the table is not seen by a feed that has read it, and is seen by a new one, or without a cache."""
    kept, read = feed(db, shuffle=False), feed(db, shuffle=False, cache=None)
    before = digest(kept)
    assert before == digest(read)
    db.write(rowfeed.Grid("t", **GRID), np.ones((SAMPLES, 2, 3), np.float32), if_exists="replace")
    assert digest(kept) == before
    assert digest(read) != before
    assert digest(kept.replace(seed=4)) == before
    anew = [
        feed(db, shuffle=False),
        kept.replace(cache=None),
        kept.replace(db=db),
        copy.deepcopy(kept),
        pickle_of(kept),
    ]
    assert {digest(each) for each in anew} == {digest(read)}


def test_feeds_with_other_arguments(db, opened, monkeypatch):
    """A feed with another order, and so for predictions, asks for nothing; one with other layouts reads them."""
    windows(monkeypatch, 56)
    kept = feed(db)
    list(kept)
    read = feed(db, cache=None)
    changes = {"shuffle": False, "batch_size": 5, "seed": 8, "last_batch": "drop", "connections": 1}
    expected = [digest(read.replace(**{name: value}).batches(1)) for name, value in changes.items()]
    sessions = len(opened)
    found = [kept.replace(**{name: value}) for name, value in changes.items()]
    assert [digest(other.batches(1)) for other in found] == expected
    assert digest(kept.replace(y=rowfeed.Grid("t", **GRID)).replace(y=None).batches(1)) == digest(kept.batches(1))
    assert [other.stats().requests for other in found] == [0] * len(changes)
    assert len(opened) == sessions
    other = rowfeed.Grid("t", **GRID, fill=7)
    assert digest(kept.replace(x=other).batches(1)) == digest(read.replace(x=other).batches(1)) != expected[0]


@pytest.mark.parametrize("end", ["whole", "early", "unread"])
def test_memory_is_free_with_the_feed(db, end):
    """A feed that is deleted leaves nothing to the garbage collector, which may not come for long."""
    gc.collect()
    gc.disable()
    try:
        kept = feed(db)
        batches = kept.batches()
        if end != "unread":
            list(batches) if end == "whole" else next(batches)
        memory = weakref.ref(kept._stream.kept)
        batches.close()
        del kept, batches
        assert memory() is None
    finally:
        gc.enable()


def test_a_fault_that_is_mended(db, tmp_path, monkeypatch):
    """A window that failed leaves nothing behind: after the fault is mended, every epoch is right."""
    windows(monkeypatch, 16)
    right = [digest(feed(db).batches(epoch)) for epoch in range(3)]
    kept = feed(db)
    query(tmp_path / "kept.db", "UPDATE t SET v = 'x' || v WHERE id = 50")
    for epoch in range(3):
        with pytest.raises(rowfeed.DataError, match=r"t\.v, id=50"):
            list(kept.batches(epoch))
    query(tmp_path / "kept.db", "UPDATE t SET v = CAST(substr(v, 2) AS REAL) WHERE id = 50")
    for _ in range(2):
        assert [digest(kept.batches(epoch)) for epoch in range(3)] == right


def pickle_of(given):
    return pickle.loads(pickle.dumps(given))


def test_what_fits(db):
    """All samples in a quarter of the memory are kept, one byte less is too little; repr says it."""
    assert repr(feed(db, memory_bytes=SMALL)) == "<Feed of t: 103 samples, 13 batches of 8, kept in memory>"
    assert repr(feed(db, memory_bytes=SMALL - 1)) == "<Feed of t: 103 samples, 13 batches of 8>"
    assert "kept" not in repr(feed(db, cache=None))
    large = feed(db, memory_bytes=SMALL - 1)
    for _ in range(2):
        before = large.stats()
        list(large)
        assert (large.stats() - before).samples == SAMPLES


@pytest.mark.parametrize("cache", [True, "disk", 3])
def test_other_caches(db, cache):
    """There are no others."""
    with pytest.raises(rowfeed.ArgumentError, match='expected "memory" or None; got cache='):
        feed(db, cache=cache)
