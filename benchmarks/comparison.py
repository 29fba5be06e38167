"""The sections of the page about epochs: rowfeed against the others, and every way to an epoch."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import plots
from page import ENGINES, NAMES, Page, by, median, rates, source
from records import Record, Records

BY_HAND = ("connectorx", "adbc", "duckdb")
"""Those that are given rowfeed's own order: written by hand on the fastest drivers there are."""

CASES = {
    "users4": "4×4 cells, about 5 of them with a row, integers from −7 to 17; batches of 20",
    "cells28": "28×28 cells, 50 of them with a row, integers from 1 to 255; batches of 64",
    "wide128": "128×128 cells, 1,000 of them with a row, eighths from −124.875 to 124.875; batches of 32",
    "columns20": "20 float32 columns and a label; batches of 256",
}

NOTES = """\
- **samples/s**: an epoch from before the connection to the last batch, in a new process on a warm server; the import
  is not counted, what it imports later is. Median, with the least and the most of n runs. Rivals take turns: A B C A
  B C.
- **part**: runs that did not finish within {limit_s:g} seconds from their first batch on end with the share of the
  epoch that they got through; the rate is that of this part, start included. rowfeed, connectorx, ADBC and DuckDB +
  numpy always finish.
- **n**: {repeats} runs of these four; of others 2 where a run takes more than 6 seconds with all around it, one above
  15, and {slow_repeats} where it does not finish.
- **first batch**: seconds from before the connection to the first batch.
- **client, server**: CPU seconds per million table rows; SQLite and DuckDB run in the client.
- **memory**: peak resident memory of the client, of all its processes together.
- **verified**: another epoch of the same code has the digest of the samples that were written to the table: every
  sample once, every value right. *small* where that was checked on a table of 1/1000 of the samples, since the
  epoch takes too long.
- **order**: what a batch is drawn from. *blocks* is rowfeed's own order: connectorx, ADBC, DuckDB and scDataset are
  given windows and blocks of the same size, and all but scDataset the same sample ids in each window, read one window
  ahead as rowfeed does.
- **engine alone**: `SELECT sample, COUNT(*), SUM(value) … GROUP BY sample` over all rows, one connection: it sends
  nothing. **numpy alone**: decoding packed rows in memory, scattering them into windows and cutting these into batches:
  no database is read.
- Tools that go by rows (Ray, Hugging Face, tf.data) are given one row for each sample, its cells joined to a text by
  the server; they have no other way to sparse samples. MariaDB's FLOAT columns are cast to DOUBLE for drivers that
  read text, which the server would print with 6 digits.
- Ray's processes are started before the clock. The query a batch with a Python loop is what a blog post's generator
  does, on {mysql_driver} for MariaDB.
"""


@dataclass(frozen=True)
class Rival:
    """The runs of a rival on one table.

    Args:
        name: Its file.
        runs: Those that succeeded.
        table: The table's line.
    """

    name: str
    runs: list[Record]
    table: Record

    @property
    def rates(self) -> list[float]:
        """Samples a second."""
        return [run["samples"] / run["seconds"] for run in self.runs]

    @property
    def rate(self) -> float:
        """Their median."""
        return statistics.median(self.rates)

    @property
    def part(self) -> float:
        """The share of the epoch that was read."""
        return median(self.runs, "samples") / self.table["samples"]

    def cpu(self, of: str) -> float | None:
        """CPU seconds per million rows, of `client` or `server`; None if there is none."""
        rows = self.table["rows"] / self.table["samples"] / 1e6
        found = [run[f"{of}_cpu_s"] / (run["samples"] * rows) for run in self.runs if f"{of}_cpu_s" in run]
        return statistics.median(found) if found else None

    @property
    def verified(self) -> str:
        """Whether the digest was right, and of which table."""
        run = next((run for run in self.runs if "verified" in run), None)
        if run is None:
            return "no"
        return "yes" if run["digest_samples"] == self.table["samples"] else "small"

    @property
    def label(self) -> str:
        """Its name, short."""
        return NAMES[self.name].strip("*").removesuffix(" + numpy")


