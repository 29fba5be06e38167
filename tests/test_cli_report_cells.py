"""A sample as coloured cells."""

from __future__ import annotations

import numpy as np
import pytest

from rowfeed.cli.report.cells import cells
from rowfeed.cli.report.look import DARK, LIGHT, rgb


def test_a_cell_is_where_its_indices_are():
    """The first axis runs down and the second to the right; 0 looks empty and the largest value is ink."""
    sample = np.zeros((2, 3), np.float32)
    sample[0, 2] = 16
    drawn = cells(sample, sample, LIGHT)
    assert drawn.shape == (2, 3, 3)
    np.testing.assert_allclose(drawn[0, 2], rgb(LIGHT.ink))
    np.testing.assert_allclose(drawn[1, 2], rgb(LIGHT.empty))
    np.testing.assert_allclose(drawn[0, 0], rgb(LIGHT.empty))


def test_values_of_two_signs_have_two_colours():
    """Below and above 0 differ in colour, by their size; noise beyond the originals' range is cut off."""
    original = np.array([[-4.0, 8.0], [0.0, 0.0]])
    drawn = cells(np.array([[-8.0, 80.0], [4.0, 0.0]]), original, DARK)
    np.testing.assert_allclose(drawn[0, 0], rgb(DARK.noisy))
    np.testing.assert_allclose(drawn[0, 1], rgb(DARK.denoised))
    np.testing.assert_allclose(drawn[1, 0], (rgb(DARK.denoised) + rgb(DARK.empty)) / 2)
    np.testing.assert_allclose(drawn[1, 1], rgb(DARK.empty))


@pytest.mark.parametrize(("channels", "shape"), [(1, (4, 5, 3)), (2, (4, 11, 3)), (3, (4, 5, 3)), (4, (4, 23, 3))])
def test_channels(channels, shape):
    """Three channels are red, green and blue; other numbers of them stand next to each other."""
    sample = np.linspace(0, 1, 20 * channels).reshape(4, 5, channels)
    drawn = cells(sample, sample, LIGHT)
    assert drawn.shape == shape
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    if channels == 3:
        np.testing.assert_allclose(drawn, sample)


def test_planes_below_each_other():
    """Six planes, three next to each other: the fourth stands below the first, with the card between them."""
    sample = np.zeros((1, 2, 6))
    sample[0, 1, 3] = 5
    drawn = cells(sample, sample, LIGHT, 3)
    assert drawn.shape == (3, 8, 3)
    np.testing.assert_allclose(drawn[2, 1], rgb(LIGHT.ink))
    np.testing.assert_allclose(drawn[1], np.broadcast_to(rgb(LIGHT.card), (8, 3)))
    np.testing.assert_allclose(drawn[0, [0, 2]], [rgb(LIGHT.empty), rgb(LIGHT.card)])
