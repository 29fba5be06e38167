"""A number for a set of samples, whatever their order: equal sets, equal digests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

WORD = 2**64


def samples(parts: Sequence[npt.NDArray[np.float32]]) -> int:
    """The digest of the samples of a batch: the sum of a 64-bit hash of each sample's bytes, modulo 2^64.

    Args:
        parts: The arrays of a batch, float32 `(samples, …)` each: `(x,)`, or `(x, label)`.
    """
    words = [np.ascontiguousarray(part, np.float32).view(np.uint32).reshape(len(part), -1) for part in parts]
    hashes = np.zeros(len(parts[0]), np.uint64)
    first = 0
    for part in words:
        hashes += (part.astype(np.uint64) * _factors(first, part.shape[1])).sum(axis=1, dtype=np.uint64)
        first += part.shape[1]
    return int(_mixed(hashes).sum(dtype=np.uint64))


def total(digests: Iterable[int]) -> str:
    """The digest of several batches together, in hexadecimal digits."""
    return f"{sum(digests) % WORD:016x}"


def _factors(first: int, count: int) -> npt.NDArray[np.uint64]:
    """An odd factor for each place in a sample, so that a value in another cell is another sample."""
    return _mixed(np.arange(first + 1, first + count + 1, dtype=np.uint64)) | np.uint64(1)


def _mixed(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
