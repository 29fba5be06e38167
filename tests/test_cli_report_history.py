"""The picture of losses by epoch."""

from __future__ import annotations

import io

import numpy as np
import pytest

from rowfeed.cli.report.history import apart, history
from rowfeed.cli.report.look import DARK, DOTS_PER_INCH, LIGHT, WIDE, rgb

matplotlib_image = pytest.importorskip("matplotlib.image")


def pixels(png):
    """A PNG as colours 0..1, (height, width, 3)."""
    return matplotlib_image.imread(io.BytesIO(png), format="png")[..., :3]


@pytest.mark.parametrize(
    "errors",
    [{"noisy": 16.0, "pca": 8.5}, {"noisy": 0.0, "pca": 0.0}, {"noisy": 1e6, "pca": 1e-3}],
)
@pytest.mark.parametrize("losses", [[5.0], [9.0, 5.0, 4.0], [1e8, 1e-4]])
def test_history_draws_any_losses(losses, errors):
    """One epoch or many, errors that are 0 or far apart: a picture of the asked width, in the colours of the theme."""
    drawn = pixels(history({"loss": losses, "val_loss": losses}, errors, DARK, WIDE))
    assert drawn.shape == (3.5 * DOTS_PER_INCH, WIDE * DOTS_PER_INCH, 3)
    np.testing.assert_allclose(drawn[0, 0], rgb(DARK.card), atol=0.003)
    assert np.all(np.abs(drawn - rgb(DARK.denoised)) < 0.003, axis=-1).any()


def test_the_same_picture_is_the_same_file():
    """Nothing but the data is in a PNG: no date, no version."""
    arguments = {"loss": [2.0, 1.0], "val_loss": [2.0, 1.0]}, {"noisy": 3.0, "pca": 2.0}, LIGHT
    assert history(*arguments) == history(*arguments)


def test_labels_keep_their_distance_and_their_order():
    """Labels that would overlap move apart, the others stay."""
    moved = apart(np.array([0.5, 0.1, 0.51, 0.9]), 0.1)
    np.testing.assert_allclose(moved, [0.455, 0.1, 0.555, 0.9], atol=1e-6)
