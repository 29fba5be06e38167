"""The number of samples in a request, of which `Window.take` gives no connection more than its part of the window."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rowfeed.request.selection import Selection

ROW_BYTES = 64
"""Bytes of a row in transit, as text and as columns, without its values."""

VALUE_BYTES = 32
"""Additional bytes for each value; for text and bytes, their lengths come on top."""

FIRST_WIDTH = 1_024
"""The assumed length of text or bytes before the first request."""

FIRST_ROWS = 32_768
"""Rows of the first request, before anything is known of the engine's speed."""

TARGET_S = 0.15
"""Seconds that a request should take: long against the fixed cost of a query, short for the server."""

GROWTH = 4.0
"""The most by which a request may exceed the last one, as a factor."""

FIXED = 4.0
"""The least ratio of the time for rows to the time that a query takes for none: smaller requests would be no faster."""

MAX_SAMPLES = 65_536
"""The most samples in a request."""

MAX_SCANNED = 2**23
"""The most rows in the answer to a request that scans: engines have limits of 1 GB, and queries have a time limit."""

SORTED = 3
"""The factor by which sorting and combining the rows of cells takes more memory."""

SPARE = 1.25
"""The factor by which a request may be fuller than those before."""


@dataclass(frozen=True)
class Scan:
    """The scan of a request that reads a whole table or view, however few samples it asks for.

    Args:
        index: The CREATE INDEX for the missing index; None for a view or a selectable that the server cannot cut down.
        rows: The rows of the table, or of the answer if all samples are asked for.
        rows_per_sample: The rows of a sample, on average.
        most_ids: The number of samples that one statement may ask for.
        seconds: The duration of a request for one sample of a view or a selectable.
    """

    index: str | None
    rows: int
    rows_per_sample: float
    most_ids: int
    seconds: float = 0.0


class _Size:
    """The number of samples in a request, from the number of rows that it may have.

    Args:
        memory_bytes: The part of the memory for rows in transit.
        selection: The selection of the request.
        rows_per_sample: The assumed rows of a sample before the first request; then the fullest request so far counts.
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
            samples: The samples that it asked for.
            rows: The rows that came.
            value_bytes: The bytes of all their values.
            seconds: Its duration.
        """
        fullness = SPARE * max(rows, 1) / samples
        self._rows_per_sample = max(self._rows_per_sample, fullness) if self._seen else fullness
        if self._width:
            width = SPARE * value_bytes / max(rows, 1)
            self._width = max(self._width, width) if self._seen else max(1.0, width)
        self._seen = True


class RequestSize(_Size):
    """The number of samples in a request whose rows fit into a part of the memory, and take about `TARGET_S`.

    The first request assumes that every cell has a row; later requests depend on the fullest request so far, and on the
    speed of the last ones.

    Args:
        memory_bytes: The part of the memory for rows in transit.
        selection: The selection of the request.
        most_rows: The most rows of a request, except for requests of one sample.
        several: Whether a cell may have several rows: nobody knows how many. So the first request asks for one sample,
            and each for a few times as many as those before; and there is memory for sorting them.
    """

    def __init__(
        self, memory_bytes: int, selection: Selection, most_rows: float = math.inf, several: bool = False
    ) -> None:
        super().__init__(memory_bytes, selection, 1.0 if several else float(selection.cells))
        self._most_rows, self._several, self._largest = most_rows, several, 0
        self._fast_rows = float(FIRST_ROWS)
        self._last: tuple[int, float] | None = None
        self._fixed = (0.0, 0.0)

    @property
    def rows(self) -> int:
        return int(max(1, min(self._fast_rows, self._most_rows, self.fitting_rows)))

    @property
    def samples(self) -> int:
        most = max(1, int(GROWTH) * self._largest) if self._several else MAX_SAMPLES
        return min(most, MAX_SAMPLES, super().samples)

    @property
    def fitting_rows(self) -> int:
        return max(1, super().fitting_rows // (SORTED if self._several else 1))

    def observe(self, samples: int, rows: int, value_bytes: int, seconds: float) -> None:
        before, self._largest = self.rows, max(self._largest, samples)
        super().observe(samples, rows, value_bytes, seconds)
        if rows >= before / 4:  # a small one shows the cost of a query, not of its rows
            self._fixed = (self._fixed[1], self._fixed_s(rows, seconds))
            fixed = min(self._fixed)
            wanted = rows * min(GROWTH, max(TARGET_S, FIXED * fixed) / max(seconds - fixed, 1e-6))
            self._fast_rows = max(1, before / GROWTH, wanted)
            self._last = rows, seconds

    def _fixed_s(self, rows: int, seconds: float) -> float:
        """The seconds that a request takes for no rows, by this one and the last; two of them have to agree."""
        if self._last is None or not abs(self._last[0] - rows) >= max(self._last[0], rows) / 2:
            return self._fixed[1]
        slope = max(0.0, (self._last[1] - seconds) / (self._last[0] - rows))
        return max(0.0, min(seconds - slope * rows, self._last[1] - slope * self._last[0]))


class ScanSize(_Size):
    """The number of samples in a request that scans its table: as many as memory and a statement hold.

    If not all of the table's rows fit, samples are assumed to be average until requests have shown their rows.

    Args:
        memory_bytes: The part of the memory for rows in transit.
        selection: The selection of the request.
        scan: The scan of the table.
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
    """Bytes of a row in transit, as text and as columns.

    Args:
        selection: The selection.
        width: The bytes of its text and bytes, together; held twice, as objects and as a column.
    """
    return ROW_BYTES + VALUE_BYTES * len(selection.values) + 2 * width
