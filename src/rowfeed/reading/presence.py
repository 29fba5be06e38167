"""No zeros without a reason: the samples that had rows when a feed was made must have rows when they are read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rowfeed.dialects.session import Session
from rowfeed.errors import DataError
from rowfeed.plan.order import Positions
from rowfeed.request.request import ColumnData
from rowfeed.request.selection import Selection
from rowfeed.values.ids import Ids


@dataclass(frozen=True, eq=False)
class Presence:
    """The samples that had rows in a table when the feed was made.

    Args:
        bits: A bit for each sample of the feed, packed; None: all samples had rows.
    """

    bits: npt.NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, found: Ids, ids: Ids) -> Presence:
        """The presence of a feed's samples in a table, whose ids are among those of the feed."""
        if found.size == ids.size:
            return cls()
        if ids.dtype.kind == "T":
            names = set(found.tolist())
            here = np.fromiter((name in names for name in ids.tolist()), bool, ids.size)
        else:
            here = np.zeros(ids.size, bool)
            here[np.searchsorted(ids, found.astype(ids.dtype))] = True
        return cls(np.packbits(here))

    def at(self, positions: Positions) -> npt.NDArray[np.bool_]:
        """Whether the samples at some positions had rows."""
        if self.bits is None:
            return np.ones(positions.size, bool)
        return np.asarray(self.bits[positions >> 3] & (128 >> (positions & 7)), bool)

    def cut(self, positions: Positions) -> Presence:
        """The presence of a feed of only these samples."""
        return self if self.bits is None else Presence(np.packbits(self.at(positions)))


def refuse_lost(session: Session, data: ColumnData, without: Positions, positions: Positions, known: Presence) -> None:
    """Refuse a reply without rows of samples that had rows when the feed was made.

    Rows that the policies of a layout drop are rows, too: the database is asked whether there are such.

    Args:
        session: The session of the reply.
        data: The reply.
        without: The samples without rows in it, as indexes into the ids of its request; at least one.
        positions: The position of each of the request's samples among the feed's.
        known: The samples that had rows.

    Raises:
        DataError: There are such samples. Names the first.
    """
    lost = without[known.at(positions[without])]
    selection = data.request.selection
    if lost.size and (selection.drop_nulls or selection.out_of_range == "drop"):
        lost = lost[~session.present(replace(data.request, ids=data.request.ids[lost]))]
    if not lost.size:
        return
    more = f" (and {lost.size - 1:,} more of its request)" if lost.size > 1 else ""
    raise DataError(
        f"expected rows of each sample, as {selection.source.label} had when the feed was made; got none at "
        f"{data.request.at(selection.sample, int(lost[0]))}{more}. Its rows were deleted since: make the feed again, "
        "or name its samples with samples=, which may be without rows."
    )


class Gleaning:
    """Which queries of a window had rows. Requests of several threads note theirs.

    Args:
        samples: The samples that each of them asks for.
        queries: The number of queries.
    """

    def __init__(self, samples: int, queries: int) -> None:
        self._lock = threading.Lock()
        self._left = [samples] * queries
        self.found = [False] * queries
        """Whether each query had a row."""

    def note(self, query: int, samples: int, rows: int) -> bool:
        """Note a reply. Whether the window is complete, and still without a row of this query."""
        with self._lock:
            self._left[query] -= samples
            self.found[query] |= rows > 0
            return self._left[query] <= 0 and not self.found[query]


def refuse_emptied(session: Session, selection: Selection) -> None:
    """Refuse a table that has no row now, but had some when the feed was made.

    Raises:
        DataError: It is so.
    """
    if selection.id_kind is not None and session.is_empty(selection.source):
        raise DataError(
            f"expected rows in {selection.source.label}, which had some when the feed was made; got an empty table. "
            "Fill it, and make the feed again."
        )


def refuse_barren(found: Sequence[bool], selections: Sequence[Selection], samples: int) -> None:
    """Refuse an epoch without a single row.

    Raises:
        DataError: No layout had a row.
    """
    if any(found):
        return
    tables = ", ".join(dict.fromkeys(f"{one.source.label}.{one.sample}" for one in selections))
    raise DataError(
        f"expected rows of the {samples:,} samples; got none in a whole epoch, at {tables}. Check samples=, where= and "
        "what the layouts drop."
    )
