"""The pictures: what is drawn where, in which colour."""

from __future__ import annotations

import io

import numpy as np
import pytest

from rowfeed.cli.report import pictures
from rowfeed.cli.report.pictures import DARK, DOTS_PER_INCH, LIGHT, NARROW, WIDE

matplotlib_image = pytest.importorskip("matplotlib.image")


def pixels(png):
    """A PNG as colours 0..1, (height, width, 3)."""
    return matplotlib_image.imread(io.BytesIO(png), format="png")[..., :3]


def rgb(colour):
    """The colour of a theme as numbers."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def test_a_cell_is_where_its_indices_are():
    """The first axis runs down and the second to the right; 0 looks empty and the largest value is ink."""
    sample = np.zeros((2, 3), np.float32)
    sample[0, 2] = 16
    drawn = pictures._picture(sample, sample, LIGHT)
    assert drawn.shape == (2, 3, 3)
    np.testing.assert_allclose(drawn[0, 2], rgb(LIGHT.ink))
    np.testing.assert_allclose(drawn[1, 2], rgb(LIGHT.empty))
    np.testing.assert_allclose(drawn[0, 0], rgb(LIGHT.empty))


def test_values_of_two_signs_have_two_colours():
    """Below and above 0 differ in colour, by their size; noise beyond the originals' range is cut off."""
    original = np.array([[-4.0, 8.0], [0.0, 0.0]])
    drawn = pictures._picture(np.array([[-8.0, 80.0], [4.0, 0.0]]), original, DARK)
    np.testing.assert_allclose(drawn[0, 0], rgb(DARK.noisy))
    np.testing.assert_allclose(drawn[0, 1], rgb(DARK.denoised))
    np.testing.assert_allclose(drawn[1, 0], (rgb(DARK.denoised) + rgb(DARK.empty)) / 2)
    np.testing.assert_allclose(drawn[1, 1], rgb(DARK.empty))


@pytest.mark.parametrize(("channels", "shape"), [(1, (4, 5, 3)), (2, (4, 11, 3)), (3, (4, 5, 3)), (4, (4, 23, 3))])
def test_channels(channels, shape):
    """Three channels are red, green and blue; other numbers of them stand next to each other."""
    sample = np.linspace(0, 1, 20 * channels).reshape(4, 5, channels)
    drawn = pictures._picture(sample, sample, LIGHT)
    assert drawn.shape == shape
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    if channels == 3:
        np.testing.assert_allclose(drawn, sample)


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (3, 60), (60, 3), (4, 6, 3), (5, 5, 2)])
@pytest.mark.parametrize("samples", [1, 3, 10])
def test_denoised_has_the_width_of_the_page(shape, samples):
    """Samples of any shape, in any number, give a picture of the asked width, and not all of one colour."""
    examples = tuple(np.random.default_rng(k).normal(size=(samples, *shape)) for k in range(3))
    captions = ["a caption that is far too long" for _ in range(samples)]
    drawn = pixels(pictures.denoised(examples, captions, LIGHT, NARROW))
    assert drawn.shape[1] == NARROW * DOTS_PER_INCH
    assert drawn.shape[0] < 14 * DOTS_PER_INCH
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 50


def test_the_three_kinds_stand_side_by_side():
    """A row shows noisy, denoised and original from left to right, block after block down the first column."""
    examples = tuple(np.full((2, 1, 1), value) for value in (0.0, 1.0, 2.0))
    drawn = pixels(pictures.denoised(examples, ["", ""], LIGHT, WIDE))
    line = drawn[-drawn.shape[0] // 3]
    half = (rgb(LIGHT.empty) + rgb(LIGHT.ink)) / 2
    known = [rgb(LIGHT.card), rgb(LIGHT.empty), half, rgb(LIGHT.ink)]
    colours = np.array([np.abs(line - colour).max(axis=1) < 0.005 for colour in known]).argmax(axis=0)
    seen = colours[np.flatnonzero(np.diff(colours, prepend=0))]
    assert seen.tolist() == [1, 0, 2, 0, 3, 0, 1, 0, 2, 0, 3]


@pytest.mark.parametrize(
    "errors",
    [{"noisy": 16.0, "pca": 8.5}, {"noisy": 0.0, "pca": 0.0}, {"noisy": 1e6, "pca": 1e-3}],
)
@pytest.mark.parametrize("losses", [[5.0], [9.0, 5.0, 4.0], [1e8, 1e-4]])
def test_history_draws_any_losses(losses, errors):
    """One epoch or many, errors that are 0 or far apart: a picture of the asked width, in the colours of the theme."""
    drawn = pixels(pictures.history({"loss": losses, "val_loss": losses}, errors, DARK, WIDE))
    assert drawn.shape == (3.5 * DOTS_PER_INCH, WIDE * DOTS_PER_INCH, 3)
    np.testing.assert_allclose(drawn[0, 0], rgb(DARK.card), atol=0.003)
    assert np.all(np.abs(drawn - rgb(DARK.denoised)) < 0.003, axis=-1).any()


def test_spans_are_as_long_as_they_say():
    """Bars begin where they should and have their lengths and colours; one of no length is not drawn, a tiny one is."""
    bars = [
        pictures.Span("a", 0.0, 25.0, "25"),
        pictures.Span("b", 25.0, 0.001, "0.001", "noisy"),
        pictures.Span("c", 0.0, 100.0, "100", "muted", gap=True),
    ]
    drawn = pixels(pictures.spans(bars, "milliseconds", LIGHT))
    assert drawn.shape[1] == WIDE * DOTS_PER_INCH
    counts = {
        name: np.all(np.abs(drawn - rgb(getattr(LIGHT, name))) < 0.003, axis=-1).sum(axis=1).max()
        for name in ("denoised", "noisy", "muted")
    }
    assert counts["denoised"] == pytest.approx(counts["muted"] / 4, rel=0.1)
    assert 0 < counts["noisy"] < counts["muted"] / 20
    none = pixels(pictures.spans([bars[0], pictures.Span("b", 1.0, 0.0, "", "noisy")], "milliseconds", LIGHT))
    assert not np.all(np.abs(none - rgb(LIGHT.noisy)) < 0.003, axis=-1).any()


def test_the_same_picture_is_the_same_file():
    """Nothing but the data is in a PNG: no date, no version."""
    arguments = {"loss": [2.0, 1.0], "val_loss": [2.0, 1.0]}, {"noisy": 3.0, "pca": 2.0}, LIGHT
    assert pictures.history(*arguments) == pictures.history(*arguments)


def test_labels_keep_their_distance_and_their_order():
    """Labels that would overlap move apart, the others stay."""
    moved = pictures._apart(np.array([0.5, 0.1, 0.51, 0.9]), 0.1)
    np.testing.assert_allclose(moved, [0.455, 0.1, 0.555, 0.9], atol=1e-6)
