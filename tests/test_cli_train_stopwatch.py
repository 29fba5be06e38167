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
    from rowfeed.cli.train.stopwatch import Lap, Stopwatch

    grid = rowfeed.Grid("T", **SHAPE)
    feed = rowfeed.Feed(db, x=grid, y=grid, samples=range(60), batch_size=8)
    judged = feed.replace(shuffle=False)
    model = keras.Sequential([keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    watch = Stopwatch(feed)
    model.fit(feed.to_keras(), validation_data=judged.to_keras(), epochs=3, verbose=0, callbacks=[watch])
    assert len(watch.laps) == 3
    assert watch.steady == watch.laps[1:]
    before = feed.stats().training_waited_s
    watch.on_epoch_begin(3)
    feed._stream.counters.add(training_waited_s=0.25)
    watch.on_test_begin()
    feed._stream.counters.add(training_waited_s=0.5)  # while validating, the next epoch's first window
    watch.on_epoch_end(3)
    assert watch.laps[3].waited_s == pytest.approx(0.25)
    assert feed.stats().training_waited_s == pytest.approx(before + 0.75)
    watch.laps[:] = [Lap(9.0, 9.0), Lap(2.0, 0.5), Lap(4.0, 0.5), Lap(2.0, 1.0)]
    assert watch.samples_per_second(60) == 30
    assert watch.waiting_share == 0.25
    del watch.laps[1:]
    assert watch.steady == [Lap(9.0, 9.0)]


def test_the_own_error_is_raised(db):
    """Whatever the framework makes of it: of a row that breaks the layout, of training or of validation samples."""
    from rowfeed.cli.train.training import fitting

    right, wrong = (rowfeed.Grid("T", **{**SHAPE, "shape": shape}) for shape in ((2, 2), (1, 2)))
    feeds = [rowfeed.Feed(db, right, right, samples=range(60), batch_size=60)]
    feeds.append(rowfeed.Feed(db, wrong, right, samples=range(60), batch_size=60))
    for training, judged in (feeds, feeds[::-1]):
        fed = training.to_keras(), judged.to_keras()
        model = keras.Sequential([keras.layers.Lambda(lambda x: x), keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        with pytest.raises(rowfeed.DataError, match=r"x must be in 0\.\.0"), fitting(*fed):
            model.fit(fed[0], validation_data=fed[1], verbose=0)


def test_another_error_stays(db):
    """What is not the feed's is raised as it is, and no thread is left."""
    import threading

    from rowfeed.cli.train.training import fitting

    fed = rowfeed.Feed(db, rowfeed.Grid("T", **SHAPE), batch_size=8).to_keras()
    with pytest.raises(ZeroDivisionError), fitting(fed):
        fed[0]
        1 / 0  # noqa: B018
    assert not [thread for thread in threading.enumerate() if thread.name == "rowfeed-reader"]
