"""The pictures of the page, in the look of the report.

Each carries a mark of the data that it shows, which `report.py --check` looks for.
"""

from __future__ import annotations

import logging
import statistics
from pathlib import Path
from typing import Any

from page import short

from rowfeed.cli.report.look import DOTS_PER_INCH, FONTS, LIGHT, WIDE

OWN = "rowfeed"

ROW, TOP, GAP = 0.215, 0.68, 0.46
"""Inches: a row, the space above the first panel, and the space between panels one above the other."""

NAMES, NUMBERS = 1.45, 0.82
"""Inches before a panel, for names, and in it behind the longest bar."""

SIZE = 9
"""Of letters, in points."""

CAPTION = "samples per second, each database on its own scale: median, and a line from least to most"

VISIBLE, HAIR = 0.04, 0.01
"""Inches: a shorter line is left out, and the shortest bar."""


def rates(engines: dict[str, list[list[Any]]], path: Path, mark: str) -> None:
    """Samples per second of each rival, a panel for each engine.

    Args:
        engines: For each engine, the rivals, fastest first: name and rates.
        path: Of the picture.
        mark: That it carries.
    """
    panels = list(engines.items())
    pairs = [panels[i : i + 2] for i in range(0, len(panels), 2)]
    rows = [max(len(rivals) for _, rivals in pair) for pair in pairs]
    height = TOP + ROW * sum(rows) + GAP * (len(pairs) - 1) + 0.08
    with _style():
        figure = _figure(WIDE, height)
        figure.text(0.1 / WIDE, 1 - 0.24 / height, CAPTION, color=LIGHT.muted, fontsize=SIZE)
        top = TOP
        for pair, count in zip(pairs, rows, strict=True):
            for column, (engine, rivals) in enumerate(pair):
                left = column * WIDE / 2 + NAMES
                down = ROW * len(rivals)
                place = (left / WIDE, 1 - (top + down) / height, (WIDE / 2 - NAMES - 0.05) / WIDE, down / height)
                _bars(figure.add_axes(place), engine, rivals)
            top += ROW * count + GAP
        _save(figure, path, mark)


def _bars(axes: Any, engine: str, rivals: list[list[Any]]) -> None:
    wide = WIDE / 2 - NAMES - 0.05
    longest = max(max(found) for _, *found in rivals)
    per_inch = longest / (wide - NUMBERS)
    for row, (name, *found) in enumerate(rivals):
        own, middle = name == OWN, statistics.median(found)
        colour, weight = (LIGHT.denoised, "bold") if own else (LIGHT.muted, "normal")
        axes.barh(row, max(middle, HAIR * per_inch), height=0.66, color=colour, alpha=1 if own else 0.35, linewidth=0)
        if max(found) - min(found) > VISIBLE * per_inch:
            axes.plot([min(found), max(found)], [row, row], color=LIGHT.ink, linewidth=1, solid_capstyle="butt")
        text = {"color": colour if own else LIGHT.ink, "fontsize": SIZE, "fontweight": weight, "va": "center"}
        axes.text(-0.08 * per_inch, row, name, ha="right", **text)
        axes.text(max(found) + 0.06 * per_inch, row, short(middle), **text)
    axes.text(0, -0.75, engine, color=LIGHT.ink, fontsize=SIZE + 2, fontweight="bold", va="bottom")
    axes.set(xlim=(0, wide * per_inch), ylim=(len(rivals) - 0.5, -0.5))
    axes.set_axis_off()


def accuracies(orders: dict[str, list[float]], path: Path, mark: str) -> None:
    """One point for each seed, a row for each order."""
    names, right, row = 2.2, 0.8, 0.34
    height = 0.45 + row * len(orders) + 0.4
    with _style():
        figure = _figure(WIDE, height)
        figure.text(
            0.1 / WIDE,
            1 - 0.24 / height,
            "accuracy on other samples: a point for each seed, and their mean",
            color=LIGHT.muted,
            fontsize=SIZE,
        )
        place = (names / WIDE, 0.4 / height, (WIDE - names - right) / WIDE, row * len(orders) / height)
        axes = figure.add_axes(place)
        for index, (name, values) in enumerate(orders.items()):
            own = name == OWN
            colour, weight = (LIGHT.denoised, "bold") if own else (LIGHT.muted, "normal")
            axes.plot(values, [index] * len(values), "o", color=colour, alpha=0.6, markersize=7, markeredgewidth=0)
            text = {"color": colour if own else LIGHT.ink, "fontsize": SIZE, "fontweight": weight, "va": "center"}
            axes.text(-0.02, index, name, ha="right", **text)
            axes.text(1.04, index, f"{statistics.mean(values):.3f}", **text)
        axes.set(xlim=(0, 1), ylim=(len(orders) - 0.5, -0.5))
        axes.set_yticks([])
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
        axes.grid(axis="x", color=LIGHT.line, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=LIGHT.muted, labelsize=SIZE, length=0, pad=6)
        axes.spines[:].set_visible(False)
        _save(figure, path, mark)


def _style() -> Any:
    """A context with the report's font."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it speaks of fonts that are not installed
    import matplotlib

    return matplotlib.rc_context({"font.family": "sans-serif", "font.sans-serif": FONTS})


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure((width, height), facecolor=LIGHT.card)


def _save(figure: Any, path: Path, mark: str) -> None:
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Comment": mark, "Software": None})
