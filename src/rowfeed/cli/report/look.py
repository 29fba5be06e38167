"""The look of every picture: colours for light and dark, letters, axes, and the PNG."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

DOTS_PER_INCH = 200

FONTS = ("Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
"""The fonts: the first that is installed is used. The last comes with matplotlib."""

WIDE, NARROW = 7.2, 5.0
"""The widths in inches for a page and for a phone, where the same letters are larger relative to the rest."""


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


def rgb(colour: str) -> Array:
    """A colour of a theme as three numbers from 0 to 1."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def style() -> AbstractContextManager[Any]:
    """A context with our font, for all drawing and measuring; matplotlib's own settings stay unchanged."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs about its font cache
    import matplotlib

    context: AbstractContextManager[Any] = matplotlib.rc_context(
        {"font.family": "sans-serif", "font.sans-serif": FONTS}
    )
    return context


def new_figure(width: float, height: float, theme: Theme) -> Any:
    """An empty matplotlib figure with a size in inches; without pyplot, which would keep it."""
    from matplotlib.figure import Figure

    return Figure((width, height), facecolor=theme.card)


def plain_axes(axes: Any, theme: Theme, grid: str, size: float = 12) -> None:
    """Give axes lines in one direction, numbers without ticks, and no frame.

    Args:
        axes: The matplotlib axes.
        theme: The colours.
        grid: `x` or `y`: the axis that has lines at its numbers.
        size: The size of the numbers, in points.
    """
    axes.set_facecolor("none")
    axes.grid(axis=grid, color=theme.line, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=theme.muted, labelsize=size, length=0, pad=6)
    axes.spines[:].set_visible(False)


def text_width(text: str, size: float) -> float:
    """The width of a line of text in inches, for a size in points, inside `style()`."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0]) / 72


def png(figure: Any, metadata: Mapping[str, str] | None = None) -> bytes:
    """The figure as a file. It has no date and no version: the same picture gives the same file.

    Args:
        figure: The matplotlib figure.
        metadata: Texts in the file, by name: `{"Comment": …}`.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None, **(metadata or {})})
    return buffer.getvalue()
