"""What the sections of the page share: the page, names, and how runs are summed up."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ENGINES = {"mariadb": "MariaDB", "postgresql": "PostgreSQL", "sqlite": "SQLite", "duckdb": "DuckDB"}

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


class Page:
    """Markdown, built up; and the pictures that it shows."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.parts: list[str] = []
        self.pictures: dict[str, tuple[Callable[..., None], Any]] = {}

    def text(self) -> str:
        """The whole page."""
        return "\n".join(self.parts).rstrip() + "\n"

    def add(self, *lines: str) -> None:
        """Lines, and an empty one."""
        self.parts += [*lines, ""]

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table whose columns after the first are numbers, to the right."""
        rule = ["---", *("---:" for _ in head[1:])]
        self.add(*(f"| {' | '.join(row)} |" for row in (head, rule, *rows)))

    def picture(self, name: str, alternative: str, draw: Callable[..., None], data: Any) -> None:
        """A picture that `draw(data, path, mark)` makes."""
        self.pictures[name] = (draw, data)
        self.add(f"![{alternative}]({name})")


def groups(runs: list[dict[str, Any]], engine: str) -> list[list[dict[str, Any]]]:
    """The good runs of each rival on an engine."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        if run["engine"] == engine and run["ok"]:
            groups.setdefault(run["rival"], []).append(run)
    return list(groups.values())


def summary(runs: list[dict[str, Any]], table: dict[str, Any]) -> dict[str, Any]:
    """Medians of a rival's runs on one table."""
    rates = [run["samples"] / run["seconds"] for run in runs]
    millions = [run["samples"] * table["rows"] / table["samples"] / 1e6 for run in runs]
    servers = [run["server_cpu_s"] / m for run, m in zip(runs, millions, strict=True) if "server_cpu_s" in run]
    verified = next((run for run in runs if "verified" in run), {})
    return {
        "rival": runs[0]["rival"],
        "rate": statistics.median(rates),
        "rates": rates,
        "part": statistics.median(run["samples"] for run in runs) / table["samples"],
        "first": statistics.median(run["first_batch_s"] for run in runs),
        "client": statistics.median(run["client_cpu_s"] / m for run, m in zip(runs, millions, strict=True)),
        "server": statistics.median(servers) if servers else None,
        "peak": statistics.median(run["peak_bytes"] for run in runs) / 2**20,
        "verified": {None: "no"}.get(
            verified.get("verified"), "yes" if verified.get("digest_samples") == table["samples"] else "small"
        ),
        "order": runs[0]["order"],
    }


def rates(rates: Sequence[float]) -> str:
    """Median, range and number."""
    return f"{short(statistics.median(rates))} ({short(min(rates))} … {short(max(rates))}; n={len(rates)})"


def short(number: float) -> str:
    """Three digits that count."""
    return f"{float(f'{number:.3g}'):,.0f}" if number >= 100 else f"{number:.3g}"


def source(content: dict[str, Any]) -> str:
    """Where results come from."""
    return f"(Size {content['size']}, commit {content['commit']}, {content['date']}: `{content['command']}`.)"
