"""The picture of bars below each other: lengths and beginnings of stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rowfeed.cli.report.look import WIDE, Theme, new_figure, plain_axes, png, style


@dataclass(frozen=True)
class Span:
    """A bar of `spans`.

    Args:
        name: The text before it.
        start: Its beginning.
        length: Its length.
        text: The text behind it.
        colour: A colour of the theme: `muted`, `denoised`, `noisy`.
        gap: Whether there is a space above it, because another group begins.
    """

    name: str
    start: float
    length: float
    text: str
    colour: str = "denoised"
    gap: bool = False


def spans(bars: Sequence[Span], title: str, theme: Theme, width: float = WIDE) -> bytes:
    """Bars below each other, on one axis from 0 up, as a PNG.

    Args:
        bars: The bars from top to bottom.
        title: The quantity on the axis.
        theme: The colours.
        width: The width in inches.
    """
    with style():
        return png(_figure(bars, title, theme, width))


def _figure(bars: Sequence[Span], title: str, theme: Theme, width: float) -> Any:
    from matplotlib import ticker

    step, gap, top, bottom = 0.3, 0.16, 0.42, 0.36
    heights = np.cumsum([step + gap * bar.gap for bar in bars])
    total = top + float(heights[-1]) + bottom
    left = 0.2 + 0.095 * max(len(bar.name) for bar in bars)
    right = 0.25 + 0.085 * max(len(bar.text) for bar in bars)
    across = width - left - right
    figure = new_figure(width, total, theme)
    axes = figure.add_axes((left / width, bottom / total, across / width, 1 - (top + bottom) / total))
    longest = max(bar.start + bar.length for bar in bars) or 1.0
    least = longest / 300  # a hairline, if there would be nothing to see
    beside = {"va": "center", "transform": axes.get_yaxis_transform()}
    for bar, height in zip(bars, heights, strict=True):
        y, colour = float(heights[-1] - height) + step / 2, getattr(theme, bar.colour)
        length = max(bar.length, least) if bar.length else 0
        axes.barh(y, length, height=0.62 * step, left=bar.start, color=colour, linewidth=0)
        axes.text(-0.12 / across, y, bar.name, color=theme.ink, fontsize=12, ha="right", **beside)
        axes.text(1 + 0.12 / across, y, bar.text, color=colour, fontsize=11, ha="left", **beside)
    axes.set(xlim=(0, longest), ylim=(0, float(heights[-1])))
    axes.set_yticks([])
    axes.xaxis.set_major_locator(ticker.MaxNLocator(5, steps=(1, 2, 5, 10)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:g}"))
    figure.text(0.1 / width, 1 - 0.27 / total, title, color=theme.muted, fontsize=12)
    plain_axes(axes, theme, "x", 11)
    return figure
