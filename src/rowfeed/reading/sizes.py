"""How many samples a request may have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rowfeed.request.selection import Selection

ROW_BYTES = 64
"""What a row on its way takes as text and as columns, without its values."""

VALUE_BYTES = 32
"""What each of its values takes more; of text and bytes, beside what they are long."""

FIRST_WIDTH = 1_024
"""How long a text, or bytes, is taken to be until a request has told."""

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
        memory_bytes: The share of the memory for rows on their way.
        selection: What is asked for.
        rows_per_sample: What a sample is taken to have until a request has told; then it is the fullest so far.
    """

    def __init__(self, memory_bytes: int, selection: Selection, rows_per_sample: float) -> None:
        self._memory_bytes, self._selection = memory_bytes, selection
        self._width = 0.0 if all(kind.is_fixed for kind in selection.value_kinds) else float(FIRST_WIDTH)
        self._rows_per_sample = rows_per_sample
        self._seen = False

    @property
    def fitting_rows(self) -> int:
        """Rows that fit into the memory."""
        return int(max(1, self._memory_bytes // row_bytes(self._selection, self._width)))

    @property
    def rows(self) -> int:
        """Rows that a request may have."""
        return self.fitting_rows

    @property
    def samples(self) -> int:
        return int(max(1, self.rows // max(self._rows_per_sample, 1e-3)))

    def observe(self, samples: int, rows: int, value_bytes: int, seconds: float) -> None:
        """Learn from a request.

        Args:
            samples: That it asked for.
            rows: That came.
            value_bytes: Of all of their values.
            seconds: That it took.
        """
        fullness = SPARE * max(rows, 1) / samples
        self._rows_per_sample = max(self._rows_per_sample, fullness) if self._seen else fullness
        if self._width:
            width = SPARE * value_bytes / max(rows, 1)
            self._width = max(self._width, width) if self._seen else max(1.0, width)
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
        super().__init__(memory_bytes, selection, float(selection.cells))
        self._most_rows = most_rows
        self._fast_rows = float(FIRST_ROWS)

    @property
    def rows(self) -> int:
        return int(max(1, min(self._fast_rows, self._most_rows, self.fitting_rows)))

    @property
    def samples(self) -> int:
        return min(MAX_SAMPLES, super().samples)

    def observe(self, samples: int, rows: int, value_bytes: int, seconds: float) -> None:
        before = self.rows
        super().observe(samples, rows, value_bytes, seconds)
        if rows >= before / 4:  # a small one tells of the cost of a query, not of its rows
            wanted = rows * min(GROWTH, TARGET_S / max(seconds, 1e-6))
            self._fast_rows = max(1, before / GROWTH, wanted)


class ScanSize(_Size):
    """How many samples a request may have that scans its table: all that memory and a statement hold.

    If not all of the table's rows fit, samples are taken for average ones until requests have told.

    Args:
        memory_bytes: The share of the memory.
        selection: What is asked for.
        scan: The table.
    """

    def __init__(self, memory_bytes: int, selection: Selection, scan: Scan) -> None:
        super().__init__(memory_bytes, selection, SPARE * scan.rows_per_sample)
        self._scan = scan

    @property
    def rows(self) -> int:
        return min(MAX_SCANNED, self.fitting_rows)

    @property
    def samples(self) -> int:
        whole = self._scan.rows <= self.rows
        return self._scan.most_ids if whole else min(self._scan.most_ids, super().samples)


def row_bytes(selection: Selection, width: float = 0.0) -> float:
    """Bytes that a row takes on its way, as text and as columns.

    Args:
        selection: What is read.
        width: Of its text and bytes, together; held twice, as objects and as a column.
    """
    return ROW_BYTES + VALUE_BYTES * len(selection.values) + 2 * width
