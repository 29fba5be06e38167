"""The picture of bars below each other."""

from __future__ import annotations

import io

import numpy as np
import pytest

from rowfeed.cli.report.look import DOTS_PER_INCH, LIGHT, WIDE, rgb
from rowfeed.cli.report.spans import Span, spans

matplotlib_image = pytest.importorskip("matplotlib.image")


def pixels(png):
    """A PNG as colours 0..1, (height, width, 3)."""
    return matplotlib_image.imread(io.BytesIO(png), format="png")[..., :3]


def test_spans_are_as_long_as_they_say():
    """Bars begin where they should and have their lengths and colours; one of no length is not drawn, a tiny one is."""
    bars = [
        Span("a", 0.0, 25.0, "25"),
        Span("b", 25.0, 0.001, "0.001", "noisy"),
        Span("c", 0.0, 100.0, "100", "muted", gap=True),
    ]
    drawn = pixels(spans(bars, "milliseconds", LIGHT))
    assert drawn.shape[1] == WIDE * DOTS_PER_INCH
    counts = {
        name: np.all(np.abs(drawn - rgb(getattr(LIGHT, name))) < 0.003, axis=-1).sum(axis=1).max()
        for name in ("denoised", "noisy", "muted")
    }
    assert counts["denoised"] == pytest.approx(counts["muted"] / 4, rel=0.1)
    assert 0 < counts["noisy"] < counts["muted"] / 20
    none = pixels(spans([bars[0], Span("b", 1.0, 0.0, "", "noisy")], "milliseconds", LIGHT))
    assert not np.all(np.abs(none - rgb(LIGHT.noisy)) < 0.003, axis=-1).any()
