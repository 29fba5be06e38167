"""What training costs is counted right, and counting changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

import rowfeed

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.keras

SHAPE = {"sample": "id", "axes": ("x", "y"), "value": "v", "shape": (2, 2)}


@pytest.fixture
def db(tmp_path):
    """60 samples; sample i has i % 5 of its 4 cells filled: 120 rows."""
    cells = (np.arange(4) < np.arange(60)[:, None] % 5).astype(np.float32).reshape(60, 2, 2)
    db = rowfeed.connect(f"sqlite:///{tmp_path}/m.db")
    assert db.write(rowfeed.Grid("T", **SHAPE), cells) == 120
    return db


def test_the_stopwatch_times_training_alone(db):
    """There is a lap an epoch, without its validation; waiting is a share of it; the first does not count."""
    from rowfeed.cli.train.stopwatch import Lap, Stopwatch, TimedFeed

    grid = rowfeed.Grid("T", **SHAPE)
    feed = rowfeed.Feed(db, x=grid, y=grid, samples=range(60), batch_size=8)
    timed, judged = TimedFeed(feed), TimedFeed(feed)
    model = keras.Sequential([keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    watch = Stopwatch(timed)
    model.fit(timed, validation_data=judged, epochs=3, verbose=0, callbacks=[watch])
    assert len(watch.laps) == 3
    assert watch.steady == watch.laps[1:]
    assert all(lap.waited_s > 0 for lap in watch.laps)
    assert judged.waited_s > 0
    watch.laps[:] = [Lap(9.0, 9.0), Lap(2.0, 0.5), Lap(4.0, 0.5), Lap(2.0, 1.0)]
    assert watch.samples_per_second(60) == 30
    assert watch.waiting_share == 0.25
    del watch.laps[1:]
    assert watch.steady == [Lap(9.0, 9.0)]


def test_what_goes_wrong_is_kept(db):
    """The error of a read is kept with its type, whatever the framework makes of it."""
    from rowfeed.cli.train.stopwatch import TimedFeed

    timed = TimedFeed(rowfeed.Feed(db, rowfeed.Grid("T", **{**SHAPE, "shape": (1, 2)}), batch_size=60))
    with pytest.raises(rowfeed.DataError) as raised:
        timed[0]
    assert timed.error is raised.value
    assert timed.waited_s > 0