@dataclass(frozen=True)
class Place:
    """An engine and a table, with the rivals that succeeded there, fastest first."""

    engine: str
    case: str
    table: Record
    rivals: dict[str, Rival]

    @property
    def name(self) -> str:
        """Of engine and table."""
        return f"{ENGINES[self.engine]}, {self.case}"

    @property
    def by_hand(self) -> Rival | None:
        """The fastest by hand."""
        return next((rival for name, rival in self.rivals.items() if name in BY_HAND), None)

    @property
    def others(self) -> list[Rival]:
        """The rest, fastest first."""
        return [rival for name, rival in self.rivals.items() if name not in ("rowfeed", *BY_HAND)]

    def against(self, rival: Rival | None, digits: int = 2) -> str:
        """Rowfeed's rate as a multiple of a rival's, and the rival."""
        return f"{self.rivals['rowfeed'].rate / rival.rate:,.{digits}f} ({rival.label})" if rival else ""

    def cpu(self) -> str:
        """Rowfeed's CPU time as a multiple of that of the fastest by hand."""
        best = self.by_hand
        return f"{self.rivals['rowfeed'].cpu('client') / best.cpu('client'):.2f}" if best else ""


def places(records: Records) -> list[Place]:
    """All engines and tables in order."""
    runs = [run for run in records.last("run", "engine", "case", "rival", "repeat") if run["ok"]]
    tables = {(table["engine"], table["case"]): table for table in records.last("table", "engine", "case")}
    found = []
    for engine in ENGINES:
        for case in CASES:
            table = tables.get((engine, case))
            if table:
                here = [run for run in runs if (run["engine"], run["case"]) == (engine, case)]
                rivals = [Rival(name, group, table) for name, group in by(here, "rival").items()]
                rivals.sort(key=lambda rival: -rival.rate)
                found.append(Place(engine, case, table, {rival.name: rival for rival in rivals}))
    return found


def section(page: Page, records: Records) -> None:
    """One epoch, every rival."""
    found = places(records)
    _provenance(page, records)
    _ratios(page, [place for place in found if "rowfeed" in place.rivals])
    page.add("## One epoch, every way to it")
    last, runs = records.sessions[-1], records.last("run", "engine", "case", "rival", "repeat")
    drivers = [run for run in runs if run["ok"] and (run["rival"], run["engine"]) == ("blog", "mariadb")]
    driver = next(iter(drivers[0]["versions"]), "PyMySQL") if drivers else "PyMySQL"
    page.add(NOTES.format(**last, mysql_driver=driver).rstrip())
    for case, text in CASES.items():
        _case(page, case, text, [place for place in found if place.case == case])
    _cannot(page, runs)
    _versions(page, runs)


def pinned(page: Page, records: Records) -> None:
    """Client and server on different cores."""
    page.add("## Client and server on different cores")
    page.add(
        "Servers run on one core and the client on the other, with both connections' threads; SQLite and DuckDB have "
        f"the client's core alone. {source(records, records.last('run', 'engine', 'case', 'rival', 'repeat'))}"
    )
    rows = []
    for place in places(records):
        own, best = place.rivals.get("rowfeed"), place.by_hand
        if own and best:
            ratio = f"{own.rate / best.rate:.2f}"
            rows.append([place.name, rates(own.rates), best.label, rates(best.rates), ratio, place.cpu()])
    page.table(("", "rowfeed, samples/s", "by hand", "samples/s", "ratio", "CPU"), rows)


def _provenance(page: Page, records: Records) -> None:
    last = records.sessions[-1]
    if last["size"] != "full":
        page.add(f"**These are numbers of the size `{last['size']}`, for development: they say nothing about speed.**")
    machine, tables = last["machine"], by(records.last("table", "engine", "case"), "engine", ENGINES)
    servers = [f"{ENGINES[name]} {known[-1]['version']}" for name, known in tables.items()]
    page.add(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}; "
        f"client and server share {'no core' if last['pin'] else 'the cores'}. {'; '.join(servers)}. Python "
        f"{last['python']}, {', '.join(f'{k} {v}' for k, v in last['libraries'].items() if v)}."
    )
    runs = records.last("run", "engine", "case", "rival", "repeat")
    used = [records.sessions[number] for number in sorted({run["session"] for run in runs if run["ok"]})]
    page.add(*(f"- Commit {s['commit']}, {s['date']}: `{s['command']}`" for s in used))
    failures = [line for line in records.last("failure", "place") if line["error"]]
    if failures:
        page.add("Failed: " + "; ".join(f"{line['place']}: {line['error']}" for line in failures) + ".")


