"""A small table, and models that write down what they were trained on."""

from __future__ import annotations

import sqlite3

import pytest

import rowfeed

keras = pytest.importorskip("keras")

SAMPLES = 150


def write_tables(path):
    """150 samples of 3×4 cells; cell (1, 2) holds the sample's id plus 1, sample 7 has no row. Returns the URL."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE cells (s INTEGER, i INTEGER, j INTEGER, v REAL, PRIMARY KEY (s, i, j)) WITHOUT ROWID")
        db.execute("CREATE TABLE labels (s INTEGER PRIMARY KEY, label INTEGER, weight REAL)")
        for s in range(SAMPLES):
            if s != 7:
                db.execute("INSERT INTO cells VALUES (?, 1, 2, ?), (?, 0, 0, 0.5)", (s, s + 1.0, s))
            db.execute("INSERT INTO labels VALUES (?, ?, ?)", (s, s % 3, 1.0 + s % 2))
    db.close()
    return f"sqlite:///{path}"


def make_feed(url, **options):
    """Batches of 16 in windows of 32: ten batches, five windows."""
    grid = rowfeed.Grid("cells", sample="s", axes=("i", "j"), value=options.pop("value", "v"), shape=(3, 4))
    options = {"samples": range(SAMPLES), "batch_size": 16, "y": grid, "memory_bytes": 4 * 48 * 32, **options}
    return rowfeed.Feed(rowfeed.connect(url), x=grid, **options)


def label_feed(url, **options):
    label = rowfeed.Columns("labels", sample="s", columns="label", dtype="int32")
    return make_feed(url, y=label, **options)


class Recorder(keras.Model):
    """Scales its input by one weight and writes down what it was trained on."""

    def __init__(self, fail_at=None):
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.steps, self.fail_at = [], fail_at

    def call(self, x, training=False):
        x = keras.ops.convert_to_tensor(x)
        if training and not isinstance(x, keras.KerasTensor):
            cells = keras.ops.convert_to_numpy(x).reshape(len(x), 12)
            self.steps.append((cells[:, 6] - 1).astype(int).tolist())
            if len(self.steps) == self.fail_at:
                raise RuntimeError("the model failed")
        return x * self.scale


def recorder(**options):
    model = Recorder(**options)
    model.compile("sgd", "mse", run_eagerly=True)
    model.optimizer.learning_rate = 1e-6
    return model


def classifier():
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def expected(feed, epochs):
    """What the model should see: (batch, ids) of each epoch; the empty sample 7 shows as -1."""
    return [
        [-1 if sample == 7 else sample for sample in feed.batch_ids(epoch, batch).tolist()]
        for epoch in epochs
        for batch in range(len(feed))
    ]
