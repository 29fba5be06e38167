"""A training: what an interrupt leaves of it."""

from __future__ import annotations

import numpy as np
import pytest

import rowfeed

keras = pytest.importorskip("keras")

from rowfeed.cli.train import training  # noqa: E402
from rowfeed.cli.train.recipe import Recipe  # noqa: E402

pytestmark = pytest.mark.keras

GRID = rowfeed.Grid("T", sample="id", axes=("x", "y"), value="v", shape=(2, 2))


@pytest.fixture
def feed(tmp_path):
    """40 samples."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/x.db")
    db.write(GRID, np.random.default_rng(0).normal(size=(40, 2, 2)).astype(np.float32))
    return rowfeed.Feed(db, GRID, GRID, batch_size=8)


def interrupting(epoch):
    """Lines that interrupt in the middle of an epoch, and keep the weights that each epoch ended with."""

    class Interrupting(training.Lines):
        ended = []

        def on_train_batch_end(self, batch, logs=None):
            if len(self.ended) == epoch and batch == 1:
                raise KeyboardInterrupt

        def on_epoch_end(self, epoch, logs=None):
            self.ended.append([np.array(weight) for weight in self.model.get_weights()])

    return Interrupting


def test_the_model_is_that_of_the_last_whole_epoch(feed, tmp_path, monkeypatch):
    """Steps of the epoch that was interrupted have left nothing, and the model can be saved and loaded."""
    lines = interrupting(2)
    monkeypatch.setattr(training, "Lines", lines)
    with pytest.raises(training.Interrupted) as stop:
        training.train(feed, (2, 2), Recipe(epochs=5), lambda line: None, terminal=False)
    assert stop.value.epochs == 2
    stop.value.model.save(tmp_path / "model.keras")
    for model in (stop.value.model, keras.saving.load_model(tmp_path / "model.keras")):
        for found, expected in zip(model.get_weights(), lines.ended[1], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_in_the_first_epoch_nothing_is_left(feed, monkeypatch):
    """Before the end of an epoch it is any interrupt."""
    monkeypatch.setattr(training, "Lines", interrupting(0))
    with pytest.raises(KeyboardInterrupt) as stop:
        training.train(feed, (2, 2), Recipe(epochs=5), lambda line: None, terminal=False)
    assert not isinstance(stop.value, training.Interrupted)
