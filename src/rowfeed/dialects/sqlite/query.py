"""SQLite's aggregate: its expressions, and columns from the text that it prints."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.sql.operators import custom_op

from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Indexes, Selection
from rowfeed.values.numbers import to_dtype


def foldable(request: Request) -> bool:
    """Whether (id - first id) · cells + cell stays far from the end of 64 bits."""
    if request.ids.dtype.kind != "i":
        return False
    return (int(request.ids[-1]) - int(request.ids[0]) + 1) * request.selection.cells < 2**62


RUN_OF = 8
"""From this many neighbours on, a range beats its ids: a step to a range costs about 5 us, to an id 0.7 (measured)."""


def wanted(query: sa.Select[Any], request: Request) -> tuple[sa.Select[Any], dict[str, Any]]:
    """A query for only a request's rows, and its bound values.

    Ids are wanted by IN: SQLite then uses an index if there is one, else one scan; a join would scan for every id. Runs
    of neighbours are wanted by a join with their ends, which needs an index.
    """
    selection = request.selection
    rows = selection.subquery
    found = sa.func.json_each(sa.bindparam("rowfeed_ids")).table_valued("value", name="w")
    ranges = request.ranges(RUN_OF)
    if ranges is None:
        query = query.where(rows.c.sample.in_(sa.select(found.c.value)))
        listed = request.ids.tolist()
    else:
        low, high = (sa.func.json_extract(found.c.value, sa.literal_column(f"'$[{end}]'")) for end in (0, 1))
        query = query.select_from(found.join(rows, rows.c.sample.between(low, high)))
        listed = np.stack(ranges, 1).tolist()
    query = query.where(*_inside_axes(selection))
    return query, {"rowfeed_ids": json.dumps(listed, ensure_ascii=False)}


def _inside_axes(selection: Selection) -> list[sa.ColumnElement[bool]]:
    """The conditions for rows that count, with `out_of_range="drop"`."""
    rows, conditions = selection.subquery, list[sa.ColumnElement[bool]]()
    if selection.out_of_range == "drop":
        for index, axis in enumerate(selection.axes):
            column = rows.c[f"axis{index}"]
            other = sa.func.typeof(column) != sa.literal_column("'integer'")
            conditions.append(sa.or_(column.between(number(0), number(axis.size - 1)), other))
    return conditions


WITHOUT_AFFINITY = custom_op[Any]("+")
"""Unary plus: the text '1' in a TEXT column stays text and is not compared as a number."""


def number(value: float) -> sa.ColumnElement[Any]:
    """A number as SQL text."""
    return sa.literal_column(repr(value))


def cell_of(selection: Selection) -> tuple[sa.ColumnElement[bool] | None, sa.ColumnElement[Any]]:
    """Whether all coordinates of a row are numbers within their axes, and the number of its cell.

    A coordinate of 1.5 gives a number with a point in it. Without axes there is no condition.
    """
    cell, inside = number(0), []
    for index, axis in enumerate(selection.axes):
        column: sa.ColumnElement[Any] = sa.UnaryExpression(
            selection.subquery.c[f"axis{index}"], operator=WITHOUT_AFFINITY
        )
        cell = column if index == 0 else cell * number(axis.size) + column
        inside.append(column.between(number(0), number(axis.size - 1)))
    return sa.and_(*inside) if inside else None, cell


def _printable(fill: float) -> bool:
    """Whether the aggregate's numbers, int64 or finite reals, can stand for a fill."""
    return -(2**63) <= fill < 2**63 if isinstance(fill, int) else math.isfinite(fill)


def _printed(fill: float) -> str:
    """A finite fill in the form in which the aggregate prints numbers: a real has a point in it."""
    text = repr(fill)
    return text if isinstance(fill, int) or "." in text else text.replace("e", ".0e")


