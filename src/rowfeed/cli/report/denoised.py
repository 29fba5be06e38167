"""The picture of samples, each noisy, denoised and original."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rowfeed.cli.report.arrangement import BETWEEN_BLOCKS, Arrangement, arrange
from rowfeed.cli.report.cells import cells
from rowfeed.cli.report.look import WIDE, Array, Theme, new_figure, png, style, text_width

NAMES = ("noisy", "denoised", "original")

LETTERS, SMALLEST_LETTERS = 12, 9
"""The usual and the smallest size of letters, in points."""


def denoised(examples: tuple[Array, Array, Array], captions: Sequence[str], theme: Theme, width: float = WIDE) -> bytes:
    """Samples, each noisy, denoised and original, as a PNG: as many as can be told apart, at least three.

    Args:
        examples: Noisy, denoised and original: (samples, height, width) or (samples, height, width, channels). Three
            channels are red, green and blue; any other number of them are planes, next to or below each other.
        captions: The text at each sample: before it, or above it if the text is long.
        theme: The colours.
        width: The width in inches.
    """
    with style():
        return png(_figure(examples, captions, theme, width))


def _figure(examples: tuple[Array, Array, Array], captions: Sequence[str], theme: Theme, width: float) -> Any:
    _, tall, wide, channels = (*examples[2].shape, 1)[:4]
    shape = (tall, wide, 1 if channels == 3 else channels)
    longest = max(text_width(caption, LETTERS) for caption in captions)
    name = max(text_width(name, LETTERS) for name in NAMES)
    places = arrange(width, len(captions), shape, longest, name)
    figure = new_figure(width, places.height, theme)
    axes = figure.add_axes((0, 0, 1, 1))  # in inches, from the upper left corner
    for sample in range(places.samples):
        for kind, arrays in enumerate(examples):
            left, upper = places.place(sample, kind)
            picture = cells(arrays[sample], examples[2], theme, places.planes if shape[2] > 1 else None)
            extent = (left, left + places.across, upper + places.down, upper)
            axes.imshow(picture, extent=extent, interpolation="nearest")
        _write_caption(axes, captions[sample], places, sample, theme)
    _write_names(axes, places, theme)
    axes.set(xlim=(0, width), ylim=(places.height, 0), aspect="auto")
    axes.set_axis_off()
    return figure


def _write_caption(axes: Any, caption: str, places: Arrangement, sample: int, theme: Theme) -> None:
    left, upper = places.place(sample, 0)
    style = {"color": theme.muted, "parse_math": False}
    if places.beside:
        middle = upper + places.down / 2
        axes.text(left - 0.1, middle, caption, ha="right", va="center", fontsize=LETTERS, **style)
        return
    room = places.pitch - BETWEEN_BLOCKS
    size = max(SMALLEST_LETTERS, min(LETTERS, LETTERS * room / max(room, text_width(caption, LETTERS))))
    axes.text(left, upper - 0.07, _abridged(caption, room, size), va="baseline", fontsize=size, **style)


def _write_names(axes: Any, places: Arrangement, theme: Theme) -> None:
    """Write each name above its column or before its row; in one line if columns are too narrow."""
    named = list(zip(NAMES, (theme.noisy, theme.denoised, theme.ink), strict=True))
    if places.stacked:
        for row in range(places.rows):
            for kind, (name, colour) in enumerate(named):
                left, upper = places.place(row, kind)
                middle = upper + places.down / 2
                axes.text(left - 0.1, middle, name, color=colour, fontsize=LETTERS, ha="right", va="center_baseline")
        return
    widest = max(text_width(name, LETTERS) for name in NAMES)
    size = min(LETTERS, LETTERS * (places.across + places.gap - 0.04) / widest)
    if size >= SMALLEST_LETTERS:
        for block in range(-(-places.samples // places.rows)):
            for kind, (name, colour) in enumerate(named):
                middle = places.place(block * places.rows, kind)[0] + places.across / 2
                axes.text(middle, places.top - 0.1 - _lift(places), name, color=colour, fontsize=size, ha="center")
        return
    left = places.place(0, 0)[0]
    for name, colour in [*named, ("from left to right", theme.muted)]:
        axes.text(left, places.top - 0.1 - _lift(places), name, color=colour, fontsize=LETTERS)
        left += text_width(name, LETTERS) + 0.14


def _lift(places: Arrangement) -> float:
    """The distance of names from the pictures: small, or a little above a caption."""
    return 0.0 if places.beside else 0.04


def _abridged(text: str, width: float, size: float) -> str:
    """The text, or its start and its end if the whole text does not fit."""
    short, kept = text, len(text)
    while kept > 2 and text_width(short, size) > 0.97 * width:  # letters are drawn on whole pixels
        kept -= 1
        short = f"{text[: -(-kept // 2)]}…{text[len(text) - kept // 2 :]}"
    return short
