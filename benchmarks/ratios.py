"""rowfeed against the others, in one table: ratios of the medians of runs that took turns."""

from __future__ import annotations

from typing import Any

from page import ENGINES, NAMES, Page, groups, rates, source, summary

BY_HAND = ("connectorx", "adbc", "duckdb")
"""Those that are given rowfeed's own order: written by hand on the fastest drivers there are."""


def ratios(page: Page, content: dict[str, Any]) -> None:
    """Each table, and who comes nearest."""
    page.add("## rowfeed against the others")
    page.add(
        "Ratios of medians of the runs below. *By hand*: the faster of connectorx, ADBC and DuckDB's own Python API, "
        "each with numpy and rowfeed's own windows. *Other tools*: the fastest and the slowest of all the rest, where "
        "a part of the epoch counts by its rate. *CPU*: of the client, by hand = 1; SQLite and DuckDB run in it. "
        "*Engine alone*: its bare aggregate over the same rows = 1."
    )
    rows = []
    for engine, known in content["engines"].items():
        for case, table in known.get("tables", {}).items():
            found = _summaries(content, engine, case, table)
            if "rowfeed" in found:
                rows.append(_row(engine, case, table, found))
    page.table(("", "samples/s, by hand = 1", "CPU", "fastest other tool = 1", "slowest", "engine alone = 1"), rows)


def pinned(page: Page, content: dict[str, Any]) -> None:
    """The same with client and server on different cores."""
    page.add("## Client and server on different cores")
    page.add(
        "Servers run on one core and the client on the other, with both connections' threads; SQLite and DuckDB have "
        f"the client's core alone. {source({**content, **content['sessions'][-1]})}"
    )
    rows = []
    for engine, known in content["engines"].items():
        for case, table in known.get("tables", {}).items():
            found = _summaries(content, engine, case, table)
            best = _best(found)
            if "rowfeed" in found and best:
                own = found["rowfeed"]
                ratio, cpu = own["rate"] / best["rate"], own["client"] / best["client"]
                place = f"{ENGINES[engine]}, {case}"
                rows.append(
                    [place, rates(own["rates"]), _named(best), rates(best["rates"]), f"{ratio:.2f}", f"{cpu:.2f}"]
                )
    page.table(("", "rowfeed, samples/s", "by hand", "samples/s", "ratio", "CPU"), rows)


def _summaries(content: dict[str, Any], engine: str, case: str, table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A rival's medians by its name."""
    runs = [run for run in content["runs"] if run["case"] == case]
    return {s["rival"]: s for s in (summary(group, table) for group in groups(runs, engine))}


def _best(found: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The fastest by hand."""
    return max((found[name] for name in BY_HAND if name in found), key=lambda s: s["rate"], default=None)


def _row(engine: str, case: str, table: dict[str, Any], found: dict[str, dict[str, Any]]) -> list[str]:
    own, best = found["rowfeed"], _best(found)
    others = sorted((s for name, s in found.items() if name not in ("rowfeed", *BY_HAND)), key=lambda s: -s["rate"])
    alone = table["samples"] / sorted(table["aggregate_s"])[len(table["aggregate_s"]) // 2]
    return [
        f"{ENGINES[engine]}, {case}",
        f"{own['rate'] / best['rate']:.2f} ({_named(best)})" if best else "",
        f"{own['client'] / best['client']:.2f}" if best else "",
        f"{own['rate'] / others[0]['rate']:.1f} ({_named(others[0])})" if others else "",
        f"{own['rate'] / others[-1]['rate']:,.0f} ({_named(others[-1])})" if others else "",
        f"{own['rate'] / alone:.2f}",
    ]


def _named(summary: dict[str, Any]) -> str:
    return NAMES[summary["rival"]].strip("*").removesuffix(" + numpy")
