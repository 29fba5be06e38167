"""The bottleneck of a feed and the changes to make: arithmetic on its stats, from counted numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rowfeed.plan.order import BLOCKS_PER_BATCH_SAMPLE, largest_window
from rowfeed.reading.stats import Stats

WAITS = 0.05
"""Reading is the bottleneck if training waits for at least this share of its time. Below it, no change of reading could
win more than this, and two runs of the same training differ by as much."""

GAIN = 1.15
"""From this factor on, a run counts as faster: two runs of the same feed on a busy machine differ by up to a tenth."""

ENOUGH_WINDOWS = 2
"""The least number of windows for measuring the waiting of a long run; with fewer, it is computed."""

LARGER = 4
"""The factor for trying larger batches: a factor of 2 would show little against the noise."""

SERVER, INSIDE, DECODING, SCATTER = "database+network", "database+decoding", "decoding", "scatter"
CUTTING, TRANSFORM, TRAINING = "cutting", "transform", "training"

WORDS = {
    SERVER: "the wait for the answer, which the database makes and the network carries,",
    INSIDE: "the answer, which the engine makes and this process decodes,",
    DECODING: "decoding the answer, on this machine's CPU,",
    SCATTER: "putting values into the window",
    CUTTING: "cutting batches",
    TRANSFORM: "the transform",
}


@dataclass(frozen=True)
class Facts:
    """The arguments and properties of a feed, as far as advice needs them.

    Args:
        count: The number of samples.
        batch_size: Samples in a batch.
        window: Samples in a window.
        connections: The connections that it reads over; 1 if an index is missing.
        memory_bytes: Its argument of this name.
        sample_bytes: Bytes of a sample in all different layouts.
        index: The CREATE INDEX without which each request scans the table; None if there is one.
        remote: Whether the database is another process.
        layouts: The number of queries that read the layouts; stats count the samples of each.
        uncut_s: Seconds of a request for one sample of what the server cannot cut down; 0 if it can.
    """

    count: int
    batch_size: int
    window: int
    connections: int
    memory_bytes: int
    sample_bytes: int
    index: str | None
    remote: bool
    layouts: int = 1
    uncut_s: float = 0.0


@dataclass(frozen=True)
class Tried:
    """The feed with another argument, and unchanged, iterated in turn.

    Args:
        argument: Its name.
        value: The other value.
        samples_per_s: Samples a second with the other value.
        unchanged_per_s: Samples a second without it.
    """

    argument: str
    value: int
    samples_per_s: float
    unchanged_per_s: float


@dataclass(frozen=True)
class Verdict:
    """The verdict on a feed, from a stretch of its work.

    Args:
        did: The difference of two `feed.stats()`.
        elapsed_s: Seconds between them.
        facts: The facts of the feed.
        alike: Whether the stretch begins and ends at the same point of a window, or is long; else waiting and rate are
            computed.
        trains: Whether a model was trained on the batches; else they were discarded.
        earlier: Another difference, for the cost of reading if nothing was read in this one.
    """

    did: Stats
    elapsed_s: float
    facts: Facts
    alike: bool = True
    trains: bool = False
    earlier: Stats | None = None

    # Seconds and samples

    @property
    def read(self) -> Stats:
        """The difference that shows the cost of reading."""
        return self.did if self.did.requests or self.earlier is None else self.earlier

    @property
    def samples(self) -> float:
        """The samples in the batches that were given out, with the average batch of an epoch."""
        facts = self.facts
        return self.did.batches * facts.count / -(-facts.count // facts.batch_size)

    @property
    def reading(self) -> dict[str, float]:
        """Seconds a sample of each stage on the threads that read, on one connection."""
        read, samples = self.read, max(1, self.read.samples) / self.facts.layouts
        stages = {INSIDE: read.query_s}
        if self.facts.remote:
            cpu_s = min(read.query_s, read.query_cpu_s)
            stages = {SERVER: read.query_s - cpu_s, DECODING: cpu_s}
        return {stage: seconds / samples for stage, seconds in {**stages, SCATTER: read.scatter_s}.items()}

    @property
    def using(self) -> dict[str, float]:
        """Seconds a sample of each stage on the thread that iterates, without waiting."""
        did = self.did
        stages = {CUTTING: did.cut_s}
        if did.transform_s:
            stages[TRANSFORM] = did.transform_s
        if self.trains:
            own_s = self.elapsed_s - did.training_waited_s - did.cut_s - did.transform_s
            stages[TRAINING] = max(0.0, own_s)
        return {stage: seconds / max(1, self.samples) for stage, seconds in stages.items()}

    @property
    def reading_s(self) -> float:
        """Seconds a sample that reading takes, with all connections at work."""
        return sum(self.reading.values()) / self.facts.connections

    @property
    def measured(self) -> bool:
        """Whether there were enough windows to measure waiting and rate; else they follow from the stages' times."""
        return self.alike and self.did.windows >= ENOUGH_WINDOWS

    @property
    def waiting(self) -> float:
        """The share of time in a long run that the iterating thread waits for windows."""
        if self.measured:
            return min(1.0, self.did.training_waited_s / self.elapsed_s)
        return max(0.0, 1 - sum(self.using.values()) / self.reading_s) if self.reading_s else 0.0

    @property
    def samples_per_s(self) -> float:
        """Samples a second of a long run."""
        if self.measured:
            return self.samples / self.elapsed_s
        return 1 / max(self.reading_s, sum(self.using.values()), 1e-12)

    @property
    def bottleneck(self) -> str:
        """The stage that limits the rest: the largest of `reading` if it is waited for, else of `using`."""
        stages = self.using if self.waiting < WAITS else self.reading
        return max(stages, key=stages.__getitem__)

    @property
    def requests(self) -> int:
        """The requests in an epoch, for each layout."""
        return -(-self.facts.count * self.read.requests // max(1, self.read.samples))

    # Trials

    @property
    def trial(self) -> tuple[str, int] | None:
        """Another value of an argument that may be better. It must be tried: nothing else tells."""
        facts, stage = self.facts, self.bottleneck
        if stage in self.reading and facts.index is None and not facts.uncut_s:
            return "connections", 1 if facts.connections > 1 else 2
        if stage == CUTTING and LARGER * facts.batch_size <= min(facts.window, facts.count):
            return "batch_size", LARGER * facts.batch_size
        return None

    # In words

    def sentence(self, alone_per_s: float | None = None) -> str:
        """A sentence that names the bottleneck.

        Args:
            alone_per_s: Samples a second of the feed without training, if that was measured.
        """
        stage = self.bottleneck
        if stage == TRAINING:
            alone = "" if alone_per_s is None else f" of the {alone_per_s:,.0f} that the feed brings by itself"
            return (
                f"Training is the bottleneck: it waits for data {self.waiting:.1%} of its time and takes "
                f"{self.samples_per_s:,.0f} samples/s{alone}."
            )
        if stage in self.reading:
            share = self.reading[stage] / sum(self.reading.values())
            named = f"{WORDS[stage]} with {share:.0%} of a reading connection's time"
        else:
            beside = (
                f"training {1e6 * self.using[TRAINING]:.3g}" if self.trains else f"reading {1e6 * self.reading_s:.3g}"
            )
            named = f"{WORDS[stage]}: it takes {1e6 * self.using[stage]:.3g} µs a sample, {beside}"
        if not self.trains:
            return f"Of the feed, which brings {self.samples_per_s:,.0f} samples/s, the bottleneck is {named}."
        if stage in self.using:
            return f"The feed is the bottleneck, on the thread that trains. Most of it is {named}."
        how = "" if self.measured else ", as the rates of reading and training say"
        waits = f"training waits {self.waiting:.0%} of its time for it{how}"
        return f"The feed is the bottleneck, {waits}. Most of it is {named}."

    def changes(self, tried: Tried | None = None) -> Sequence[str]:
        """The changes to make, each with its number; one line that says so if there are none."""
        if self.bottleneck == TRAINING:
            waits = "never waits" if self.waiting < 0.005 else "hardly waits"
            return [f"nothing of the feed: training {waits} for data, {self.waiting:.1%} of its time."]
        found = [*self._index(), *self._tried(tried), *self._memory()]
        return found or ["nothing: no index is missing, and of connections, memory and batch size none was the limit."]

    def _index(self) -> Sequence[str]:
        if self.requests < 2 or self.bottleneck not in (SERVER, INSIDE):
            return []
        if self.facts.uncut_s:
            return [
                f"store it in a table with an index. The server cannot cut it down to some samples: each of the "
                f"{self.requests:,} requests of an epoch makes all of its rows, also one for a single sample, which "
                f"takes {self.facts.uncut_s:.2g} s."
            ]
        if self.facts.index is None:
            return []
        return [
            f"create the missing index. Each of the {self.requests:,} requests of an epoch scans the whole table "
            f"without it. {self.facts.index}"
        ]

    def _tried(self, tried: Tried | None) -> Sequence[str]:
        if tried is None:
            return []
        name, value, rate, unchanged = tried.argument, tried.value, tried.samples_per_s, tried.unchanged_per_s
        if rate > GAIN * unchanged:
            return [f"pass {name}={value}: {rate:,.0f} samples/s instead of {unchanged:,.0f}."]
        if name == "connections" and value < self.facts.connections and unchanged < GAIN * rate:
            return [
                f"pass connections={value}, which asks less of the database: {rate:,.0f} samples/s, and "
                f"{unchanged:,.0f} with {self.facts.connections}."
            ]
        return []

    def _memory(self) -> Sequence[str]:
        """More memory, if a window holds too few batches and more memory would let it hold more."""
        facts, size = self.facts, self.facts.batch_size
        wanted = min(BLOCKS_PER_BATCH_SAMPLE * size, -(-facts.count // size) * size)
        needed = 4 * facts.sample_bytes * wanted
        now, then = (largest_window(memory, facts.sample_bytes, size) for memory in (facts.memory_bytes, needed))
        if facts.window >= wanted or then <= now:
            return []
        return [
            f"pass memory_bytes={needed:,} or more. With {facts.memory_bytes:,} a window holds "
            f"{facts.window // size} batches, of the {BLOCKS_PER_BATCH_SAMPLE} that mix well."
        ]
