"""Samples cut into parts by a hash of their ids."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from rowfeed.plan.order import Positions


def parts(hashes: npt.NDArray[np.uint64], fractions: Sequence[float]) -> Iterator[Positions]:
    """Cut samples by their hash: part i takes the hashes in its fraction of 0…2^64.

    Yields: the ascending positions of each part, int64.
    """
    bounds = [0, *(int(min(1.0, share) * 2**64) for share in accumulate(fractions))]
    bounds[-1] = 2**64
    for low, high in pairwise(bounds):
        inside = (hashes >= np.uint64(low)) & (hashes <= np.uint64(high - 1)) if high > low else hashes != hashes
        yield np.flatnonzero(inside).astype(np.int64)


def hash_ids(ids: npt.NDArray[np.generic], salt: str) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each sample id, the same on every engine and machine: uint64 (samples,).

    Integers: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014) over the id plus the BLAKE2b-64 digest of the
    salt. Text: the BLAKE2b-64 digest of its UTF-8 bytes, keyed with the digest of the salt. Little-endian both.
    """
    key = hashlib.blake2b(salt.encode(), digest_size=8).digest()
    if ids.dtype.kind not in "iu":
        digests = (hashlib.blake2b(str(i).encode(), digest_size=8, key=key).digest() for i in ids)
        return np.frombuffer(b"".join(digests), "<u8")
    z = ids.astype(np.uint64) + np.frombuffer(key, "<u8")[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
