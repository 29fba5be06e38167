"""`rowfeed bench`: runs a feed of yours for a while, and finds its bottleneck and the changes to make."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rowfeed.cli.backend import backend_version, check_packages
from rowfeed.cli.bench.runs import iterate
from rowfeed.cli.bench.verdict import Facts, Tried, Verdict
from rowfeed.cli.report.look import LIGHT
from rowfeed.cli.report.spans import Span, spans
from rowfeed.database.database import Database
from rowfeed.feed.feed import DEFAULT_MEMORY_BYTES, Feed
from rowfeed.feed.samples import SamplesLike
from rowfeed.layouts.base import Layout
from rowfeed.plan.order import choose_window
from rowfeed.reading.transform import Transform

FIT = 0.5
"""The share of the seconds for a fit, if there is a model."""

RUNS = 4
"""Runs of the feed in the other seconds: unchanged twice, with another argument twice, in the order A B B A."""


@dataclass(frozen=True, eq=False)
class Result:
    """All findings.

    Args:
        verdict: The verdict on the fit if there is a model, else on the feed.
        alone: The feed by itself.
        tried: The feed with another argument; None if none could be better.
        first_batch_s: Seconds to the first batch of the very first run.
    """

    verdict: Verdict
    alone: Verdict
    tried: Tried | None
    first_batch_s: float | None

    @property
    def sentence(self) -> str:
        return self.verdict.sentence(self.alone.samples_per_s)

    @property
    def changes(self) -> Sequence[str]:
        return self.verdict.changes(self.tried)

    @property
    def wholes(self) -> dict[str, float]:
        """Samples a second of the feed with each argument, and of the fit."""
        tried, found = self.tried, {_named("connections", self.alone.facts.connections): self.alone.samples_per_s}
        if tried is not None:
            found[_named(tried.argument, tried.value)] = tried.samples_per_s
        if self.verdict.trains:
            found["fit from the feed"] = self.verdict.samples_per_s
        return found


def _named(argument: str, value: int) -> str:
    return f"feed, {_count(value, 'connection') if argument == 'connections' else f'batches of {value:,}'}"


def _count(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}{'' if round(number) == 1 else 's'}"


@dataclass(frozen=True, eq=False)
class Bench:
    """The settings of a measurement.

    Args:
        db: The database of the table.
        layout: The layout to read.
        samples: The samples; see `Feed`.
        batch_size: Samples in a batch.
        connections: The most connections of the feed.
        model: Whether to measure training as well; the layout is then a grid of two axes.
        seconds: The approximate seconds of the measurement.
        out: The directory for the results; made if it is missing.
        memory_bytes: The memory of the feed.
        transform: A function that runs on each batch.
    """

    db: Database
    layout: Layout
    samples: SamplesLike
    batch_size: int
    connections: int
    model: bool
    seconds: float
    out: Path
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    transform: Transform | None = None

    def run(self, say: Callable[[str], None]) -> Result:
        """Measure, report the findings, and write `bench.json` and `bench.png`.

        Raises:
            DependencyError: A package is not installed; this is checked before any work is done.
        """
        check_packages("the picture", matplotlib="matplotlib")
        self.out.mkdir(parents=True, exist_ok=True)
        feed = Feed(
            self.db,
            self.layout,
            self.layout if self.model else None,
            samples=self.samples,
            batch_size=self.batch_size,
            transform=self.transform,
            memory_bytes=self.memory_bytes,
            connections=self.connections,
            cache=None,
        )
        count, sample_bytes = int(feed.sample_ids.size), self.layout.sample_bytes
        say(f"{self.layout.source.label} in {self.db.label}: {count:,} samples.")
        with self.db.open() as session:
            remote = session.remote
            engine = {"product": session.product, "driver": session.driver, "plain_rows": self.db._address.plain_rows}
        window = choose_window(self.memory_bytes, sample_bytes, self.batch_size, count)
        scan = feed._survey.queries[0].scan
        facts = Facts(
            count,
            self.batch_size,
            window,
            1 if scan else self.connections,
            self.memory_bytes,
            sample_bytes,
            scan.index if scan else None,
            remote,
            uncut_s=scan.seconds if scan else 0.0,
        )
        result = self._measure(feed, facts)
        for line in lines(result):
            say(line)
        record = {**self._provenance(), "engine": engine, **_found(result)}
        (self.out / "bench.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        (self.out / "bench.png").write_bytes(picture(result))
        say("")
        for name in ("bench.json", "bench.png"):
            say(f"Wrote {self.out / name}")
        return result

    def _measure(self, feed: Feed, facts: Facts) -> Result:
        """Measure the feed by itself, in turn with another argument if that may be better, and then with the model."""
        seconds = self.seconds * (1 - FIT if self.model else 1) / RUNS
        first, tried = iterate(feed, facts, 0, seconds, patient=True), None
        trial = first.verdict(facts).trial
        if trial is None:
            alone = first + iterate(feed, facts, 1, (RUNS - 1) * seconds)
        else:
            name, value = trial
            changes: dict[str, Any] = {name: value}
            other, those = feed.replace(**changes), replace(facts, **changes)
            window = choose_window(facts.memory_bytes, facts.sample_bytes, those.batch_size, facts.count)
            those = replace(those, window=window)
            changed = iterate(other, those, 1, seconds) + iterate(other, those, 2, seconds)
            alone = first + iterate(feed, facts, 3, seconds)
            tried = Tried(name, value, changed.verdict(those).samples_per_s, alone.verdict(facts).samples_per_s)
        by_itself = verdict = alone.verdict(facts)
        if self.model:
            from rowfeed.cli.bench.fit import fit

            run = fit(feed, facts, self.layout.sample_shape, self.seconds * FIT)
            verdict = replace(run.verdict(facts), trains=True, earlier=alone.did)
        return Result(verdict, by_itself, tried, first.first_batch_s)

    def _provenance(self) -> dict[str, Any]:
        packages = {name: version(name) for name in ("numpy", "SQLAlchemy")}
        if self.model:
            packages |= {"keras": version("keras"), "backend": backend_version()}
        layout = self.layout
        return {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "versions": {"rowfeed": version("rowfeed"), "python": platform.python_version(), **packages},
            "machine": {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()},
            "table": {
                "url": self.db.public_url,
                "table": layout.source.label,
                "where": None if layout.source.where is None else str(layout.source.where),
                "sample": layout.sample,
                "axes": list(layout.axes),
                "values": list(layout.values),
                "sample_shape": list(layout.sample_shape),
            },
            "model": "autoencoder" if self.model else None,
            "seconds": self.seconds,
        }


# Output


def _found(result: Result) -> dict[str, Any]:
    """The record: each number behind the verdict, and the verdict."""

    def stretch(of: Verdict) -> dict[str, Any]:
        return {
            "elapsed_s": of.elapsed_s,
            "stats": asdict(of.did),
            "seconds_per_sample": {"reading, on one connection": of.reading, "using": of.using},
            "waiting": of.waiting,
            "measured": of.measured,
        }

    return {
        "facts": asdict(result.verdict.facts),
        "first_batch_s": result.first_batch_s,
        "feed": stretch(result.alone),
        "fit": stretch(result.verdict) if result.verdict.trains else None,
        "tried": None if result.tried is None else asdict(result.tried),
        "samples_per_s": result.wholes,
        "bottleneck": result.verdict.bottleneck,
        "sentence": result.sentence,
        "changes": result.changes,
    }


def lines(result: Result) -> Sequence[str]:
    """The result for the screen: one line per stage, the bottleneck, and the changes to make."""
    verdict = result.verdict
    facts, read = verdict.facts, verdict.read
    rows = read.rows / max(1, read.samples)

    def line(name: str, seconds: float, more: str = "") -> str:
        rates = f"{1 / seconds:>14,.0f}{rows / seconds:>16,.0f}" if seconds > 0 else f"{'–':>14}{'–':>16}"
        return f"  {name:<24}{rates}{1e6 * seconds:>24,.3g}{more}"

    size = f"{_count(read.samples / max(1, read.requests), 'sample')} and {read.rows / max(1, read.requests):,.0f} rows"
    table = ["", f"  {'':<24}{'samples/s':>14}{'rows/s':>16}{'ms per 1,000 samples':>24}"]
    table += [f"One connection, requests of {size}:"]
    table += [line(stage, seconds) for stage, seconds in verdict.reading.items()]
    table += [f"Batches of {facts.batch_size:,}, from a window of {min(facts.window, facts.count):,} samples:"]
    table += [line(stage, seconds) for stage, seconds in verdict.using.items()]
    table += ["All of it:"]
    how = "waits" if verdict.measured else "would wait"
    for name, rate in result.wholes.items():
        waits = f"   {how} {verdict.waiting:.1%} of its time" if name.startswith("fit") else ""
        table.append(line(name, 1 / rate if rate else 0.0, waits))
    first_s = result.first_batch_s
    when = "did not come within the time" if first_s is None else f"came after {first_s:.2f} s"
    table += [f"The first batch {when}.", "", f"Bottleneck: {result.sentence}"]
    return [*table, *(f"Change: {change}" for change in result.changes)]


def picture(result: Result) -> bytes:
    """Time per 1,000 samples: the stages of reading one after the other, those of using, and below them the whole."""
    verdict, bars = result.verdict, list[Span]()

    def text(seconds: float) -> str:
        return f"{1e6 * seconds:,.3g} ms" + (f" · {1 / seconds:,.0f}/s" if seconds else "")

    for stages in (verdict.reading, verdict.using):
        start = 0.0
        for stage, seconds in stages.items():
            colour = "noisy" if stage == verdict.bottleneck else "denoised"
            gap = bool(bars) and not start and stage == next(iter(stages))
            bars.append(Span(stage, start, 1e6 * seconds, text(seconds), colour, gap))
            start += 1e6 * seconds
    for number, (name, rate) in enumerate(result.wholes.items()):
        seconds = 1 / rate if rate else 0.0
        bars.append(Span(name, 0.0, 1e6 * seconds, text(seconds), "muted", gap=number == 0))
    return spans(bars, "milliseconds per 1,000 samples, and samples a second", LIGHT)
