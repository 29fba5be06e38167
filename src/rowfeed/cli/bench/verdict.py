"""Where the bottleneck is and what to change: arithmetic on what was measured, and nothing that was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rowfeed.cli.bench.reading_costs import LARGER, CutCosts, FeedRun, RequestCosts
from rowfeed.plan.order import BLOCKS_PER_BATCH_SAMPLE, choose_window
from rowfeed.reading.sizes import MAX_SAMPLES, ROW_BYTES, TARGET_S, VALUE_BYTES

WAITS = 0.05
"""Share of its time that training waits from which data is the bottleneck: no change of the feed could win more than
this, and two runs of the same training differ by as much."""

GAIN = 1.15
"""So many times faster counts as faster: two runs of the same feed on a machine in use differ by up to a tenth."""

FIXED = 0.3
"""Share of a request's time that does not depend on its samples, from which fewer and larger requests pay: doubling
one then saves at least 15 % a sample, GAIN; medians of halves and wholes differ by less than that in themselves."""

SCANS = 0.5
"""Likewise, where there is no index: then half of a request's time or more is spent on rows that it does not want."""

READING = ("database", "wire", "decode", "scatter")
"""Stages on the threads that read, several at a time."""

CUTTING = ("cut", "transform")
"""Stages on the thread that iterates."""

WORDS = {
    "database": "the database, which finds and reads the rows,",
    "wire": "the wait for the answer, which the server makes and the network carries,",
    "decode": "decoding the answer, on this machine's CPU,",
    "scatter": "putting values into the window",
    "cut": "cutting batches",
    "transform": "the transform",
}


@dataclass(frozen=True)
class Training:
    """What of training the verdict needs; see `rowfeed.cli.bench.training_costs`.

    Args:
        step_rate: Samples a second on batches in memory.
        larger_rate: With batches of LARGER times the size; None where that was not measured.
        fit_rate: Samples a second from the feed.
        waiting: Share of its time that it waits for data.
        measured: Whether waiting was measured; else it was computed from rates.
    """

    step_rate: float
    larger_rate: float | None
    fit_rate: float
    waiting: float
    measured: bool


