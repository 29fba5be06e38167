"""`rowfeed bench`: each stage between a table and training, measured; where the bottleneck is, and what to change."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rowfeed.cli.backend import backend_version, check_packages
from rowfeed.cli.bench.reading_costs import LARGER, FeedRun, cut_costs, request_costs, run_feed
from rowfeed.cli.bench.verdict import CUTTING, READING, Numbers, Training
from rowfeed.cli.report.pictures import LIGHT, Span, spans
from rowfeed.cli.train.recipe import Recipe
from rowfeed.database.database import Database
from rowfeed.feed.feed import DEFAULT_MEMORY_BYTES, Feed
from rowfeed.feed.samples import SamplesLike
from rowfeed.layouts.base import Layout
from rowfeed.layouts.structure import Structure
from rowfeed.plan.order import Plan, choose_window
from rowfeed.reading.batches import Transform

SHARES = {False: {"request": 0.35, "cut": 0.05, "feed": 0.6}}
SHARES |= {True: {"request": 0.25, "cut": 0.05, "feed": 0.3, "step": 0.15, "fit": 0.25}}
"""Of the seconds, without and with a model."""

MEASURED_BYTES = 2**30
"""A feed with more memory than it was given is measured up to here: what most machines that train have to spare."""

FEED_RUNS = 4
"""Runs of the feed: two with each of two numbers of connections."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What to measure, and where to leave the numbers.

    Args:
        db: Where the table is.
        layout: What to read.
        samples: Which; see `Feed`.
        batch_size: Samples in a batch.
        connections: Of the feed.
        memory_bytes: Of the feed; None: as a feed has it without saying.
        model: Whether to measure training as well; the layout is then a grid of two axes.
        seconds: About how long to measure.
        out: A directory; made if it is not there.
        transform: Run on each batch.
        limits: Further arguments of the feed: `max_scanned_rows`.
    """

    db: Database
    layout: Layout
    samples: SamplesLike
    batch_size: int
    connections: int
    memory_bytes: int | None
    model: bool
    seconds: float
    out: Path
    transform: Transform | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)

    def run(self, say: Callable[[str], None]) -> Numbers:
        """Measure, say what came out, and write `bench.json` and `bench.png`.

        Raises:
            DependencyError: Something is not installed; seen before any work is done.
        """
        check_packages("the picture", matplotlib="matplotlib")
        self.out.mkdir(parents=True, exist_ok=True)
        feed = self._feed()
        say(f"{self.layout.source.label} in {self.db.label}: {feed.sample_ids.size:,} samples.")
        numbers, details = self._measure(feed)
        for line in lines(numbers):
            say(line)
        result = {**self._provenance(numbers), **details, "rates": rates(numbers)}
        result |= {"bottleneck": numbers.bottleneck, "sentence": numbers.sentence(), "changes": numbers.changes()}
        (self.out / "bench.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        (self.out / "bench.png").write_bytes(picture(numbers))
        say("")
        for name in ("bench.json", "bench.png"):
            say(f"Wrote {self.out / name}")
        return numbers

    @property
    def _memory_bytes(self) -> int:
        return DEFAULT_MEMORY_BYTES if self.memory_bytes is None else self.memory_bytes

    def _feed(self) -> Feed:
        return Feed(
            self.db,
            self.layout,
            self.layout if self.model else None,
            samples=self.samples,
            batch_size=self.batch_size,
            transform=self.transform,
            memory_bytes=self._memory_bytes,
            connections=self.connections,
            **self.limits,
        )

    # Measuring

    def _measure(self, feed: Feed) -> tuple[Numbers, dict[str, Any]]:
        """The numbers, and for the record those that they were made of."""
        seconds = {name: share * self.seconds for name, share in SHARES[self.model].items()}
        count, sample_bytes = int(feed.sample_ids.size), self.layout.sample_bytes
        window = choose_window(self._memory_bytes, sample_bytes, self.batch_size, count)
        plan = Plan(count, self.batch_size, window)
        feeds, runs = self._feeds(feed, plan, seconds["feed"])
        last = runs[self.connections][-1]
        positions = plan.epoch(FEED_RUNS).window(0)  # which no run of the feed began with
        typical = min(positions.size, max(1, round(last.samples / max(1, last.requests))))
        request = request_costs(self.db, self.layout, feed.sample_ids, positions, typical, seconds["request"])
        structure = Structure((self.layout, self.layout) if self.model else (self.layout,))
        cut = cut_costs(structure, positions.size, self.batch_size, self.transform, seconds["cut"])
        training, details = self._train(feed, seconds) if self.model else (None, {})
        with self.db.open() as session:
            index = self.layout.missing_index(session)
        numbers = Numbers(
            request=request,
            cut=cut,
            feeds=feeds,
            connections=self.connections,
            training=training,
            count=count,
            window=window,
            batch_size=self.batch_size,
            sample_bytes=sample_bytes,
            values=len(self.layout.values),
            memory_bytes=self._memory_bytes,
            index=index,
        )
        if numbers.more_memory is not None and numbers.more_memory <= MEASURED_BYTES:
            larger = feed.replace(memory_bytes=numbers.more_memory)
            window = choose_window(numbers.more_memory, sample_bytes, self.batch_size, count)
            run = run_feed(larger, replace(plan, window=window), self.connections, 1, seconds["feed"] / FEED_RUNS)
            numbers = replace(numbers, more_memory_rate=run.samples_per_second)
        details |= {"feed_runs": [asdict(run) for each in runs.values() for run in each]}
        return numbers, details

    def _feeds(self, feed: Feed, plan: Plan, seconds: float) -> tuple[dict[int, FeedRun], dict[int, list[FeedRun]]]:
        """The feed with one number of connections and with another, in turn: each twice, as A B B A.

        The very first run waits for its first batch: nothing was read before it.
        """
        other = 1 if self.connections > 1 else 2
        feeds = {other: feed.replace(connections=other), self.connections: feed}
        runs: dict[int, list[FeedRun]] = {connections: [] for connections in feeds}
        for epoch, connections in enumerate((self.connections, other, other, self.connections)):
            run = run_feed(feeds[connections], plan, connections, epoch, seconds / FEED_RUNS, patient=epoch == 0)
            runs[connections].append(run)
        return {connections: together(found) for connections, found in runs.items()}, runs

    def _train(self, feed: Feed, seconds: Mapping[str, float]) -> tuple[Training, dict[str, Any]]:
        from rowfeed.cli.bench.training_costs import in_memory, make_model, run_fit, step_costs

        x = in_memory(feed, self.batch_size, self.layout.sample_bytes)
        model = make_model(self.layout.sample_shape, Recipe(), x)
        steps = step_costs(model, x, self.batch_size, seconds["step"])
        del x
        fit = run_fit(model, feed, self.batch_size, self.connections, seconds["fit"])
        training = Training(
            step_rate=steps.batch_size / steps.step_s,
            larger_rate=None if steps.larger_s is None else LARGER * self.batch_size / steps.larger_s,
            fit_rate=fit.samples_per_second,
            waiting=fit.waiting,
            measured=fit.measured,
        )
        return training, {"step": asdict(steps), "fit": asdict(fit)}

    # For the record

    def _provenance(self, numbers: Numbers) -> dict[str, Any]:
        with self.db.open() as session:
            product, driver = session.product, session.driver
        packages = {name: version(name) for name in ("numpy", "SQLAlchemy")}
        if self.model:
            packages |= {"keras": version("keras"), "backend": backend_version()}
        layout = self.layout
        return {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "versions": {"rowfeed": version("rowfeed"), "python": platform.python_version(), **packages},
            "engine": {"product": product, "driver": driver, "plain_rows": self.db._address.plain_rows},
            "machine": {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()},
            "table": {
                "url": self.db.public_url,
                "table": layout.source.label,
                "where": None if layout.source.where is None else str(layout.source.where),
                "sample": layout.sample,
                "axes": list(layout.axes),
                "values": list(layout.values),
                "sample_shape": list(layout.sample_shape),
                "samples": numbers.count,
                "rows_per_sample": numbers.request.rows / numbers.request.samples,
            },
            "parameters": {
                "batch_size": self.batch_size,
                "connections": self.connections,
                "memory_bytes": self._memory_bytes,
                "window": numbers.window,
                "model": "autoencoder" if self.model else None,
                "seconds": self.seconds,
            },
            "request": asdict(numbers.request) | {"fixed_share": numbers.request.fixed_share},
            "cut": asdict(numbers.cut),
            "training": None if numbers.training is None else asdict(numbers.training),
            "missing_index": numbers.index,
            "more_memory": {"memory_bytes": numbers.more_memory, "samples_per_second": numbers.more_memory_rate},
        }


def together(runs: Sequence[FeedRun]) -> FeedRun:
    """Several runs as one: the mean of their rates, the first of their first batches, the sum of what they read."""
    firsts = [run.first_batch_s for run in runs if run.first_batch_s is not None]
    return FeedRun(
        connections=runs[0].connections,
        samples_per_second=statistics.fmean(run.samples_per_second for run in runs),
        first_batch_s=firsts[0] if firsts else None,
        windows=sum(run.windows for run in runs),
        samples=sum(run.samples for run in runs),
        requests=sum(run.requests for run in runs),
        rows=sum(run.rows for run in runs),
        seconds=sum(run.seconds for run in runs),
    )


# What is shown


def stages(numbers: Numbers) -> dict[str, float]:
    """Seconds a sample of each stage that there is."""
    there = dict(numbers.seconds_per_sample)
    if not numbers.request.remote:
        del there["wire"]
    if numbers.cut.transform_s is None:
        del there["transform"]
    return there


def rates(numbers: Numbers) -> dict[str, float]:
    """Samples a second of everything; a stage that took no time that could be measured has none."""
    found = {stage: 1 / seconds for stage, seconds in stages(numbers).items() if seconds > 0}
    for connections, run in sorted(numbers.feeds.items()):
        found[f"feed, {_connections(connections)}"] = run.samples_per_second
    if numbers.training is not None:
        found["training step"] = numbers.training.step_rate
        found["fit from the feed"] = numbers.training.fit_rate
    return found


def lines(numbers: Numbers) -> Sequence[str]:
    """All of it for the screen: a line a stage, the bottleneck, and what to change."""
    request, per_sample = numbers.request, numbers.request.rows / numbers.request.samples
    found = rates(numbers)
    table = ["", f"  {'':<24}{'samples/s':>14}{'rows/s':>16}{'ms per 1,000 samples':>24}"]

    def line(name: str, more: str = "") -> str:
        rate = found.get(name)
        if rate is None:
            return f"  {name:<24}{'–':>14}{'–':>16}{0:>24.2f}"
        return f"  {name:<24}{rate:>14,.0f}{rate * per_sample:>16,.0f}{1e6 / rate:>24,.3g}{more}"

    reading = [stage for stage in stages(numbers) if stage in READING]
    cutting = [stage for stage in stages(numbers) if stage in CUTTING]
    table += [f"One connection, requests of {_count(request.samples, 'sample')} and {request.rows:,.0f} rows:"]
    table += [line(stage) for stage in reading]
    table += [f"Batches of {numbers.batch_size:,}, from a window of {min(numbers.window, numbers.count):,} samples:"]
    table += [line(stage) for stage in cutting]
    table += ["All of it:"]
    for connections in sorted(numbers.feeds):
        table.append(line(f"feed, {_connections(connections)}"))
    if numbers.training is not None:
        waiting = numbers.training.waiting
        how = "waits" if numbers.training.measured else "would wait"
        table += [line("training step"), line("fit from the feed", f"   {how} {waiting:.1%} of its time")]
    first_s = numbers.feeds[numbers.connections].first_batch_s
    when = "did not come within the time" if first_s is None else f"came after {first_s:.2f} s"
    table += [f"The first batch {when}, with {_connections(numbers.connections)}."]
    table += ["", f"Bottleneck: {numbers.sentence()}"]
    table += [f"Change: {change}" for change in numbers.changes()]
    return table


def _connections(count: int) -> str:
    return _count(count, "connection")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def picture(numbers: Numbers) -> bytes:
    """Time per 1,000 samples: the stages one after the other, below them the whole."""
    bars: list[Span] = []
    start, bottleneck = 0.0, numbers.bottleneck

    def text(milliseconds: float, rate: float | None) -> str:
        return f"{milliseconds:,.3g} ms" + (f" · {rate:,.0f}/s" if rate else "")

    found = rates(numbers)
    for stage, seconds in stages(numbers).items():
        length = 1e6 * seconds
        if stage == "decode":  # in part beside the server's work, and done when the request is
            start = max(0.0, 1e6 * numbers.request.request_s / numbers.request.samples - length)
        colour = "noisy" if stage == bottleneck else "denoised"
        bars.append(Span(stage, start, length, text(length, found.get(stage)), colour))
        start += length
    wholes = [name for name in found if name not in (*READING, *CUTTING)]
    for name in wholes:
        colour = "noisy" if bottleneck == "training" and name == "training step" else "muted"
        length = 1e6 / found[name] if found[name] else 0.0
        bars.append(Span(name, 0.0, length, text(length, found[name]), colour, gap=name == wholes[0]))
    return spans(bars, "milliseconds per 1,000 samples, and samples a second", LIGHT)
