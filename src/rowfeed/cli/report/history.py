"""The picture of a training: its losses by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rowfeed.cli.report.look import WIDE, Array, Theme, new_figure, plain_axes, png, style


def history(
    losses: Mapping[str, Sequence[float]], errors: Mapping[str, float], theme: Theme, width: float = WIDE
) -> bytes:
    """Losses by epoch, beside errors that do not depend on the epoch, as a PNG.

    Args:
        losses: `loss` and `val_loss`, each with one number per epoch.
        errors: `noisy` and `pca`.
        theme: The colours.
        width: The width in inches.
    """
    with style():
        return png(_figure(losses, errors, theme, width))


def _figure(losses: Mapping[str, Sequence[float]], errors: Mapping[str, float], theme: Theme, width: float) -> Any:
    from matplotlib import ticker

    dashed = [("noisy input", errors["noisy"], theme.noisy), ("PCA", errors["pca"], theme.pca)]
    lines = [
        ("training", losses["loss"], theme.muted, 1.6),
        ("validation", losses["val_loss"], theme.denoised, 2.6),
    ]
    height, left, right = 3.5, 0.5, 1.1
    figure = new_figure(width, height, theme)
    axes = figure.add_axes((left / width, 0.15, (width - left - right) / width, 0.74))
    epochs = len(losses["loss"])
    drawn = [value for _, value, _ in dashed] + [value for _, values, *_ in lines for value in values]
    drawn = [value for value in drawn if np.isfinite(value)]
    if min(drawn, default=0) > 0 and max(drawn) > 6 * min(drawn):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        axes.set_ylim(min(drawn) / 1.25, max(drawn) * 1.25)
    else:
        axes.set_ylim(0, 1.1 * max(drawn, default=1) or 1)
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: f"{y:g}"))
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, steps=(1, 2, 5, 10), min_n_ticks=1))
    axes.set_xlim(1 if epochs > 1 else 0.5, max(epochs, 1.5))
    plain_axes(axes, theme, "y")
    axes.spines["bottom"].set_visible(True)
    axes.spines["bottom"].set_color(theme.line)
    for _, value, colour in dashed:
        axes.axhline(value, color=colour, linewidth=1.4, linestyle=(0, (4, 3)))
    for _, values, colour, thickness in lines:
        axes.plot(range(1, epochs + 1), values, color=colour, linewidth=thickness, marker="o" if epochs == 1 else "")
    labels = [*dashed, *((label, values[-1], colour) for label, values, colour, _ in lines)]
    heights = axes.transData.transform([(1, value) for _, value, _ in labels])[:, 1]
    heights = axes.transAxes.inverted().transform([(0, h) for h in heights])[:, 1]
    for (label, _, colour), y in zip(labels, apart(heights, 0.085), strict=True):
        axes.text(1.0, y, f"  {label}", color=colour, va="center", fontsize=12, transform=axes.transAxes)
    axes.set_xlabel("epoch", color=theme.muted, fontsize=12)
    figure.text(0.005, 0.94, "mean squared error", color=theme.muted, fontsize=12)
    return figure


def apart(heights: Array, least: float) -> Array:
    """The same heights in the same order, moved as little as possible to be `least` apart."""
    order = np.argsort(heights, kind="stable")
    moved = heights[order].astype(float)
    for _ in range(100):
        for lower in range(len(moved) - 1):
            lack = least - (moved[lower + 1] - moved[lower])
            if lack > 1e-9:
                moved[lower] -= lack / 2
                moved[lower + 1] += lack / 2
    result = np.empty_like(moved)
    result[order] = moved
    return result
