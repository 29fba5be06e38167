"""`Feed`: the batches that training iterates over. Joins the other modules, and does no work itself."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from inspect import signature
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from rowfeed.access.forks import short_lock
from rowfeed.database.database import Database, connect
from rowfeed.errors import ArgumentError
from rowfeed.feed.options import Options
from rowfeed.feed.samples import SamplesLike
from rowfeed.feed.scans import EpochScans, check_scans, warn_of_scans
from rowfeed.feed.survey import Query, Survey, survey
from rowfeed.layouts.structure import Batch, Layouts
from rowfeed.messages import brief, discreet
from rowfeed.plan.order import LastBatch, Plan, choose_window, largest_window
from rowfeed.plan.split import hash_ids, parts
from rowfeed.reading.batches import Batches
from rowfeed.reading.kept import Kept
from rowfeed.reading.sizes import RequestSize, ScanSize
from rowfeed.reading.stats import Counters, Stats
from rowfeed.reading.stream import Stream
from rowfeed.reading.transform import Transform
from rowfeed.reading.window import Read
from rowfeed.values.ids import Ids

if TYPE_CHECKING:
    from rowfeed.keras import KerasFeed

DEFAULT_MEMORY_BYTES = 256 * 2**20


class Feed:
    """Batches of samples from a database, in a reproducible order, in bounded memory.

    Each sample comes exactly once per epoch. The order is a function of the seed, the epoch, the sample ids,
    `batch_size`, `shuffle` and the window (`rowfeed.plan.order` has the full rule). Threads, connections and the engine
    cannot change it.

    How it works: the epoch is cut into windows. The samples of a window are drawn in random blocks from the whole
    table. A few queries on `connections` connections read them, and every sample is written straight into its shuffled
    slot. While one window is cut into batches, the next window is read.

    Args:
        db: The database: `rowfeed.connect(url)`.
        x: A layout, or a dict of layouts for several inputs. Equal layouts are read once.
        y: The same for targets. None: batches are only `x`.
        sample_weight: The same for weights; needs `y`.
        samples: The samples of the feed. None: the distinct sample ids of `x`'s tables; each must still have rows when
            it is read. A sequence or array of ids: exactly these; an id without rows is a sample too, as long as others
            have some. `rowfeed.Samples(table, column)`: another table's key. Ids are
            integers, text, `uuid.UUID`, `bytes` or `datetime.date` objects; the last three also as `str(uuid)`,
            `.hex()` and `.isoformat()`.
        batch_size: Samples in a batch.
        shuffle: True: a new order each epoch. False: ascending sample ids.
        seed: Any integer; the order of epoch e depends on (seed, e).
        last_batch: How to treat samples that do not fill a batch: `keep` a smaller batch, `drop` them, or `pad` with
            `fill`. With `pad`, batches are `(x, y, sample_weight)`: padding weighs 0, and the real rows of the padded
            batch weigh batch_size / real rows, so that a mean over the batch is the mean over the real rows.
        transform: `transform(batch, rng) -> batch`, run on each batch. `rng` is a `numpy.random.Generator` that
            depends only on (seed, epoch, batch number).
        memory_bytes: The bytes that a running epoch may hold in memory: a quarter each for the window in use, the
            window that is being read, rows in transit, and batches. With `shuffle`, the size of the window is part of
            the order.
        connections: The most database connections.
        cache: `"memory"`: if all samples fit in a quarter of `memory_bytes`, each is read once, and later epochs come
            from memory. What changes in the database after that is not seen: make a new feed. None: each epoch is
            read from the database.

    Raises:
        ArgumentError: An argument cannot be right.
        SchemaError: A table or column is missing, or an epoch would scan more than `max_scanned_rows` of
            `rowfeed.connect`.
        DataError: There is no sample, or a sample id is NULL. While reading: a row breaks a promise of its layout, or
            rows were deleted.
        DatabaseError: The database refused or failed.

    Cost:
        Creating a feed lists the sample ids: one query, 8 bytes a sample. An epoch adds 4 bytes a block. If an index is
        missing, the rows of the table are counted and one sample is read, once.

    Example:
        ```python
        grid = rowfeed.Grid("USER_MATRIX", sample="user_id", axes=("x", "y"), value="value", shape=(4, 4))
        feed = rowfeed.Feed(rowfeed.connect("sqlite:///games.db"), x=grid, y=grid, batch_size=20)
        for x, y in feed:
            print(x.shape)
        ```
    """

    @discreet
    def __init__(
        self,
        db: Database,
        x: Layouts,
        y: Layouts | None = None,
        sample_weight: Layouts | None = None,
        *,
        samples: SamplesLike = None,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int = 0,
        last_batch: LastBatch = "keep",
        transform: Transform | None = None,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        connections: int = 2,
        cache: str | None = "memory",
    ) -> None:
        options = Options(
            db,
            x,
            y,
            sample_weight,
            samples,
            batch_size,
            shuffle,
            seed,
            last_batch,
            transform,
            memory_bytes,
            connections,
            cache,
        )
        self._set_up(options, "", None)

    def _set_up(self, options: Options, lineage: str, known: Survey | None, kept: Kept | None = None) -> None:
        self._options, self._lineage, self._epochs_begun = options, lineage, 0
        structure, counters = options.structure, Counters()
        self._refuse_samples_too_large()
        self._survey = survey(options, known, counters)
        ids = self._survey.ids
        window = choose_window(options.memory_bytes, structure.sample_bytes, options.batch_size, ids.size)
        plan = Plan(ids.size, options.batch_size, window, options.shuffle, options.seed, options.last_batch)
        if not len(plan):
            raise ArgumentError(
                f'expected at least one whole batch of {options.batch_size} with last_batch="drop"; got {ids.size} '
                'samples. Pass a smaller batch_size, or last_batch="keep".'
            )
        connections = 1 if any(query.scan for query in self._survey.queries) else options.connections
        reads = [self._read(query, connections) for query in self._survey.queries]
        if not self._fits():
            kept = None
        elif kept is None or not kept.has(structure.layouts):
            kept = Kept(ids.size, structure.layouts, len(reads))
        scans = [
            EpochScans(
                read.selection,
                read.scan,
                min(read.size.samples, window),
                plan.requests(read.size.samples),
                once=kept is not None,
            )
            for read in reads
            if read.scan is not None
        ]
        check_scans(scans, options.address.max_scanned_rows)
        for each in scans:
            if not (known and each.selection.source in known.scanned):
                warn_of_scans(each)
        self._stream = Stream(
            options.address, ids, plan, structure, reads, connections, options.transform, counters, kept
        )

    def _fits(self) -> bool:
        """Whether all samples stay in memory. Of text and objects it is not known how much they would take."""
        options, structure = self._options, self._options.structure
        fixed = not any(np.dtype(layout.dtype).hasobject for layout in structure.layouts)
        size = self._survey.ids.size * structure.sample_bytes
        return options.cache == "memory" and fixed and size <= options.memory_bytes // 4

    def _read(self, query: Query, connections: int) -> Read:
        """The way to read a query. The connections share the memory for rows in transit, and the rate."""
        selection, scan = query.shared.selection, query.scan
        presence = self._survey.origins.get((selection.source, selection.sample))
        numbers = {layout: number for number, layout in enumerate(self._options.structure.layouts)}
        parts = {numbers[part.layout]: part for part in query.shared.parts}
        room = self._options.memory_bytes // 4 // connections
        if scan is not None:
            return Read(selection, parts, ScanSize(room, selection, scan), scan, presence)
        rate = self._options.address.throttle.rows_per_s / connections
        several = math.isinf(query.shared.rows_per_sample)
        return Read(selection, parts, RequestSize(room, selection, rate, several), None, presence)

    def _refuse_samples_too_large(self) -> None:
        """Refuse samples so large that the memory does not hold a batch."""
        options, structure = self._options, self._options.structure
        sample_bytes = structure.sample_bytes
        if not largest_window(options.memory_bytes, sample_bytes, options.batch_size):
            shapes = ", ".join(f"{layout.sample_shape} {layout.dtype}" for layout in structure.layouts)
            needed = 4 * sample_bytes * options.batch_size
            raise ArgumentError(
                f"expected a batch in a quarter of memory_bytes; got batch_size={options.batch_size} samples of "
                f"{sample_bytes:,} bytes ({shapes}), 4 × {options.batch_size} × {sample_bytes:,} = {needed:,} bytes, "
                f"and memory_bytes={options.memory_bytes:,}. Pass a smaller shape or batch_size, or more memory_bytes."
            )

    # What training iterates over

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._stream)

    def __iter__(self) -> Batches:
        """The next epoch: the first call gives epoch 0, the second call epoch 1."""
        with short_lock:
            epoch = self._epochs_begun
            self._epochs_begun += 1
        return self.batches(epoch)

    @discreet
    def batches(self, epoch: int = 0, start: int = 0) -> Batches:
        """The batches of one epoch, from batch `start` on; the same at every call.

        Yields:
            `x`, `(x, y)` or `(x, y, sample_weight)`: C-contiguous arrays `(batch, *sample_shape)`, or dicts of them.
        """
        _check_counts(epoch=epoch, start=start)
        return self._stream.batches(epoch, start)

    def arrays(self) -> Batch:
        """All samples in RAM, in ascending order of their ids, for small feeds. No `transform`, no padding.

        Returns:
            The same structure as a batch: arrays `(samples, *sample_shape)`.

        Raises:
            ArgumentError: They would not fit into this machine's memory.
        """
        count = self.sample_ids.size
        size = count * sum(layout.sample_bytes for layout in self._options.structure.all_layouts)
        if size > (memory := _physical_memory()):
            raise ArgumentError(
                f"expected arrays that fit into {memory:,} bytes of memory; got {count:,} samples, together "
                f"{size:,} bytes. Iterate over the feed instead."
            )
        return replace(self._stream, plan=Plan(count, count, count, shuffle=False), transform=None).all()

    # Which samples

    @property
    def sample_ids(self) -> Ids:
        """The sample ids, ascending and read-only.

        int64, or uint64 if one is above 2^63 - 1; or text as numpy StringDType: UUIDs are `str(uuid)`, bytes
        `.hex()`, dates `.isoformat()`.
        """
        return self._stream.ids

    @discreet
    def batch_ids(self, epoch: int, batch: int) -> Ids:
        """The sample ids of a batch, in its order. Padding has no ids."""
        _check_counts(epoch=epoch, batch=batch)
        if not batch < len(self):
            raise ArgumentError(f"expected a batch in 0..{len(self) - 1}; got batch={brief(batch)}.")
        return self.sample_ids[self._stream.plan.epoch(epoch).batch(batch)]

    # Other feeds

    @discreet
    def split(self, *fractions: float, salt: str = "") -> tuple[Feed, ...]:
        """Cut the samples into feeds by a hash of their ids.

        A sample's side depends only on its id and the salt. It is the same on every engine, and stays if other samples
        are added. So the sizes are near the fractions, not exact. A split of a split hashes anew.

        Args:
            fractions: Positive, with a sum of 1: `split(0.8, 0.2)`.
            salt: Any text; another salt gives another split.

        Returns:
            A feed per fraction.

        Raises:
            ArgumentError: The fractions are not positive with a sum of 1, or one side has no sample.
        """
        real = bool(fractions) and all(isinstance(f, (int, float, np.integer, np.floating)) for f in fractions)
        if not real or not all(f > 0 for f in fractions) or abs(sum(fractions) - 1) > 1e-9:
            total = f", sum {sum(fractions):g}" if real else ""
            raise ArgumentError(
                f"expected positive fractions with a sum of 1; got {brief(fractions)}{total}. "
                "For example split(0.8, 0.2)."
            )
        if not isinstance(salt, str):
            raise ArgumentError(f"expected text; got salt={brief(salt)}. Any text will do.")
        path = f"{self._lineage}/{salt}"
        feeds = []
        ids = self.sample_ids
        for index, positions in enumerate(parts(hash_ids(ids, path), fractions)):
            if not positions.size:
                raise ArgumentError(
                    f"expected samples on every side; got none for fraction {fractions[index]} of {ids.size} "
                    "samples. Pass larger fractions, another salt, or more samples."
                )
            feeds.append(self._derive(self._options, f"{path}:{index}", self._survey.cut(positions)))
        return tuple(feeds)

    @discreet
    def replace(self, **changes: Any) -> Feed:
        """The same feed with other arguments, for example `feed.replace(shuffle=False)`.

        The samples stay the same, also for one side of a split, unless `samples` or `db` is among the changes. With the
        same layouts, those that were read stay in memory for both feeds (see `cache`).
        """
        known = [field.name for field in fields(Options)]
        unknown = next((name for name in changes if name not in known), None)
        if unknown is not None:
            raise ArgumentError(f"expected arguments of Feed; got {brief(unknown)}. {_way_out(unknown, known)}")
        options = replace(self._options, **changes)
        if "samples" in changes or "db" in changes:
            return self._derive(options, "", None)
        return self._derive(options, self._lineage, self._survey, self._stream.kept)

    def _derive(self, options: Options, lineage: str, known: Survey | None, kept: Kept | None = None) -> Feed:
        feed = object.__new__(Feed)
        feed._set_up(options, lineage, known, kept)
        return feed

    # Into frameworks

    def to_keras(self) -> KerasFeed:
        """The feed for `model.fit`, `evaluate` and `predict` of Keras: see `rowfeed.keras.KerasFeed`."""
        from rowfeed.keras import KerasFeed

        return KerasFeed(self._stream)

    @property
    def __array__(self) -> NoReturn:
        """There is none. Keras looks here whether its data are arrays, so this is where it is told what they are."""
        if sys._getframe(1).f_globals.get("__name__", "").startswith("keras."):
            raise ArgumentError(
                f"expected a Keras dataset; got {self!r}. Pass feed.to_keras(), as in model.fit(feed.to_keras()); "
                "small feeds also give plain arrays, feed.arrays()."
            )
        raise AttributeError("'Feed' object has no attribute '__array__'")

    def stats(self) -> Stats:
        """The counters of this feed since it was made: all that it has read, and the waiting times."""
        return self._stream.counters.snapshot()

    def __repr__(self) -> str:
        options = self._options
        tables = ", ".join(dict.fromkeys(layout.source.label for layout in options.structure.layouts))
        if not hasattr(self, "_stream"):  # a traceback that shows locals may have a feed that could not be made
            return f"<Feed of {tables}>"
        kept = ", kept in memory" if self._stream.kept else ""
        samples = f"{self.sample_ids.size:,} samples, {len(self):,} batches of {options.batch_size}"
        return f"<Feed of {tables}: {samples}{kept}>"


def _check_counts(**counts: Any) -> None:
    for name, value in counts.items():
        if not isinstance(value, (int, np.integer)) or value < 0:
            raise ArgumentError(f"expected 0 or more; got {name}={brief(value)}. Count from 0.")


def _way_out(name: str, known: Sequence[str]) -> str:
    """The remedy for an argument that a feed does not have: the intended argument, or its right place."""
    if name in signature(connect).parameters:
        return "It is one of rowfeed.connect: pass db=rowfeed.connect(…)."
    close = get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(sorted(known))}."


def _physical_memory() -> float:
    """Bytes of RAM in this machine; infinite if that is unknown."""
    if not hasattr(os, "sysconf"):
        return float("inf")
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
