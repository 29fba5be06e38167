"""How many samples a request may have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rowfeed.request.selection import Selection

ROW_BYTES = 64
"""What a row on its way takes as text and as columns, without its values."""

VALUE_BYTES = 32
"""What each of its values takes more."""

FIRST_ROWS = 32_768
"""Rows of the first request, before anything is known of the engine's speed."""

TARGET_S = 0.15
"""How long a request should take: long beside what a query costs in itself, short for the server."""

GROWTH = 4.0
"""How much larger than the last a request may be, at most."""

MAX_SAMPLES = 65_536
"""Samples in a request, at most."""

MAX_SCANNED = 2**23
"""Rows of the answer to a request that scans, at most: engines have limits of 1 GB, and queries one of time."""

SPARE = 1.25
"""How much fuller than those before a request may come."""


@dataclass(frozen=True)
class Scan:
    """What a request reads of a table without an index that starts with the sample column: all of it.

    Args:
        index: The CREATE INDEX that is missing.
        rows: Of the table.
        rows_per_sample: Of those, on average.
        most_ids: How many samples a single statement may ask for.
    """

    index: str
    rows: int
    rows_per_sample: float
    most_ids: int


class _Size:
    """How many samples a request may have: so many that their rows are as many as it may have.

    Args:
        rows: How many those are.
        rows_per_sample: What a sample is taken to have until a request has told; then it is the fullest so far.
    """

    def __init__(self, rows: int, rows_per_sample: float) -> None:
        self._rows = rows
        self._rows_per_sample = rows_per_sample
        self._seen = False

    @property
    def samples(self) -> int:
        return int(max(1, self._rows // max(self._rows_per_sample, 1e-3)))

    def observe(self, samples: int, rows: int, seconds: float) -> None:
        """Learn from a request."""
        fullness = SPARE * max(rows, 1) / samples
        self._rows_per_sample = max(self._rows_per_sample, fullness) if self._seen else fullness
        self._seen = True


class RequestSize(_Size):
    """How many samples a request may have: its rows fit in a share of the memory, and take about `TARGET_S`.

    The first request assumes that every cell has a row; later ones go by the fullest request so far, and by how fast
    the last ones were.

    Args:
        memory_bytes: The share of the memory.
        selection: What is asked for.
        most_rows: No request is to have more, but for those of one sample.
    """

    def __init__(self, memory_bytes: int, selection: Selection, most_rows: float = math.inf) -> None:
        self._most_rows = int(max(1, min(most_rows, memory_bytes // row_bytes(selection))))
        super().__init__(min(FIRST_ROWS, self._most_rows), float(selection.cells))

    @property
    def samples(self) -> int:
        return min(MAX_SAMPLES, super().samples)

    def observe(self, samples: int, rows: int, seconds: float) -> None:
        super().observe(samples, rows, seconds)
        if rows >= self._rows / 4:  # a small one tells of the cost of a query, not of its rows
            wanted = rows * min(GROWTH, TARGET_S / max(seconds, 1e-6))
            self._rows = int(min(self._most_rows, max(1, self._rows / GROWTH, wanted)))


class ScanSize(_Size):
    """How many samples a request may have that scans its table: all that memory and a statement hold.

    Where not all of the table's rows fit, samples are taken for average ones until requests have told.

    Args:
        memory_bytes: The share of the memory.
        selection: What is asked for.
        scan: The table.
    """

    def __init__(self, memory_bytes: int, selection: Selection, scan: Scan) -> None:
        super().__init__(max(1, min(MAX_SCANNED, memory_bytes // row_bytes(selection))), SPARE * scan.rows_per_sample)
        self._scan = scan

    @property
    def samples(self) -> int:
        whole = self._scan.rows <= self._rows
        return self._scan.most_ids if whole else min(self._scan.most_ids, super().samples)


def row_bytes(selection: Selection) -> int:
    """What a row takes on its way, as text and as columns."""
    return ROW_BYTES + VALUE_BYTES * len(selection.values)
