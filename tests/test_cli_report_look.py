"""How every picture looks."""

from __future__ import annotations

import io
from dataclasses import asdict

import numpy as np
import pytest

from rowfeed.cli.report.look import DARK, DOTS_PER_INCH, LIGHT, new_figure, plain_axes, png, rgb, style, text_width

image = pytest.importorskip("PIL.Image")


def test_a_colour_as_numbers():
    """Red, green and blue from 0 to 1."""
    np.testing.assert_allclose(rgb("#ff8000"), [1, 128 / 255, 0])


def test_a_figure_has_its_size_its_colour_and_its_texts():
    """So many inches, the card's colour to the edge, the metadata that was given, and no date or version."""
    figure = new_figure(3, 2, DARK)
    plain_axes(figure.add_axes((0.2, 0.2, 0.6, 0.6)), DARK, "y")
    picture = image.open(io.BytesIO(png(figure, {"Comment": "mark"})))
    assert picture.size == (3 * DOTS_PER_INCH, 2 * DOTS_PER_INCH)
    assert {name: picture.text[name] for name in picture.text} == {"Comment": "mark"}
    drawn = np.asarray(picture.convert("RGB")) / 255
    for place in (0, 0), (-1, -1):
        np.testing.assert_allclose(drawn[place], rgb(DARK.card), atol=0.003)


def test_the_width_of_a_text():
    """Twice the letters or twice the size is twice the width; a dollar is a letter, and nothing has no width."""
    with style():
        assert text_width("noisy", 24) == pytest.approx(2 * text_width("noisy", 12), rel=0.05)
        assert text_width("mm" * 10, 12) == pytest.approx(2 * text_width("m" * 10, 12), rel=0.05)
        assert text_width("$a$", 12) > text_width("a", 12)
        assert text_width("", 12) == 0


def test_themes_have_the_same_fields_and_other_colours():
    """Each is a colour that CSS and matplotlib know, and dark differs from light in all of them."""
    assert all(
        len(colour) == 7 and rgb(colour).size == 3 for theme in (LIGHT, DARK) for colour in asdict(theme).values()
    )
    assert not set(asdict(LIGHT).values()) & set(asdict(DARK).values())
