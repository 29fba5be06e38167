"""The samples of a small feed stay in memory once they were read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rowfeed.access.forks import short_lock
from rowfeed.layouts.base import Array, Layout
from rowfeed.plan.order import Positions


class Store:
    """Room for all samples of a feed. The windows of the first epoch are parts of it, one behind the other.

    Args:
        count: The number of samples.
        layouts: The different layouts.
        queries: The number of queries that read them.
    """

    def __init__(self, count: int, layouts: Sequence[Layout], queries: int) -> None:
        self.arrays: list[Array] = [layout.empty(count) for layout in layouts]
        """The samples of each layout, in the order in which they were read."""
        self.places = np.full(count, -1, np.int64)
        """The place of each sample in the arrays, by its position among the feed's ids; -1: not read yet."""
        self.used = 0
        self.found = [False] * queries
        """Whether each query had a row."""


class Kept:
    """The samples that were read: later epochs need no query for them. A pickle or a deep copy has none of them.

    Args:
        count: The number of samples.
        layouts: The different layouts.
        queries: The number of queries that read them.
    """

    def __init__(self, count: int, layouts: Sequence[Layout], queries: int) -> None:
        self._count, self._layouts, self._queries = count, layouts, queries
        self._store: Store | None = None

    def __reduce__(self) -> tuple[type[Kept], tuple[int, Sequence[Layout], int]]:
        return Kept, (self._count, self._layouts, self._queries)

    def has(self, layouts: Sequence[Layout]) -> bool:
        """Whether it is of these layouts."""
        return list(layouts) == list(self._layouts)

    def room(self, positions: Positions, before: Sequence[Held]) -> Held:
        """The places of a window's samples: known ones, and new ones for samples that were not read yet.

        Places are used once, so that they are blank. If none are left, since windows were given up or two iterators
        read the same samples, all begins anew.

        Args:
            positions: The positions of the samples.
            before: The windows that come before this one, to the same consumer: when it gets this one, they are read.
        """
        with short_lock:
            if self._store is not None:
                known = self._store.places
                for held in before:
                    known = held.added_to(self._store, known)
                places = known[positions]
                new = np.flatnonzero(places < 0)
            if self._store is None or self._store.used + new.size > self._count:
                self._store = Store(self._count, self._layouts, self._queries)
                places, new = np.empty(positions.size, np.int64), np.arange(positions.size)
            start = self._store.used
            self._store.used += new.size
            places[new] = np.arange(start, start + new.size)
            return Held(self._store, positions, places, new)


class Held:
    """The places of a window's samples in a store.

    Args:
        store: The store.
        positions: The positions of the samples.
        places: Their places: (samples,).
        new: The samples that must be read, as ascending indexes into `positions`.
    """

    def __init__(self, store: Store, positions: Positions, places: Positions, new: Positions) -> None:
        self._store, self._positions = store, positions
        self.new = new
        whole = new.size == positions.size
        start = int(places[0]) if places.size else 0
        self.arrays = [array[start : start + places.size] for array in store.arrays] if whole else store.arrays
        """Of each layout, the samples of a window that is all new, in its order; else those of the store."""
        self.places = None if whole else places
        """The places of the window's samples in the arrays; None: they are in order."""
        self._all_places = places
        self.complete = False
        """Whether it was read, and its places are known."""

    def added_to(self, store: Store, places: Positions) -> Positions:
        """Known places and those of this window, if it belongs to the store and is not among them yet."""
        if self._store is not store or self.complete:
            return places
        both = places.copy()
        both[self._positions] = self._all_places
        return both

    def found(self, found: Sequence[bool]) -> list[bool]:
        """Whether each query had a row, for this window or earlier ones."""
        return [one or other for one, other in zip(found, self._store.found, strict=True)]

    def keep(self, found: Sequence[bool]) -> None:
        """The window is complete: later windows find its samples."""
        self.complete = True
        self._store.found = self.found(found)
        self._store.places[self._positions] = self._all_places
