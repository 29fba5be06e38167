"""The pictures of the page. Each carries a mark of the data that it shows, which `report.py --check` looks for."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

OWN, OTHER = "#d1495b", "#8d99ae"


def rates(engines: dict[str, list[list[Any]]], path: Path, mark: str) -> None:
    """Samples per second of each rival, a panel for each engine.

    Args:
        engines: For each engine, the rivals, fastest first: name and rates.
        path: Where the picture goes.
        mark: What it carries.
    """
    plt = _pyplot()
    heights = [max(1, len(rivals)) for rivals in engines.values()]
    figure, axes = plt.subplots(
        len(engines), figsize=(8, 0.9 + 0.29 * sum(heights) + 0.45 * len(heights)), sharex=True, squeeze=False,
        height_ratios=heights, layout="constrained",
    )  # fmt: skip
    for axis, (engine, rivals) in zip(axes[:, 0], engines.items(), strict=True):
        middle = [statistics.median(found) for _, *found in rivals]
        spread = [
            [m - min(found) for m, (_, *found) in zip(middle, rivals, strict=True)],
            [max(found) - m for m, (_, *found) in zip(middle, rivals, strict=True)],
        ]
        for row, (name, *_) in enumerate(rivals):
            colour = OWN if name == "rowfeed" else OTHER
            low, high = spread[0][row], spread[1][row]
            axis.errorbar(middle[row], row, xerr=[[low], [high]], fmt="o", color=colour, markersize=6, capsize=3)
            axis.annotate(
                f"{middle[row]:,.0f}",
                (middle[row] + high, row),
                (8, 0),
                textcoords="offset points",
                fontsize=8,
                va="center",
            )
        axis.set_yticks(range(len(rivals)), [name for name, *_ in rivals])
        axis.set_ylim(len(rivals) - 0.5, -0.5)
        axis.set_xscale("log")
        axis.set_title(engine, loc="left", fontsize=10, fontweight="bold")
        axis.tick_params(axis="y", length=0, labelsize=9)
        axis.grid(axis="both", alpha=0.3)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.margins(x=0.12)
    least, most = axes[-1, 0].get_xlim()
    axes[-1, 0].set_xlim(least, most * 2)  # room for the numbers
    axes[-1, 0].set_xlabel("samples per second (logarithmic; median, least and most)")
    _save(plt, figure, path, mark)


def accuracies(orders: dict[str, list[float]], path: Path, mark: str) -> None:
    """One point for each seed, a row for each order."""
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(7, 2.2), layout="constrained")
    for row, (name, values) in enumerate(orders.items()):
        colour = OWN if name == "rowfeed" else OTHER
        axis.plot(values, [row] * len(values), "o", color=colour, alpha=0.7)
    axis.set_yticks(range(len(orders)), list(orders))
    axis.set_ylim(len(orders) - 0.5, -0.5)
    axis.set_xlim(0, 1)
    axis.set_xlabel("accuracy on other samples")
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right", "left"]].set_visible(False)
    _save(plt, figure, path, mark)


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def _save(plt: Any, figure: Any, path: Path, mark: str) -> None:
    figure.savefig(path, dpi=130, metadata={"Comment": mark, "Software": None})
    plt.close(figure)