def _ratios(page: Page, found: Iterable[Place]) -> None:
    page.add("## rowfeed against the others")
    page.add(
        "Ratios of medians of the runs below. *By hand*: the faster of connectorx, ADBC and DuckDB's own Python API, "
        "each with numpy and rowfeed's own windows. *Other tools*: the fastest and the slowest of all the rest, where "
        "a part of the epoch counts by its rate. *CPU*: of the client, by hand = 1; SQLite and DuckDB run in it. "
        "*Engine alone*: its bare aggregate over the same rows = 1."
    )
    rows = []
    for place in found:
        others = place.others
        alone = place.table["samples"] / statistics.median(place.table["aggregate_s"])
        rows.append(
            [
                place.name,
                place.against(place.by_hand),
                place.cpu(),
                place.against(others[0], 1) if others else "",
                place.against(others[-1], 0) if others else "",
                f"{place.rivals['rowfeed'].rate / alone:.2f}",
            ]
        )
    page.table(("", "samples/s, by hand = 1", "CPU", "fastest other tool = 1", "slowest", "engine alone = 1"), rows)


def _case(page: Page, case: str, text: str, found: list[Place]) -> None:
    if not found:
        return
    table = found[0].table
    page.add(f"### {case}: {table['samples']:,} samples, {table['rows']:,} rows", "", f"Samples of {text}.")
    bars = {}
    for place in found:
        bars[ENGINES[place.engine]] = [
            [NAMES[rival.name].strip("*").replace("`", ""), *rival.rates] for rival in place.rivals.values()
        ]
        rows = [_row(rival) for rival in place.rivals.values()]
        rows += [
            [name, rates([place.table["samples"] / s for s in place.table[key]]), *[""] * 7]
            for name, key in (("*engine alone*", "aggregate_s"), ("*numpy alone*", "scatter_s"))
        ]
        page.add(f"**{ENGINES[place.engine]}**")
        head = ("", "samples/s", "part", "first batch, s", "client", "server", "memory, MiB", "verified", "order")
        page.table(head, rows)
    page.picture(f"benchmarks-{case}.png", f"Samples per second, {case}, on each engine", plots.rates, bars)


def _row(rival: Rival) -> list[str]:
    server = rival.cpu("server")
    return [
        NAMES[rival.name],
        rates(rival.rates),
        "" if rival.part == 1 else f"{rival.part:.1%}",
        f"{median(rival.runs, 'first_batch_s'):.2f}",
        f"{rival.cpu('client'):.2f}",
        "" if server is None else f"{server:.2f}",
        f"{median(rival.runs, 'peak_bytes') / 2**20:,.0f}",
        rival.verified,
        rival.runs[0]["order"],
    ]


def _cannot(page: Page, runs: list[Record]) -> None:
    """The rivals that are not in a table, and the reasons."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        if not run["ok"]:
            key = (NAMES[run["rival"]], run.get("unsupported") or f"failed: {run['error']}")
            place = ENGINES[run["engine"]] if "unsupported" in run else f"{ENGINES[run['engine']]}, {run['case']}"
            reasons.setdefault(key, []).append(place)
    if reasons:
        page.add("### Who is not in a table, and why")
        rows = [[name, ", ".join(dict.fromkeys(places)), reason] for (name, reason), places in reasons.items()]
        page.add(*(f"| {' | '.join(row)} |" for row in (["", "where", "why"], ["---"] * 3, *rows)))


def _versions(page: Page, runs: list[Record]) -> None:
    used: dict[str, set[str]] = {}
    for run in runs:
        for name, version in run.get("versions", {}).items():
            used.setdefault(name, set()).add(version)
    named = sorted(used.items(), key=lambda item: item[0].lower())
    page.add("Versions: " + ", ".join(f"{name} {'/'.join(sorted(versions))}" for name, versions in named) + ".")
