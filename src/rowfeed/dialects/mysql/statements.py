"""The texts of requests to MariaDB and MySQL: the wanted ids, written into a statement that is compiled once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from rowfeed.request.request import Request
from rowfeed.request.selection import Selection


@dataclass(frozen=True)
class Template:
    """The text before and after the wanted ids or ranges."""

    before: str
    after: str

    def most(self, longest: int, packet: int) -> int:
        """The number of ids or ranges of at most `longest` characters that a statement of `packet` bytes holds."""
        return max(1, (packet - len(self.before.encode()) - len(self.after.encode())) // (longest + 1))

    def statements(self, wanted: list[str], packet: int) -> Iterator[str]:
        """As few statements as possible, none longer than `packet` bytes."""
        step = self.most(max(map(len, wanted)), packet)
        for start in range(0, len(wanted), step):
            yield f"{self.before}{','.join(wanted[start : start + step])}{self.after}"


def template(
    selection: Selection,
    numbers: sa.Select[Any],
    literal: Callable[[sa.Select[Any]], str | None],
    ranges: str,
) -> Template | None:
    """A statement for requests of a selection; None if it has no literal form.

    Ranges of ids are joined as a table, and STRAIGHT_JOIN keeps its order: for each row of this table the server looks
    the range up in the index ("Range checked for each record"). An OR of ranges takes it many times as long.

    Args:
        selection: The selection.
        numbers: Its columns.
        literal: A function that gives the text of a query.
        ranges: The type of the ends of ranges; empty for ids one by one.
    """
    mark = f"rowfeed_{secrets.token_hex(8)}"
    sample = selection.subquery.c.sample
    if ranges:
        found = sa.table(mark, sa.column("low"), sa.column("high")).alias("w")
        joined = found.join(selection.subquery, sample.between(found.c.low, found.c.high))
        text = literal(numbers.select_from(joined).prefix_with("STRAIGHT_JOIN"))
        start, end = "JSON_TABLE('[", f"]', '$[*]' COLUMNS (low {ranges} PATH '$[0]', high {ranges} PATH '$[1]'))"
    else:
        text = literal(numbers.where(sample.in_([sa.literal_column(mark)])))
        start = end = ""
    if text is None or text.count(mark) != 1:
        return None
    before, after = text.split(mark)
    return Template(before + start, end + after)


def wanted(request: Request, ranges: bool) -> list[str]:
    """The ids of a request, or its ranges, in the form for a template."""
    if not ranges:
        return list(map(str, request.ids.tolist()))
    assert request.runs is not None
    return [f"[{low},{high}]" for low, high in np.stack(request.runs, 1).tolist()]


def type_of_ranges(request: Request, least: int) -> str:
    """The type of the ends of a request's ranges of `least` ids or more; empty if it is better to ask for ids."""
    if request.ranges(least) is None:
        return ""
    return "BIGINT UNSIGNED" if request.ids.dtype.kind == "u" else "BIGINT"
