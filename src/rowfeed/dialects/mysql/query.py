"""The columns of a request to MariaDB and MySQL, in such a form that none of them changes on its way.

FLOAT columns are widened to DOUBLE when the server prints them, which it would do with 6 digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from rowfeed.request.selection import Selection

FLOAT, TIMESTAMP, BIT, VECTOR, JSON, GEOMETRY = 4, 7, 16, 242, 245, 255
"""Types of columns, as drivers number them, that are not read as they are."""

NO_IDS = {BIT: "BIT", VECTOR: "VECTOR", JSON: "JSON", GEOMETRY: "GEOMETRY"}
"""Types whose values a driver gives in a form that does not equal them in SQL."""

DECIMALS = (0, 246)
"""Types of columns, as drivers number them, whose numbers come as DOUBLE."""


def numbers(
    selection: Selection, types: Sequence[int], unsigned: Callable[[sa.Select[Any]], list[bool]]
) -> sa.Select[Any]:
    """The columns of the rows, each as a number of fixed width if it is one.

    Where a value has a fill, a NULL comes as 0, and a further column says where.

    Args:
        selection: The rows and columns.
        types: The types of its columns, as drivers number them.
        unsigned: Says which columns of a query are unsigned.
    """
    columns: list[sa.ColumnElement[Any]] = []
    for column, kind in zip(selection.subquery.c, types, strict=True):
        number: sa.ColumnElement[Any] = column if kind == FLOAT else printable(column, kind)
        if kind in DECIMALS and column.name.startswith("value"):
            number = double(column)
            if selection.values[int(column.name[5:])].dtype.kind != "f":  # that of 1.00000000000000000001 is whole
                number = sa.case((column == sa.func.truncate(column, sa.literal_column("0")), number))
        columns.append(number.label(column.name))
    if not selection.filled:
        return sa.select(*columns)
    first = 1 + len(selection.axes)
    is_unsigned = unsigned(sa.select(*columns))
    nulls = []
    for place in selection.filled:
        index = first + place
        zero: sa.ColumnElement[Any] = sa.literal_column(
            "CAST(0 AS UNSIGNED)" if is_unsigned[index] else "0"
        )  # or the type would be DECIMAL
        nulls.append(null := selection.subquery.c[f"value{place}"].is_(None))
        columns[index] = sa.case((null, zero), else_=columns[index].element)
    return sa.select(*columns, *nulls)


def double(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A column as DOUBLE, in which each FLOAT is exact."""
    return column.op("*")(sa.literal_column("1e0"))


UTC: sa.ColumnElement[Any] = sa.literal_column("/*+ SET_VAR(time_zone = '+00:00') */")
"""A hint of MySQL's, in front of the first column: the statement's time zone."""


def instant(column: sa.ColumnElement[Any], exact: bool = True) -> sa.ColumnElement[Any]:
    """A TIMESTAMP as a date and time in UTC, in a session whose time zone is the user's own, for `where=`.

    UNIX_TIMESTAMP gives the stored instant on MariaDB. On MySQL it does so for a column of a table alone, and not for
    one of a subquery: there, a time that clocks show twice stays in doubt, and comes as a text that is no date. For
    the date of zeros it gives 0 or NULL.

    Args:
        column: The TIMESTAMP.
        exact: Whether the server is MariaDB.
    """
    seconds: sa.ColumnElement[Any] = sa.func.unix_timestamp(column)
    hour: sa.ColumnElement[Any] = sa.literal_column("3600")
    since_1970 = sa.func.timestampadd(
        sa.literal_column("MICROSECOND"),
        sa.cast(seconds * sa.literal_column("1000000"), sa.types.Integer),
        sa.literal_column("CAST('1970-01-01' AS DATETIME(6))"),
    )
    shown, others = sa.func.from_unixtime(seconds), (seconds - hour, seconds + hour)
    twice = sa.or_(*(sa.func.from_unixtime(other) == shown for other in others))
    doubt = sa.func.concat(sa.literal_column("'twice: '"), column)
    doubts = [] if exact else [(twice, doubt)]
    return sa.case(*doubts, (seconds > sa.literal_column("0"), since_1970), else_=column)


def printable(column: sa.ColumnElement[Any], kind: int) -> sa.ColumnElement[Any]:
    """A column in such a form that neither the server nor a driver changes its values."""
    if kind == FLOAT:
        return double(column)
    if kind == VECTOR:  # drivers take it for text
        return sa.func.unhex(sa.func.hex(column))
    return sa.cast(column, mysql.INTEGER(unsigned=True)) if kind == BIT else column
