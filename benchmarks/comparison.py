"""The sections of the page about epochs: rowfeed against the others, and every way to an epoch."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import plots
from page import ENGINES, NAMES, PRODUCTS, Page, by, median, rates, short
from records import Record, Records

BY_HAND = ("connectorx", "adbc", "duckdb")
"""Those that are given rowfeed's own order: written by hand on the fastest drivers there are."""

LOADERS = ("scdataset", "ray", "huggingface", "tensorflow", "sqlgrain")
"""Libraries that make shuffled batches for training."""

OPENING = "cells28"
"""The table of the table that opens the page."""

CASES = {
    "users4": "4×4 cells, about 5 of them with a row, integers from −7 to 17; batches of 20",
    "cells28": "28×28 cells, 50 of them with a row, integers from 1 to 255; batches of 64",
    "wide128": "128×128 cells, 1,000 of them with a row, eighths from −124.875 to 124.875; batches of 32",
    "columns20": "20 float32 columns and a label; batches of 256",
}

NOTES = """\
- **samples/s**: one epoch in a new process on a warm server, from before the connection to the last batch. Imports
  before that are not counted. Median; in brackets the least, the most and the number n of runs. All take turns: A B C
  A B C.
- **part**: the share of the epoch that was read, if a run was stopped {limit_s:g} seconds after its first batch. The
  rate is that of this part, its start included. rowfeed and the code by hand always read the whole epoch.
- **n**: {repeats} runs of rowfeed and of the code by hand. Of the others 2 if a run with its start takes more than 6
  seconds, 1 if more than 15, and {slow_repeats} if it is stopped.
- **first batch**: seconds from before the connection to the first batch.
- **client, server**: CPU seconds per million table rows. SQLite and DuckDB run in the client.
- **memory**: peak resident memory of the client and its child processes.
- **verified**: *yes* if a second epoch has the checksum of the samples that were written to the table: each sample
  once, each value right. *small* if this was checked on a table with 1/1000 of the samples, because an epoch takes too
  long.
- **order**: the samples that a batch is drawn from. *blocks* is rowfeed's order: many short runs of neighbours (blocks)
  from random places of the table are mixed in memory (a window). connectorx, ADBC and DuckDB + numpy read the same
  samples in each window, and the next window while one is used, as rowfeed does. scDataset has windows and blocks of
  the same size.
- **engine alone**: `SELECT sample, COUNT(*), SUM(value) … GROUP BY sample` over all rows on one connection; hardly
  anything is sent. **numpy alone**: rows that are in memory already are decoded, put into arrays and cut into batches;
  no database is read.
- Ray, Hugging Face and tf.data take one row for each sample: the server joins the cells of a sample into a text for
  them. MariaDB's FLOAT columns are cast to DOUBLE for drivers that read text, because a FLOAT has only 6 digits there.
- Ray's processes start before the clock. *A query a batch, Python loop* is the generator of many tutorials; its driver
  for MariaDB is {mysql_driver}.
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
        """Its name, short and without markup."""
        return PRODUCTS.get(self.name, NAMES[self.name].strip("*"))

    @property
    def product(self) -> str:
        """The same without numpy, which goes without saying."""
        return self.label.removesuffix(" + numpy")


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

    @property
    def loader(self) -> Rival | None:
        """The fastest other loader."""
        return next((rival for name, rival in self.rivals.items() if name in LOADERS), None)

    @property
    def ratio(self) -> float | None:
        """The rate of rowfeed as a multiple of that of the fastest by hand."""
        own, best = self.rivals.get("rowfeed"), self.by_hand
        return own.rate / best.rate if own and best else None

    def against(self, rival: Rival | None, digits: int = 2) -> str:
        """Rowfeed's rate as a multiple of a rival's, and the rival."""
        return f"{self.rivals['rowfeed'].rate / rival.rate:,.{digits}f} ({rival.product})" if rival else ""

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
    last, runs = records.sessions[-1], records.last("run", "engine", "case", "rival", "repeat")
    if last["size"] != "full":
        page.add(f"**These are numbers of the size `{last['size']}`, for development: they say nothing about speed.**")
    own = [place for place in found if "rowfeed" in place.rivals]
    if own:
        _opening(page, own, last)
        _ratios(page, own)
    page.add("## One epoch in every way")
    drivers = [run for run in runs if run["ok"] and (run["rival"], run["engine"]) == ("blog", "mariadb")]
    driver = next(iter(drivers[0]["versions"]), "PyMySQL") if drivers else "PyMySQL"
    page.add(NOTES.format(**last, mysql_driver=driver).rstrip())
    page.add(page.source(records, [run for run in runs if run["ok"]]))
    for case, text in CASES.items():
        _case(page, case, text, [place for place in found if place.case == case])
    _cannot(page, runs)


def pinned(page: Page, records: Records) -> None:
    """Client and server on different cores."""
    page.add("## Client and server on different cores")
    page.add(
        "The server has one core; the client has the other, with the threads of both connections. SQLite and DuckDB "
        "have the client's core alone. *Ratio* and *CPU*: rowfeed divided by the best code by hand. "
        f"{page.source(records, records.last('run', 'engine', 'case', 'rival', 'repeat'))}"
    )
    rows = []
    for place in places(records):
        if place.ratio and place.by_hand:
            own, best = place.rivals["rowfeed"], place.by_hand
            row = [rates(own.rates), best.product, rates(best.rates), f"{place.ratio:.2f}", place.cpu()]
            rows.append([place.name, *row])
    page.table(("", "rowfeed, samples/s", "by hand", "samples/s", "ratio", "CPU"), rows)


def provenance(page: Page, records: Records) -> None:
    """Machine, versions and commands."""
    last = records.sessions[-1]
    page.add("## Machine, versions, commands")
    machine, tables = last["machine"], by(records.last("table", "engine", "case"), "engine", ENGINES)
    servers = [f"{ENGINES[name]} {_version(known[-1]['version'])}" for name, known in tables.items()]
    page.add(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}; "
        f"client and server share {'no core' if last['pin'] else 'the cores'}. {'; '.join(servers)}. Python "
        f"{last['python']}, {', '.join(f'{k} {v}' for k, v in last['libraries'].items() if v)}."
    )
    runs = records.last("run", "engine", "case", "rival", "repeat")
    used: dict[str, set[str]] = {}
    for run in runs:
        for name, version in run.get("versions", {}).items():
            used.setdefault(name, set()).add(version)
    named = sorted(used.items(), key=lambda item: item[0].lower())
    page.add("Versions: " + ", ".join(f"{name} {'/'.join(sorted(versions))}" for name, versions in named) + ".")
    page.add(*page.commands)
    failures = [line for line in records.last("failure", "place") if line["error"]]
    if failures:
        page.add("Failed: " + "; ".join(f"{line['place']}: {line['error']}" for line in failures) + ".")


def _opening(page: Page, found: list[Place], last: Record) -> None:
    """The table that a reader sees first."""
    chosen = [place for place in found if place.case == OPENING] or [p for p in found if p.case == found[0].case]
    table = chosen[0].table
    page.add(
        f"**Shuffled samples per second**, read from a table of {table['rows']:,} rows: {table['samples']:,} samples "
        f"of {CASES[chosen[0].case].partition(',')[0]}. Higher is better."
    )
    rows = [
        [
            ENGINES[place.engine],
            f"**{short(place.rivals['rowfeed'].rate)}**",
            *(f"{short(rival.rate)} ({rival.product})" if rival else "" for rival in (place.by_hand, place.loader)),
            short(place.rivals["torch"].rate) if "torch" in place.rivals else "",
        ]
        for place in chosen
    ]
    page.table(("", "rowfeed", "best code by hand", "nearest other loader", "a query a sample"), rows)
    page.add(
        "*By hand*: the fastest of connectorx, ADBC and DuckDB's own Python API, each with numpy and in rowfeed's "
        "order of samples. *Loader*: the fastest of scDataset, Ray Data, Hugging Face, tf.data and sql-grain. "
        f"*A query a sample*: a torch `Dataset`. Client and server share {last['machine']['cores']} cores."
    )
    engines = {engine: [p.ratio for p in found if p.engine == engine and p.ratio] for engine in ENGINES}
    ranges = [f"{min(r):.1f} to {max(r):.1f} on {ENGINES[engine]}" for engine, r in engines.items() if r]
    if ranges:
        page.add(f"rowfeed's rate on all tables below, if the best code by hand is 1: {', '.join(ranges)}.")
    page.add("`make bench` measures again and writes this page from `benchmarks/results`.")


def _ratios(page: Page, found: Iterable[Place]) -> None:
    page.add("## All tables")
    page.add(
        "Samples per second of rowfeed, divided by those of the other: above 1, rowfeed is faster. *CPU*: CPU time of "
        "rowfeed in the client, divided by that of the best code by hand: below 1, rowfeed needs less. SQLite and "
        "DuckDB run in the client. *Engine alone*: a bare aggregate of the engine over the same rows. Medians of the "
        "runs in the next section."
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
    page.table(("", "best code by hand", "CPU", "fastest other tool", "slowest other tool", "engine alone"), rows)


def _case(page: Page, case: str, text: str, found: list[Place]) -> None:
    if not found:
        return
    table = found[0].table
    page.add(f"### {case}: {table['samples']:,} samples, {table['rows']:,} rows", "", f"Samples of {text}.")
    bars = {ENGINES[place.engine]: [[rival.label, *rival.rates] for rival in place.rivals.values()] for place in found}
    page.picture(f"benchmarks-{case}.png", f"Samples per second, {case}, on each engine", plots.rates, bars)
    for place in found:
        rows = [_row(rival) for rival in place.rivals.values()]
        rows += [
            [name, rates([place.table["samples"] / s for s in place.table[key]]), *[""] * 7]
            for name, key in (("*engine alone*", "aggregate_s"), ("*numpy alone*", "scatter_s"))
        ]
        page.add(f"**{ENGINES[place.engine]}**")
        head = ("", "samples/s", "part", "first batch, s", "client", "server", "memory, MiB", "verified", "order")
        page.table(head, rows)


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
        page.add("### Combinations without figures")
        rows = [[name, ", ".join(dict.fromkeys(places)), reason] for (name, reason), places in reasons.items()]
        page.add(*(f"| {' | '.join(row)} |" for row in (["", "engine", "reason"], ["---"] * 3, *rows)))


def _version(text: str) -> str:
    """The number in the version that an engine tells."""
    return text.removeprefix("PostgreSQL ").partition(" ")[0].removeprefix("v")
