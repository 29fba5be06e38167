"""Which samples, in which order, in which window and batch: a pure function, numpy only.

The order, so that someone else can compute it
----------------------------------------------
Samples are numbered 0…count-1 in ascending order of their ids (integers by value, text by code point).

1. *Blocks.* The numbers are cut into runs of ``block = max(1, window // (16 * batch_size))`` neighbours; the last run
   may be shorter.
2. *Order of blocks.* Block b gets the b-th word of the random stream ``(seed, epoch, "blocks")``; blocks are sorted
   by their word, ties by b. One after the other they form the line of the epoch.
3. *Windows.* The line is cut into windows of ``window`` samples. This is a multiple of ``batch_size``; `choose_window`
   chooses it so that the last window is not much smaller. Within window w, the i-th sample of the line gets the i-th
   word of the stream ``(seed, epoch, "window", w)`` and samples are sorted by word, ties by i.
4. *Batches.* The result, windows one after the other, is cut into batches.

A stream ``(seed, epoch, *rest)`` is the result of ``numpy.random.Philox(key=k).random_raw()``, where k is the
BLAKE2b-128 digest, little-endian, of ``repr((seed, epoch, *rest))`` in ASCII. numpy promises that the raw words of its
bit generators stay the same; it does not promise that of ``Generator.permutation``.

Without ``shuffle`` the line is 0…count-1 and steps 2 and 3 do nothing.

Why 16 blocks a sample of a batch: a batch of m samples then learns like one of m / (1 + m / n) samples, even if all
samples of a block are alike (n distinct blocks in a window); n = 16 m keeps 94 % of m.
Source: L. Xu et al., "In-Database Machine Learning with CorgiPile", SIGMOD 2022.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
LastBatch = Literal["keep", "drop", "pad"]

MAX_WINDOW = 131_072
"""Samples in a window, at most: a larger one would delay the first batch and hardly mix better."""

BLOCKS_PER_BATCH_SAMPLE = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """The order of one feed.

    Args:
        count: The number of samples.
        batch_size: Samples in a batch.
        window: Samples in a window, a multiple of ``batch_size``.
        shuffle: Whether epochs are shuffled, each in its own order.
        seed: Any integer.
        last_batch: The treatment of the samples that do not fill a batch.
    """

    count: int
    batch_size: int
    window: int
    shuffle: bool = True
    seed: int = 0
    last_batch: LastBatch = "keep"

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(self.count, self.batch_size)
        return whole + (rest > 0 and self.last_batch != "drop")

    @property
    def block(self) -> int:
        """Samples in a block."""
        return max(1, self.window // (BLOCKS_PER_BATCH_SAMPLE * self.batch_size))

    @property
    def windows(self) -> int:
        """Windows in an epoch; samples that ``last_batch="drop"`` leaves out are in none."""
        return -(-self._used // self.window)

    @property
    def batches_per_window(self) -> int:
        return self.window // self.batch_size

    def requests(self, most: int) -> int:
        """The number of requests for the windows of an epoch, with at most `most` samples in each."""
        whole, rest = divmod(self._used, self.window)
        return whole * -(-self.window // most) + -(-rest // most)

    @property
    def _used(self) -> int:
        return min(self.count, len(self) * self.batch_size)

    def epoch(self, epoch: int) -> Epoch:
        """The order of one epoch, which costs 4 bytes a block (8 from 2^31 blocks up)."""
        return Epoch(self, int(epoch))


@dataclass(frozen=True, slots=True)
class Epoch:
    """The order of one epoch: positions of samples, window by window."""

    plan: Plan
    number: int
    _blocks: npt.NDArray[np.integer] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        plan = self.plan
        blocks = -(-int(plan.count) // plan.block)
        order: npt.NDArray[np.integer] = np.empty(0, np.int32)
        if plan.shuffle:
            order = _shuffled(blocks, plan.seed, self.number, "blocks")
        object.__setattr__(self, "_blocks", order)

    def window(self, window: int) -> Positions:
        """The positions of the samples of a window, in the order of its batches: int64 (samples,)."""
        plan = self.plan
        start = window * plan.window
        line = np.arange(start, min(start + plan.window, plan.count), dtype=np.int64)
        if self._blocks.size:
            line = self._block_line(line)
        if plan.shuffle:
            line = line[_shuffled(line.size, plan.seed, self.number, "window", window)]
        return line[: plan._used - start]

    def batch(self, batch: int) -> Positions:
        """The positions of the samples of a batch: int64 (at most batch_size,)."""
        window, index = divmod(batch, self.plan.batches_per_window)
        start = index * self.plan.batch_size
        return self.window(window)[start : start + self.plan.batch_size]

    def _block_line(self, line: Positions) -> Positions:
        """The positions of the samples at places of the line: all blocks have `block` samples except a short one."""
        block, blocks = self.plan.block, self._blocks
        gap = blocks.size * block - self.plan.count
        if gap:
            short = int(np.flatnonzero(blocks == blocks.size - 1)[0])
            line = np.where(line >= (short + 1) * block - gap, line + gap, line)
        return blocks[line // block].astype(np.int64) * block + line % block


def largest_window(memory_bytes: int, sample_bytes: int, batch_size: int) -> int:
    """Samples in a quarter of the memory, at most MAX_WINDOW, in whole batches; 0 if no batch fits.

    The other three quarters are for the next window, which is read while this one is used, for columns in transit, and
    for batches and the arrays made from them.
    """
    fits = memory_bytes // 4 // sample_bytes // batch_size
    return min(fits, max(1, MAX_WINDOW // batch_size)) * batch_size


def choose_window(memory_bytes: int, sample_bytes: int, batch_size: int, count: int) -> int:
    """Samples in a window of a feed of `count` samples: the most that fit, or fewer, so that all windows are alike.

    A short last window would have few blocks, and a model would learn from it last. Measured with
    benchmarks/learning.py on a table sorted by label, whose eleventh window had 17 blocks and the others 1,051: a
    linear model reached an accuracy of 0.615; with windows alike 0.647; with a full shuffle 0.650.
    """
    largest, batches = largest_window(memory_bytes, sample_bytes, batch_size), -(-count // batch_size)
    if not 0 < largest < count:
        return largest
    windows = -(-batches // (largest // batch_size))
    return -(-batches // windows) * batch_size


def stream_key(*parts: object) -> int:
    """The 128-bit key of a random stream; see the module's docstring."""
    plain = tuple(int(part) if isinstance(part, np.integer) else part for part in parts)
    return int.from_bytes(hashlib.blake2b(repr(plain).encode("ascii"), digest_size=16).digest(), "little")


def _shuffled(count: int, *stream: object) -> npt.NDArray[np.integer]:
    words = np.random.Philox(key=stream_key(*stream)).random_raw(count)
    order = np.argsort(words)  # five times as fast as a stable sort, and the same if no two words are equal
    ordered = words[order]
    if bool((ordered[1:] == ordered[:-1]).any()):
        order = np.argsort(words, kind="stable")
    return order.astype(np.int32 if count < 2**31 else np.int64)
