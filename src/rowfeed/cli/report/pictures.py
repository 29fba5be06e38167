"""The pictures of a training, as PNG: its losses, and samples noisy, denoised and original. In light and in dark."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BLOCKS = 2
"""Samples that stand next to each other in a row of `denoised`, each as three pictures."""

DOTS_PER_INCH = 200

FONTS = ("Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
"""The first that is installed. The last comes with matplotlib."""

WIDE, NARROW = 7.2, 5.0
"""Inches: for a page, and for a phone, where the same letters are larger beside the rest."""

LONGEST_CAPTION = 10
"""Letters; the rest of a longer one is left out."""


@dataclass(frozen=True)
class Theme:
    """The colours of pictures and report."""

    page: str
    card: str
    ink: str
    muted: str
    line: str
    empty: str
    """The background of a picture's cells."""
    noisy: str
    pca: str
    denoised: str


LIGHT = Theme("#f7f5f0", "#ffffff", "#1d1c1a", "#6d685f", "#e4dfd5", "#f3f0e9", "#c4552b", "#a8822e", "#0a766c")
DARK = Theme("#121416", "#1a1d20", "#ece8e0", "#9d978c", "#30343a", "#24282c", "#f08d62", "#d8b45c", "#4fd0bf")


def history(
    losses: Mapping[str, Sequence[float]], errors: Mapping[str, float], theme: Theme, width: float = WIDE
) -> bytes:
    """Losses by epoch, beside errors that do not depend on it.

    Args:
        losses: `loss` and `val_loss`, a number an epoch each.
        errors: `noisy` and `pca`.
        theme: The colours.
        width: Inches.
    """
    with _style():
        return _png(_history(losses, errors, theme, width))


def _history(losses: Mapping[str, Sequence[float]], errors: Mapping[str, float], theme: Theme, width: float) -> Any:
    lines = [
        ("noisy input", [errors["noisy"]], theme.noisy),
        ("PCA", [errors["pca"]], theme.pca),
        ("training", losses["loss"], theme.muted),
        ("validation", losses["val_loss"], theme.denoised),
    ]
    height, left, right = 3.5, 0.42, 1.1
    figure = _figure(width, height, theme)
    axes = figure.add_axes((left / width, 0.15, (width - left - right) / width, 0.74))
    epochs = len(losses["loss"])
    drawn = [value for _, values, _ in lines for value in values if np.isfinite(value)]
    if min(drawn, default=0) > 0 and max(drawn) > 6 * min(drawn):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(_ticks().LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(_ticks().NullLocator())
        axes.set_ylim(min(drawn) / 1.25, max(drawn) * 1.25)
    else:
        axes.set_ylim(0, 1.1 * max(drawn, default=1) or 1)
    axes.yaxis.set_major_formatter(_ticks().FuncFormatter(lambda y, _: f"{y:g}"))
    axes.xaxis.set_major_locator(_ticks().MaxNLocator(integer=True, steps=(1, 2, 5, 10), min_n_ticks=1))
    axes.set_xlim(1 if epochs > 1 else 0.5, max(epochs, 1.5))
    for _, values, colour in lines:
        if len(values) == 1 < epochs or colour in (theme.noisy, theme.pca):
            axes.axhline(values[0], color=colour, linewidth=1.4, linestyle=(0, (4, 3)))
        else:
            width = 2.6 if colour == theme.denoised else 1.6
            marker = "o" if epochs == 1 else ""
            axes.plot(range(1, epochs + 1), values, color=colour, linewidth=width, marker=marker)
    heights = axes.transData.transform([(1, values[-1]) for _, values, _ in lines])[:, 1]
    heights = axes.transAxes.inverted().transform([(0, h) for h in heights])[:, 1]
    for (label, _, colour), height in zip(lines, _apart(heights, 0.085), strict=True):
        axes.text(1.0, height, f"  {label}", color=colour, va="center", fontsize=12, transform=axes.transAxes)
    axes.set_xlabel("epoch", color=theme.muted, fontsize=12)
    figure.text(0.005, 0.94, "mean squared error", color=theme.muted, fontsize=12)
    axes.grid(axis="y", color=theme.line, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.muted, labelsize=12, length=0, pad=6)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.line)
    return figure