def aggregate(
    selection: Selection,
    signed_zeros: Sequence[bool],
    inside: sa.ColumnElement[bool] | None,
    place: sa.ColumnElement[Any],
    *first: sa.ColumnElement[Any],
) -> sa.Select[Any]:
    """The number of rows, their places, and each of their values, which is NULL if it is not a number.

    The aggregate leaves NULLs out: if there are any, the counts differ, also for a row that is not inside.
    """
    values = []
    for index, wanted in enumerate(selection.values):
        value, limit = selection.subquery.c[f"value{index}"], whole_limit(wanted.dtype)
        kind, whole = sa.func.typeof(value), sa.cast(value, sa.Integer)
        unsigned = [value != number(0)] if signed_zeros[index] else []
        exact = sa.func.printf(sa.literal_column("'%!.17g'"), value)
        printed = sa.case(
            (kind == sa.literal_column("'integer'"), value),
            (kind != sa.literal_column("'real'"), sa.null()),
            (sa.and_(value == whole, whole.between(number(-limit), number(limit)), *unsigned), whole),
            else_=exact,
        )
        if wanted.fills and _printable(wanted.fill):
            printed = sa.case((value.is_(None), sa.literal(_printed(wanted.fill))), else_=printed)
        values.append(sa.func.group_concat(printed))
    placed = place if inside is None else sa.case((inside, place))
    return sa.select(*first, sa.func.count(), sa.func.group_concat(placed), *values)


def numbers_of(selection: Selection, rows: int, texts: Sequence[str | None]) -> list[npt.NDArray[Any]] | None:
    """Each value column of a reply as int64 or float64; None if one has fewer numbers than there are rows."""
    columns = [_numbers(text, value.dtype) for value, text in zip(selection.values, texts, strict=True)]
    found = [column for column in columns if column is not None and column.size == rows]
    return found if len(found) == len(columns) else None


def converted(request: Request, sample: Indexes, cell: Indexes, columns: Sequence[npt.NDArray[Any]]) -> ColumnData:
    """The columns of a reply, its numbers in their dtypes.

    Raises:
        DataError: One does not fit.
    """
    values = (
        to_dtype(data, value.dtype, request.locate(value.name, sample))
        for value, data in zip(request.selection.values, columns, strict=True)
    )
    return ColumnData(request, sample, cell, tuple(values))


TEXTS = ("CHAR", "CLOB", "TEXT", "BLOB")


def holds_numbers(declared: str) -> bool:
    """Whether a column of a declared type stores everything that looks like a number as a number; "" is no type.

    Source: sqlite.org/datatype3.html, section 3.1; ANY stores values unchanged in a STRICT table.
    """
    return "INT" in declared or not (declared in ("", "ANY") or any(text in declared for text in TEXTS))


def zeros_unsigned(columns: Sequence[npt.NDArray[Any]], signed_zeros: Sequence[bool]) -> bool:
    """Whether no number may be a -0.0 that was printed as 0.0."""
    return all(
        not signed or data.dtype.kind != "f" or bool(data.all())
        for data, signed in zip(columns, signed_zeros, strict=True)
    )


def whole_limit(dtype: np.dtype[Any]) -> int:
    """Up to this limit, whole reals are printed as integers, in two thirds of the time: the dtype holds each of them.

    Above the limit, an integer must be refused, but a real is rounded.
    """
    return min(2**24, 2 ** (np.finfo(dtype).nmant + 1)) if dtype.kind == "f" else 2**24


PRINTED_EXACTLY = 1e100
"""SQLite's `%!.17g` prints reals below this exactly; of 400,000 random reals, some from 1e102 on were not exact."""


def _numbers(text: str | None, dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """Integers as int64, reals as float64; None if both are mixed and one type does not suit all.

    Integers must be exact in the dtype and reals are rounded to it (`rowfeed.values.numbers`): so both may be read as
    reals if all of them are so small that every integer is exact.
    """
    points = text.count(".") if text else 0
    if not text or not points:
        return parse(text, np.int64)
    data = parse(text, np.float64)
    if data is None:
        return None
    size = np.abs(data)
    if not bool((size < PRINTED_EXACTLY).all()):
        return None
    limit = 2.0 ** (np.finfo(dtype).nmant + 1 if dtype.kind == "f" else 53)
    if points < data.size and not bool((size < limit).all()):
        whole = [abs(int(number)) < limit for number in text.split(",") if "." not in number]
        return data if all(whole) else None
    return data


def parse(text: str | None, dtype: type[np.generic]) -> npt.NDArray[Any] | None:
    """Numbers separated by commas; None for reals (a point, or `Inf`) if integers are wanted."""
    if text is None:
        return np.empty(0, dtype)
    if dtype is np.int64 and ("." in text or "I" in text):
        return None
    return np.fromstring(text, dtype, sep=",")
