"""Errors of noisy input, denoised input and a PCA."""

from __future__ import annotations

import numpy as np
import pytest

import rowfeed
from rowfeed.cli.train import comparison
from rowfeed.cli.train.comparison import compare

pytest.importorskip("sklearn")


class Halver:
    """Stands for a model: halves what it gets."""

    def __init__(self, code_size, shape):
        self.code_size, self.sample_shape = code_size, shape

    def predict_on_batch(self, x):
        return x / 2


@pytest.fixture
def feeds(tmp_path):
    """50 samples of (2, 3) cells, all on one line through the origin; noise of 1 or -1 on half of the cells."""
    cells = np.arange(50, dtype=np.float32)[:, None, None] * np.array([[1, 2, 0], [0, -1, 3]], np.float32) + 0
    db = rowfeed.connect(f"sqlite:///{tmp_path}/c.db")
    grid = rowfeed.Grid("T", sample="id", axes=("x", "y"), value="v", shape=(2, 3))
    db.write(grid, cells, ids=range(50))
    feed = rowfeed.Feed(db, x=grid, y=grid, samples=range(50), batch_size=8)
    noise = np.array([[1, 0, 0], [-1, -1, 0]], np.float32)
    noisy = feed.replace(shuffle=False, transform=lambda batch, rng: (batch[0] + noise, batch[1]))
    return feed, noisy, cells, noise


def test_errors_by_hand(feeds):
    """Each error is the mean over all values of all samples, batches of different sizes included."""
    feed, noisy, cells, noise = feeds
    found = compare(Halver(1, (2, 3)), feed, noisy, np.array([0, 8, 49]))
    assert found.noisy == pytest.approx(0.5)
    assert found.denoised == pytest.approx(np.square((cells + noise) / 2 - cells).mean(), rel=1e-6)
    along = np.array([1, 2, 0, 0, -1, 3]) / np.sqrt(15)
    assert found.pca == pytest.approx((noise.ravel() @ along) ** 2 / 6, rel=1e-4)
    assert (found.samples, found.components, found.pca_samples) == (50, 1, 50)
    assert found.pca_loss == pytest.approx(0, abs=1e-6)
    others = cells.reshape(50, 6)[:, :5]
    assert found.values_loss == pytest.approx(np.square(others - others.mean(axis=0)).sum() / 300, rel=1e-4)


def test_examples_are_those_that_were_asked_for(feeds):
    """Examples come in the order of the positions, each with its noisy and its denoised self."""
    feed, noisy, cells, noise = feeds
    found = compare(Halver(1, (2, 3)), feed, noisy, np.array([9, 0, 49]))
    np.testing.assert_array_equal(found.examples[2], cells[[9, 0, 49]])
    np.testing.assert_array_equal(found.examples[0], cells[[9, 0, 49]] + noise)
    np.testing.assert_array_equal(found.examples[1], (cells[[9, 0, 49]] + noise) / 2)


def test_a_pca_of_all_values_keeps_the_noise(feeds):
    """With a code as large as the sample, the projection is the noisy input itself."""
    feed, noisy, *_ = feeds
    found = compare(Halver(100, (2, 3)), feed, noisy, np.array([0]))
    assert found.components == 6
    assert found.pca == pytest.approx(found.noisy, rel=1e-4)


def test_the_pca_takes_a_bounded_number_of_samples(feeds, monkeypatch):
    """On a large table the PCA is fitted on samples spread evenly over the ids."""
    feed, noisy, *_ = feeds
    monkeypatch.setattr(comparison, "PCA_VALUES", 100)
    assert compare(Halver(1, (2, 3)), feed, noisy, np.array([0])).pca_samples == 17