@dataclass(frozen=True)
class Numbers:
    """What was measured, and what the feed was made with.

    Args:
        request: A typical request.
        cut: A batch, cut.
        feeds: The feed without a model, by its number of connections.
        connections: Those that were asked for.
        training: None without a model.
        count: Samples of the feed.
        window: Samples in a window.
        batch_size: Samples in a batch.
        sample_bytes: Of all different layouts.
        values: Value columns.
        memory_bytes: Of the feed.
        index: The CREATE INDEX without which each request scans the table; None where there is one.
        more_memory_rate: Samples a second of the feed with `more_memory`; None where it was not measured.
    """

    request: RequestCosts
    cut: CutCosts
    feeds: Mapping[int, FeedRun]
    connections: int
    training: Training | None
    count: int
    window: int
    batch_size: int
    sample_bytes: int
    values: int
    memory_bytes: int
    index: str | None
    more_memory_rate: float | None = None

    @property
    def seconds_per_sample(self) -> dict[str, float]:
        """Of each stage, on one connection or thread."""
        request, cut = self.request, self.cut
        size = min(self.batch_size, self.count)
        return {
            "database": request.database_s / request.samples,
            "wire": request.wire_s / request.samples,
            "decode": request.decode_s / request.samples,
            "scatter": request.scatter_s / request.samples,
            "cut": cut.cut_s / size,
            "transform": (cut.transform_s or 0.0) / size,
        }

    @property
    def bottleneck(self) -> str:
        """`training`, or one of READING or CUTTING."""
        if self.training is not None and self.training.waiting < WAITS:
            return "training"
        times = self.seconds_per_sample
        late = sum(times[stage] for stage in CUTTING) > self.reading_s / self.connections
        return max(CUTTING if late else READING, key=times.__getitem__)

    @property
    def reading_s(self) -> float:
        """Seconds a sample on one connection: asking, answer and scatter."""
        return (self.request.request_s + self.request.scatter_s) / self.request.samples

    @property
    def requests(self) -> int:
        """In an epoch."""
        return -(-self.count // self.request.samples)

    @property
    def feed_rate(self) -> float:
        """Samples a second, with the connections that were asked for."""
        return self.feeds[self.connections].samples_per_second

    # In words

    @property
    def _named(self) -> str:
        """The stage that is the bottleneck, and its share."""
        stage, times = self.bottleneck, self.seconds_per_sample
        if stage in CUTTING:
            reading = 1e6 * self.reading_s / self.connections
            return f"{WORDS[stage]}: it takes {1e6 * times[stage]:.3g} µs a sample, and reading takes {reading:.3g}"
        words = WORDS[stage]
        if stage == "decode" and not self.request.remote:
            words = "the answer, which the engine makes and numpy takes apart,"
        return f"{words} with {times[stage] / self.reading_s:.0%} of a reading connection's time"

    def sentence(self) -> str:
        """Where the bottleneck is."""
        stage, training = self.bottleneck, self.training
        if training is not None and stage == "training":
            beside = f", and {training.step_rate:,.0f} of batches in memory, with nobody reading beside it"
            return (
                f"Training is the bottleneck: it waits for data {training.waiting:.1%} of its time and takes "
                f"{training.fit_rate:,.0f} samples/s of the {self.feed_rate:,.0f} that the feed brings by itself"
                f"{beside if training.step_rate > GAIN * training.fit_rate else ''}."
            )
        if training is None:
            return f"Of the feed, which brings {self.feed_rate:,.0f} samples/s, the bottleneck is {self._named}."
        waits = f"waits {training.waiting:.0%} of its time for the feed"
        waits += "" if training.measured else ", as the rates of reading and training say"
        return f"The feed is the bottleneck, training {waits}: most of it is {self._named}."

    def changes(self) -> Sequence[str]:
        """What to change, each with the number that says so; one line that says nothing, where there is nothing."""
        if self.training is not None and self.bottleneck == "training":
            return [*self._steps(), self._nothing()]
        found = [*self._index(), *self._connections(), *self._memory(), *self._batches()]
        found += self._steps()
        return found or ["nothing: no index is missing, and of connections, memory and batch size none was the limit."]

    def _nothing(self) -> str:
        assert self.training is not None
        waited = "never waits" if self.training.waiting < 0.005 else "hardly waits"
        return f"nothing of the feed: training {waited} for data, {self.training.waiting:.1%} of its time."

    def _index(self) -> Sequence[str]:
        scanned = self.request.fixed_share
        if self.index is None or self.requests < 2 or scanned < SCANS:
            return []
        return [
            f"create the missing index. {scanned:.0%} of a request's time is the same however many samples it asks "
            f"for: it scans the whole table, {self.requests:,} times an epoch. {self.index}"
        ]

    def _connections(self) -> Sequence[str]:
        rates = {connections: run.samples_per_second for connections, run in self.feeds.items()}
        asked = rates[self.connections]
        for connections, rate in rates.items():
            if rate > GAIN * asked:
                return [f"pass connections={connections}: {rate:,.0f} samples/s instead of {asked:,.0f}."]
        fewer = min(rates)
        if fewer < self.connections and asked < GAIN * rates[fewer]:
            return [
                f"pass connections={fewer}, which asks less of the database: {rates[fewer]:,.0f} samples/s, and "
                f"{asked:,.0f} with {self.connections}."
            ]
        return []

    @property
    def more_memory(self) -> int | None:
        """So many `memory_bytes` would take away a limit; None where memory sets none.

        Such a limit is a window of too few batches; or a request that memory keeps small while it costs much whatever
        its size.
        """
        wanted = min(BLOCKS_PER_BATCH_SAMPLE * self.batch_size, -(-self.count // self.batch_size) * self.batch_size)
        if self.window < wanted:
            return 4 * self.sample_bytes * wanted
        request, rows = self.request, self.memory_bytes // 4 // self.connections
        most_rows = rows // (ROW_BYTES + VALUE_BYTES * self.values)
        by_rows = request.rows > most_rows / 2 and request.request_s < TARGET_S
        by_window = self.window < self.count and 2 * request.samples > self.window / self.connections
        by_window &= choose_window(2 * self.memory_bytes, self.sample_bytes, self.batch_size, self.count) > self.window
        if request.fixed_share < FIXED or not (by_rows or by_window) or request.samples >= MAX_SAMPLES or self.index:
            return None
        return 2 * self.memory_bytes

    def _memory(self) -> Sequence[str]:
        needed, rate = self.more_memory, self.more_memory_rate
        if needed is None:
            return []
        gain = "" if rate is None else f" {rate:,.0f} samples/s instead of {self.feed_rate:,.0f}."
        if self.window < BLOCKS_PER_BATCH_SAMPLE * self.batch_size and self.window < self.count:
            return [
                f"pass memory_bytes={needed:,} or more. With {self.memory_bytes:,} a window holds "
                f"{self.window / self.batch_size:.0f} batches, of the {BLOCKS_PER_BATCH_SAMPLE} that mix well.{gain}"
            ]
        if rate is None or rate < GAIN * self.feed_rate:
            return []
        return [
            f"pass memory_bytes={needed:,}:{gain} Memory keeps a request at {self.request.samples:,} samples, and "
            f"{self.request.fixed_share:.0%} of its time is the same however many it asks for."
        ]

    def _batches(self) -> Sequence[str]:
        """Larger batches, where cutting is the bottleneck and larger ones are cut faster."""
        cut, times = self.cut, self.seconds_per_sample
        if cut.larger_s is None or self.bottleneck != "cut":
            return []
        gain = cut.cut_s * LARGER / cut.larger_s
        if gain < GAIN:
            return []
        return [
            f"pass a larger batch_size: cutting takes {times['cut'] * 1e6:,.2f} µs a sample, and with "
            f"batch_size={LARGER * self.batch_size} {cut.larger_s / (LARGER * self.batch_size) * 1e6:,.2f}."
        ]

    def _steps(self) -> Sequence[str]:
        training = self.training
        if training is None or training.larger_rate is None or self.bottleneck != "training":
            return []
        if training.larger_rate < GAIN * training.step_rate:
            return []
        return [
            f"if the model learns as well from larger batches, pass batch_size={LARGER * self.batch_size}: training "
            f"takes {training.larger_rate:,.0f} samples/s then, instead of {training.step_rate:,.0f}."
        ]