def denoised(examples: tuple[Array, Array, Array], captions: Sequence[str], theme: Theme, width: float = WIDE) -> bytes:
    """Rows of samples, each noisy, denoised and original side by side.

    Args:
        examples: Noisy, denoised and original: (samples, height, width) or (samples, height, width, channels). Three
            channels are red, green and blue; any other number of them stand next to each other.
        captions: What is written beside each sample.
        theme: The colours.
        width: Inches, at most.
    """
    with _style():
        return _png(_denoised(examples, captions, theme, width))


def _denoised(examples: tuple[Array, Array, Array], captions: Sequence[str], theme: Theme, width: float) -> Any:
    kinds, colours = ("noisy", "denoised", "original"), (theme.noisy, theme.denoised, theme.ink)
    pictures = [[_picture(sample, examples[2], theme) for sample in kind] for kind in examples]
    short = [c if len(c) <= LONGEST_CAPTION else f"{c[: LONGEST_CAPTION - 1]}…" for c in captions]
    samples, sides = len(short), pictures[0][0].shape
    blocks = min(BLOCKS, samples)
    rows = -(-samples // blocks)
    top, gap, beside = 0.36, 0.08, 0.13 + 0.1 * max(len(caption) for caption in short)
    across = (width - BLOCKS * (beside + 3 * gap + 0.1) + gap + 0.1) / (3 * BLOCKS)
    across = min(across, 2.2 * sides[1] / sides[0])
    down = max(0.2, across * sides[0] / sides[1])
    total = top + rows * (down + gap)
    figure = _figure(width, total, theme)
    axes = figure.add_axes((0, 0, 1, 1))  # in inches
    for sample in range(samples):
        block, row = divmod(sample, rows)
        left = beside + block * (beside + 3 * (across + gap) + 0.1)
        bottom = total - top - row * (down + gap) - down
        for kind, x in enumerate(left + k * (across + gap) for k in range(3)):
            axes.imshow(pictures[kind][sample], extent=(x, x + across, bottom, bottom + down), interpolation="nearest")
            if row == 0:
                place = x + across / 2, bottom + down + 0.1
                axes.text(*place, kinds[kind], color=colours[kind], fontsize=12, ha="center")
        axes.text(left - 0.1, bottom + down / 2, short[sample], color=theme.muted, fontsize=12, ha="right", va="center")
    axes.set(xlim=(0, width), ylim=(0, total), aspect="auto")
    axes.set_axis_off()
    return figure


@dataclass(frozen=True)
class Span:
    """A bar of `spans`.

    Args:
        name: What stands before it.
        start: Where it begins.
        length: Its length.
        text: What stands behind it.
        colour: One of the theme's: `muted`, `denoised`, `noisy`.
        gap: Whether there is room above it, where another group begins.
    """

    name: str
    start: float
    length: float
    text: str
    colour: str = "denoised"
    gap: bool = False


def spans(bars: Sequence[Span], title: str, theme: Theme, width: float = WIDE) -> bytes:
    """Bars below each other, on one axis from 0 up.

    Args:
        bars: From top to bottom.
        title: What the axis counts.
        theme: The colours.
        width: Inches.
    """
    with _style():
        return _png(_spans(bars, title, theme, width))


def _spans(bars: Sequence[Span], title: str, theme: Theme, width: float) -> Any:
    step, gap, top, bottom = 0.3, 0.16, 0.42, 0.36
    heights = np.cumsum([step + gap * bar.gap for bar in bars])
    total = top + float(heights[-1]) + bottom
    left = 0.2 + 0.095 * max(len(bar.name) for bar in bars)
    right = 0.25 + 0.085 * max(len(bar.text) for bar in bars)
    figure = _figure(width, total, theme)
    axes = figure.add_axes((left / width, bottom / total, (width - left - right) / width, 1 - (top + bottom) / total))
    longest = max(bar.start + bar.length for bar in bars) or 1.0
    for bar, height in zip(bars, heights, strict=True):
        y = float(heights[-1] - height) + step / 2
        colour = getattr(theme, bar.colour)
        least = longest / 300  # a hair, where there would be nothing to see
        axes.barh(
            y,
            max(bar.length, least) if bar.length else 0,
            height=0.62 * step,
            left=bar.start,
            color=colour,
            linewidth=0,
        )
        axes.text(
            -0.12 / (width - left - right),
            y,
            bar.name,
            color=theme.ink,
            fontsize=12,
            ha="right",
            va="center",
            transform=axes.get_yaxis_transform(),
        )
        axes.text(
            1 + 0.12 / (width - left - right),
            y,
            bar.text,
            color=colour,
            fontsize=11,
            ha="left",
            va="center",
            transform=axes.get_yaxis_transform(),
        )
    axes.set(xlim=(0, longest), ylim=(0, float(heights[-1])))
    axes.set_yticks([])
    axes.xaxis.set_major_locator(_ticks().MaxNLocator(5, steps=(1, 2, 5, 10)))
    axes.xaxis.set_major_formatter(_ticks().FuncFormatter(lambda x, _: f"{x:g}"))
    figure.text(0.1 / width, 1 - 0.27 / total, title, color=theme.muted, fontsize=12)
    axes.grid(axis="x", color=theme.line, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.muted, labelsize=11, length=0, pad=6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _picture(sample: Array, original: Array, theme: Theme) -> Array:
    """One sample as colours: (height, width, 3), in the range of the original samples."""
    channels = sample.shape[2] if sample.ndim == 3 else 1
    low, high = float(min(original.min(), 0)), float(max(original.max(), 0))
    if channels == 3:
        low = float(original.min())
        return np.clip((sample - low) / ((high - low) or 1), 0, 1)
    planes = np.moveaxis(sample, 2, 0) if sample.ndim == 3 else sample[None]
    coloured = [_colours(plane, low, high, theme) for plane in planes]
    gap = np.broadcast_to(_rgb(theme.card), (sample.shape[0], 1, 3))
    return np.concatenate([part for plane in coloured for part in (plane, gap)][:-1], axis=1)


def _colours(plane: Array, low: float, high: float, theme: Theme) -> Array:
    """0 has the colour of an empty cell; the largest value is ink, or of two signs each has a colour."""
    reach = max(-low, high) or 1.0
    strength = np.clip(np.abs(plane) / reach, 0, 1)[..., None]
    two_signs = low < 0 < high
    above, below = (theme.denoised, theme.noisy) if two_signs else (theme.ink, theme.ink)
    if not two_signs:
        right_sign = plane > 0 if high > 0 else plane < 0
        strength = strength * right_sign[..., None]
    strong = np.where((plane > 0)[..., None], _rgb(above), _rgb(below))
    return np.asarray(_rgb(theme.empty) * (1 - strength) + strong * strength)


def _rgb(colour: str) -> Array:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def _apart(heights: Array, least: float) -> Array:
    """The same heights in the same order, moved as little as it takes to be `least` apart."""
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


def _style() -> Any:
    """A context with our font; matplotlib's own settings stay as they are."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it speaks of its font cache
    import matplotlib

    return matplotlib.rc_context({"font.family": "sans-serif", "font.sans-serif": FONTS})


def _figure(width: float, height: float, theme: Theme) -> Any:
    from matplotlib.figure import Figure

    return Figure((width, height), facecolor=theme.card)


def _ticks() -> Any:
    from matplotlib import ticker

    return ticker


def _png(figure: Any) -> bytes:
    """No date and no version in it: the same picture is the same file."""
    buffer = io.BytesIO()
    for axes in figure.axes:
        axes.set_facecolor("none")
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()
