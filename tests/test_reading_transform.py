"""The user's function on each batch: what it does wrong is an error of its own, by name."""

from __future__ import annotations

import numpy as np
import pytest

import rowfeed
from rowfeed.reading.prefetch import Prefetcher

GRID = rowfeed.Grid("t", sample="id", axes=("x", "y"), value="v", shape=(2, 2))


@pytest.fixture
def feed(tmp_path):
    """Ten batches of four samples."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/m.db")
    db.write(GRID, np.arange(1, 161, dtype=np.float32).reshape(40, 2, 2))
    return rowfeed.Feed(db, GRID, batch_size=4)


@pytest.mark.parametrize("ends", [StopIteration, GeneratorExit])
def test_what_would_end_the_epoch(feed, ends):
    """It would look like the end of the epoch: so it becomes an error that names the function and the batch."""
    calls = []

    def noisy(batch, rng):
        calls.append(1)
        if len(calls) > 3:
            raise ends
        return batch

    batches, taken = iter(feed.replace(transform=noisy)), []
    with pytest.raises(rowfeed.ArgumentError) as wrong:
        taken.extend(batches)
    assert len(taken) == 3
    assert str(wrong.value) == (
        f"expected a batch of transform; got {ends.__name__} from test_what_would_end_the_epoch.<locals>.noisy, "
        "epoch=0, batch=3. It would end the epoch in silence: give next() a default, or catch it there."
    )
    assert isinstance(wrong.value.__cause__, ends)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, LookupError])
def test_other_exceptions(feed, error):
    """They reach the caller as they are."""

    def fails(batch, rng):
        raise error

    with pytest.raises(error):
        next(iter(feed.replace(transform=fails)))


def generator(batch, rng):
    yield batch


@pytest.mark.parametrize(
    ("transform", "got"),
    [
        (lambda batch, rng: None, "None"),
        (lambda batch, rng: (None, batch), "None in it"),
        (lambda batch, rng: {"a": None}, "None in it"),
        (lambda batch, rng: (), "an empty tuple"),
        (lambda batch, rng: 5, "a int"),
        (lambda batch, rng: (batch, "label"), "a str in it"),
        (generator, "a generator"),
    ],
)
def test_what_is_no_batch(feed, transform, got):
    """A function that forgets to return, or returns what no framework takes."""
    with pytest.raises(rowfeed.ArgumentError) as wrong:
        next(iter(feed.replace(transform=transform)))
    assert str(wrong.value) == (
        "expected a batch of transform, an array or a dict of arrays, or a tuple of them: (x, y, sample_weight); got "
        f"{got} from {transform.__qualname__}, epoch=0, batch=0. Return the batch, in this form."
    )


def test_other_structures(feed):
    """It may return more or fewer places, dicts, and a target of None beside weights."""
    for result in ((np.ones(1),), {"a": [1], "b": np.ones(2)}, (np.ones(2), None, np.ones(2)), [1, 2]):
        assert next(iter(feed.replace(transform=lambda batch, rng, result=result: result))) is result


def test_other_iterators(feed):
    """A StopIteration of what reading calls is an error too; samples= is a sequence, and a generator is refused."""

    class Job:
        def take(self):
            return lambda retrier: next(iter(()))

    class Retrier:
        def run(self, task, is_spare):
            return task(self)

        def interrupt(self):
            pass

        close = interrupt

    with pytest.raises(RuntimeError, match="reading raised StopIteration"):
        list(Prefetcher(iter([Job()]), Retrier, 1))
    with pytest.raises(rowfeed.ArgumentError, match="expected a sequence of sample ids; got samples="):
        feed.replace(samples=(1 // number for number in (1, 0)))
