"""Scans of tables without an index that starts with the sample column, and of what a server cannot cut down."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from rowfeed.errors import MissingIndexWarning, SchemaError
from rowfeed.reading.sizes import Scan
from rowfeed.request.selection import Selection

FEW_ROWS = 100_000
"""Up to so many scanned rows an epoch, no index is asked for: all scans together take an engine about as long as one
request should (0.15 s). A table that grows is warned of when a feed is made of it then."""


@dataclass(frozen=True, eq=False)
class EpochScans:
    """The scans that an epoch of a feed takes for one query.

    Args:
        selection: The query, whose table lacks the index.
        scan: The scan of each request.
        samples: The most samples in a request.
        scans: The number of scans.
        once: Whether only the first epoch takes them, since later ones come from memory.
    """

    selection: Selection
    scan: Scan
    samples: int
    scans: int
    once: bool = False

    @property
    def reason(self) -> str:
        label, sample = self.selection.source.label, self.selection.sample
        if self.scan.index is not None:
            return f"{label} has no index that starts with {sample}"
        return f"the server cannot cut {label} down to some samples (one takes {self.scan.seconds:.2g} s)"

    @property
    def product(self) -> str:
        return f"{_counted(self.scan.rows, 'row')} × {_counted(self.scans, 'scan')}"

    @property
    def rows(self) -> int:
        """Rows that an epoch scans."""
        return self.scan.rows * self.scans


def check_scans(epoch: Sequence[EpochScans], most_rows: int | None) -> None:
    """Refuse more scanned rows than an epoch may take.

    Args:
        epoch: The scans for each query whose table lacks an index.
        most_rows: `max_scanned_rows` of the database.

    Raises:
        SchemaError: The sum of their rows is above `most_rows`.
    """
    rows = sum(each.rows for each in epoch)
    if most_rows is None or rows <= most_rows:
        return
    memory = any(each.scans > 1 and each.samples < each.scan.most_ids for each in epoch)
    raise SchemaError(
        f"expected at most max_scanned_rows={most_rows:,} rows scanned in an epoch; got "
        f"{' + '.join(each.product for each in epoch)} = {rows:,}, since "
        f"{', and '.join(dict.fromkeys(each.reason for each in epoch))}. {_remedies(epoch)}. Or pass "
        f"{'more memory_bytes, for fewer scans; or ' if memory else ''}max_scanned_rows=None to rowfeed.connect, to "
        "scan all the same."
    )


def warn_of_scans(each: EpochScans) -> None:
    """Warn of a missing index and its cost per epoch. The warning points to the calling line outside this package."""
    if each.scan.index is not None and each.rows <= FEW_ROWS:
        return
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].split(".")[0] == "rowfeed":
        level, frame = level + 1, frame.f_back
    portions = f", each for up to {_counted(each.samples, 'sample')}" if each.scans > 1 else ""
    when = "in the first epoch (later ones come from memory)" if each.once else "an epoch"
    work = "scans the whole table" if each.scan.index is not None else "makes all of its rows"
    warnings.warn(
        f"{each.reason}, so each request {work}: {_counted(each.scans, 'scan')} of "
        f"{_counted(each.scan.rows, 'row')} {when}{portions}. {_remedies([each])}",
        MissingIndexWarning,
        stacklevel=level,
    )


def _remedies(epoch: Sequence[EpochScans]) -> str:
    """What to do, for all queries of an epoch."""
    indexes = "; ".join(dict.fromkeys(each.scan.index for each in epoch if each.scan.index is not None))
    uncut = dict.fromkeys(each.selection for each in epoch if each.scan.index is None)
    stored = [f"Store {one.source.label} in a table with an index that starts with {one.sample}" for one in uncut]
    return ". ".join([*([f"Create one: {indexes}"] if indexes else []), *stored])


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + "s" * (number != 1)
