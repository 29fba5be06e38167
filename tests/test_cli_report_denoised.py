"""The picture of samples, each noisy, denoised and original."""

from __future__ import annotations

import io

import numpy as np
import pytest

from rowfeed.cli.report.denoised import denoised
from rowfeed.cli.report.look import DARK, DOTS_PER_INCH, LIGHT, NARROW, WIDE, rgb

matplotlib_image = pytest.importorskip("matplotlib.image")


def pixels(png):
    """A PNG as colours 0..1, (height, width, 3)."""
    return matplotlib_image.imread(io.BytesIO(png), format="png")[..., :3]


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (2, 64), (64, 2), (4, 6, 3), (5, 5, 2), (64, 64, 5)])
@pytest.mark.parametrize("samples", [1, 10])
def test_denoised_has_the_width_of_the_page(shape, samples):
    """Samples of any shape, in any number, give a picture of the asked width, and not all of one colour."""
    examples = tuple(np.random.default_rng(k).normal(size=(samples, *shape)) for k in range(3))
    captions = ["a caption that is far too long" for _ in range(samples)]
    drawn = pixels(denoised(examples, captions, LIGHT, NARROW))
    assert drawn.shape[1] == NARROW * DOTS_PER_INCH
    assert drawn.shape[0] <= 1.4 * NARROW * DOTS_PER_INCH + 1
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 50


def test_the_three_kinds_stand_side_by_side():
    """A row shows noisy, denoised and original from left to right, block after block down the first column."""
    examples = tuple(np.full((2, 1, 1), value) for value in (0.0, 1.0, 2.0))
    drawn = pixels(denoised(examples, ["", ""], LIGHT, WIDE))
    line = drawn[-drawn.shape[0] // 3]
    half = (rgb(LIGHT.empty) + rgb(LIGHT.ink)) / 2
    known = [rgb(LIGHT.card), rgb(LIGHT.empty), half, rgb(LIGHT.ink)]
    colours = np.array([np.abs(line - colour).max(axis=1) < 0.005 for colour in known]).argmax(axis=0)
    seen = colours[np.flatnonzero(np.diff(colours, prepend=0))]
    assert seen.tolist() == [1, 0, 2, 0, 3, 0, 1, 0, 2, 0, 3, 0]


@pytest.mark.parametrize("caption", ["7", "12345678", "3f2b8c1d-9e4a-4b6f-8d2c-1a5e7f903b64", "$x_1$ " * 40])
@pytest.mark.parametrize("shape", [(8, 8), (4, 64), (64, 4)])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_captions_are_inside_of_the_page(caption, shape, width):
    """Captions of any length are on the page from their first letter to their last: none reaches an edge of it."""
    examples = tuple(np.ones((4, *shape)) for _ in range(3))
    drawn = pixels(denoised(examples, [caption] * 4, DARK, width))
    muted = np.abs(drawn - rgb(DARK.muted)).max(axis=2) < 0.01
    assert muted.any()
    assert not muted[:, [0, -1]].any()
    assert not muted[[0, -1]].any()
