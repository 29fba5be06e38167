"""The page, the names on it, and the parts that its sections share."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from records import Record, Records

ENGINES = {"mariadb": "MariaDB", "mysql": "MySQL", "postgresql": "PostgreSQL", "sqlite": "SQLite", "duckdb": "DuckDB"}

NAMES = {
    "rowfeed": "**rowfeed**",
    "connectorx": "connectorx + numpy",
    "adbc": "ADBC + numpy",
    "duckdb": "DuckDB + numpy",
    "pandas": "pandas `read_sql`",
    "ray": "Ray Data `read_sql`",
    "huggingface": "Hugging Face `from_sql`",
    "tensorflow": "tf.data `SqlDataset`",
    "scdataset": "scDataset + callback",
    "sqlgrain": "sql-grain",
    "torch": "torch, a query a sample",
    "blog": "a query a batch, Python loop",
}

PRODUCTS = {
    "pandas": "pandas",
    "ray": "Ray Data",
    "huggingface": "Hugging Face",
    "tensorflow": "tf.data",
    "scdataset": "scDataset",
    "torch": "a query a sample",
    "blog": "a query a batch",
}
"""Shorter names."""


class Page:
    """Markdown, built up; and the pictures that it shows."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.commands: list[str] = []
        self.pictures: dict[str, tuple[Callable[..., None], Any]] = {}

    def text(self) -> str:
        """The whole page."""
        return "\n".join(self.parts).rstrip() + "\n"

    def add(self, *lines: str) -> None:
        """Lines, and an empty one."""
        self.parts += [*lines, ""]

    def source(self, records: Records, runs: Iterable[Record]) -> str:
        """A reference to the sessions of these runs; their commands are listed under the heading that came last."""
        used = [records.sessions[number] for number in sorted({run["session"] for run in runs})]
        heading = next(line for line in reversed(self.parts) if line.startswith("#")).lstrip("# ")
        self.commands += [f"- {heading}: commit {s['commit']}, {s['date']}: `{s['command']}`" for s in used]
        return f"(Commit {', '.join(dict.fromkeys(s['commit'] for s in used))}.)"

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table whose columns after the first are numbers, to the right."""
        rule = ["---", *("---:" for _ in head[1:])]
        self.add(*(f"| {' | '.join(row)} |" for row in (head, rule, *rows)))

    def picture(self, name: str, alternative: str, draw: Callable[..., None], data: Any) -> None:
        """A picture that `draw(data, path, mark)` makes."""
        self.pictures[name] = (draw, data)
        self.add(f"![{alternative}]({name})")


def by(lines: Iterable[Record], name: str, order: Iterable[str] = ()) -> dict[Any, list[Record]]:
    """Lines in groups of one value each; groups in the given order, else as they come."""
    groups: dict[Any, list[Record]] = {value: [] for value in order}
    for line in lines:
        groups.setdefault(line[name], []).append(line)
    return {value: group for value, group in groups.items() if group}


def median(runs: Iterable[Record], name: str) -> float:
    """Of one figure of the runs."""
    return statistics.median(run[name] for run in runs)


def spread(ratios: Sequence[float]) -> str:
    """Median, range and number of ratios or seconds."""
    middle = statistics.median(ratios)
    return f"{middle:.2f} ({min(ratios):.2f} … {max(ratios):.2f}; n={len(ratios)})"


def rates(rates: Sequence[float]) -> str:
    """Median, range and number of rates."""
    return f"{short(statistics.median(rates))} ({short(min(rates))} … {short(max(rates))}; n={len(rates)})"


def short(number: float) -> str:
    """Three digits that count."""
    return f"{float(f'{number:.3g}'):,.0f}" if number >= 100 else f"{number:.3g}"
