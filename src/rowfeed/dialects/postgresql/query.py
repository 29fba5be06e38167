"""The SQL of PostgreSQL's binary aggregate, and its answer as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.util import memoized_property

from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Axis, Indexes, Selection
from rowfeed.request.source import Source
from rowfeed.values.dates import from_ticks
from rowfeed.values.ids import IdKind, Ids, within_int64
from rowfeed.values.kinds import ValueKind
from rowfeed.values.numbers import decimals_fit, to_dtype

IDS, LASTS, FIRST = "rowfeed_ids", "rowfeed_lasts", "rowfeed_first"
"""The bound parameters: the ids, or the first and the last ids of ranges; and the first of all ids."""

RUN_OF = 8
"""From this many neighbours on, a range beats its ids: a step to a range costs 13 to 25 us, to an id 2 us (measured).
And PostgreSQL expects many rows for a long array, and at times scans the whole table for it."""

DATES = {1082: ("date_", "D"), 1114: ("timestamp_", "us"), 1184: ("timestamptz_", "us")}
TIMES = {1083: ("time_", "us")}
"""By type number: the name, as in `date_send`, and the unit of dates, counted from 2000 on, and of times."""

INTERVAL, TIMETZ = 1186, 1266
DAYS_1970_2000 = 10_957

SENT = {16: ("bool", "?"), 21: ("int2", ">i2"), 23: ("int4", ">i4"), 20: ("int8", ">i8")} | {
    700: ("float4", ">f4"),
    701: ("float8", ">f8"),
}
SENT |= {kind: (name, ">i4" if unit == "D" else ">i8") for kind, (name, unit) in (DATES | TIMES).items()}
"""By type number: the name, as in `int4send`, and numpy's name of the sent form."""

FLOAT4, FLOAT8, NUMERIC = 700, 701, 1700
INTEGERS = {21, 23, 20}
UUID, BYTEA, BPCHAR = 2950, 17, 1042
COLLATED = {25: "TEXT[]", 1043: "TEXT[]", BPCHAR: "BPCHAR[]"}
TEXTS = COLLATED | {UUID: "UUID[]", BYTEA: "BYTEA[]"}
"""The column types whose ids are text in rowfeed, and the type of the wanted ids: CHAR(n) pads both sides."""

SENDABLE = {
    ValueKind.NUMBER: {*SENT, NUMERIC} - {*DATES, *TIMES},
    ValueKind.DATE: {*DATES},
    ValueKind.TIME: {*TIMES},
}
"""The column types that can be sent, by the kind of the requested values."""

ID_GROUPS = 251
"""The number of values in which the sample ids come: each has 1 GB at most."""


class Bound(sa.types.UserDefinedType[str]):
    """A value of a type, or an array, that is bound as text, which costs a driver nothing."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


def array_literal(ids: Ids, kind: IdKind) -> str:
    """Ids as the text of an array. Of ids that PostgreSQL cannot hold, numbers are left out and text becomes NULL."""
    if ids.dtype.kind != "T":
        return f"{{{','.join(map(str, within_int64(ids).tolist()))}}}"
    if kind is IdKind.BYTES:
        return "{" + ",".join(rf'"\\x{i}"' for i in ids.tolist()) + "}"
    quoted = (f'"{i.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"' for i in ids.tolist())
    return f"{{{','.join('NULL' if chr(0) in i else i for i in quoted)}}}"


def samples_in(sample: sa.ColumnElement[Any], kind: int) -> sa.ColumnElement[bool]:
    """The rows of the wanted ids, found by an index if there is one."""
    return sample == sa.any_(sa.bindparam(IDS, type_=Bound(TEXTS.get(kind, "BIGINT[]"))))


def ranges() -> sa.TableValuedAlias:
    """The wanted ranges of ids, with the columns `low` and `high`."""
    ends = (sa.bindparam(name, type_=Bound("BIGINT[]")) for name in (IDS, LASTS))
    return sa.func.unnest(*ends).table_valued("low", "high", name="w").render_derived()


def bound_ids(request: Request, kind: IdKind, ranged: bool) -> dict[str, str]:
    """The bound values for the ids of a request: one array for `samples_in`, two for `ranges`."""
    lists = (request.runs or ()) if ranged else (request.ids,)
    return {name: array_literal(one, kind) for name, one in zip((IDS, LASTS), lists, strict=False)}


def exact_rows(rows: sa.Subquery, types: dict[str, int]) -> list[sa.ColumnElement[Any]]:
    """Columns for plain rows: float4 as float8, since a driver would read 0.1 for 0.10000000149011612; dates as text,
    since Python lacks some of them.
    """

    def exact(column: sa.ColumnElement[Any], kind: int) -> sa.ColumnElement[Any]:
        if kind == FLOAT4:
            return sa.cast(column, sa.Double)
        return sa.cast(column, sa.Text) if kind in {*DATES, *TIMES, INTERVAL, TIMETZ} else column

    kinds = ((column, types[column.name] if not column.name.startswith("sample") else 0) for column in rows.c)
    return [exact(column, kind).label(column.name) for column, kind in kinds]


def tried_ids(source: Source, column: str) -> sa.Select[Any]:
    """The distinct ids of an indexed column: all numbers from the first to the last that have a row.

    OFFSET 0 stops PostgreSQL from joining with all rows instead.
    """
    numbers = (
        sa.func.generate_series(*(sa.cast(end, sa.BigInteger) for end in source.ends(column)))
        .table_valued("n", name="g")
        .render_derived()
    )
    tried = source.select({"sample": column}).subquery("t").c.sample
    has_row = sa.select(sa.literal_column("1")).where(tried == numbers.c.n).offset(sa.literal_column("0")).exists()
    return sa.select(numbers.c.n.label("sample")).where(has_row)


def integer_ids(ids: sa.Select[Any], *, grouped: bool) -> sa.Select[Any]:
    """The number of distinct ids in a column of integers, and the ids: in one value, or in several groups."""
    sample = ids.subquery("d").c.sample
    query = sa.select(sa.func.count(), _aggregate(sa.func.int8send(sa.cast(sample, sa.BigInteger))))
    return query.group_by(sa.cast(sample, sa.BigInteger) % _number(ID_GROUPS)) if grouped else query


def folding(request: Request) -> str:
    """The form for sending (number of sample) · cells + cell: `int4`, `int8`; or `apart`, in two columns."""
    ids = request.ids
    span = ids.size if ids.dtype.kind == "T" else int(ids[-1]) - int(ids[0]) + 1
    places = span * request.selection.cells
    return "int4" if places < 2**31 else "int8" if places < 2**62 else "apart"


def possible(request: Request, types: dict[str, int]) -> bool:
    """Whether all columns have types that the aggregate can send, and the ids have the type of their column."""
    selection = request.selection
    axes = {types[f"axis{i}"] for i in range(len(selection.axes))}
    # SQL does not look for whole numbers out of range in columns whose types have NaN and infinity.
    reals = set() if selection.out_of_range == "drop" else {FLOAT4, FLOAT8, NUMERIC}
    samples = {"T": TEXTS, "i": INTEGERS}.get(request.ids.dtype.kind, ())
    return (
        types["sample"] in samples
        and axes <= INTEGERS | reals
        and all(types[f"value{i}"] in SENDABLE.get(value.kind, ()) for i, value in enumerate(selection.values))
    )


@dataclass(frozen=True, eq=False)
class Query:
    """One statement for all requests of a selection that fold in the same way.

    Args:
        selection: The selection.
        types: The type number of each column of its rows.
        folding: See `folding`.
        ranged: Whether requests have ranges of ids.
    """

    selection: Selection
    types: dict[str, int]
    folding: str
    ranged: bool

    def parameters(self, request: Request, kind: IdKind) -> dict[str, Any]:
        """The bound values for a request whose ids are of a kind."""
        ids: dict[str, Any] = bound_ids(request, kind, self.ranged)
        return ids if self._text or self.folding == "apart" else ids | {FIRST: int(request.ids[0])}

    @memoized_property
    def _ranges(self) -> sa.TableValuedAlias:
        return ranges()

    @memoized_property
    def _rows(self) -> sa.FromClause:
        """The rows of the selection, or of one range: OFFSET 0 stops PostgreSQL from joining in another way."""
        rows = self.selection.subquery
        if not self.ranged:
            return rows
        within = rows.c.sample.between(self._ranges.c.low, self._ranges.c.high)
        return sa.select(rows).where(within).offset(sa.literal_column("0")).lateral("l")

    @property
    def _text(self) -> bool:
        return self.types["sample"] in TEXTS

    @memoized_property
    def statement(self) -> sa.Select[Any]:
        """The number of rows, their places, each of their values, and the marks of NULLs if NULLs are allowed."""
        rows, kind = self._rows, self.types["sample"]
        source: sa.FromClause = rows
        sample: sa.ColumnElement[Any]
        if self._text:
            wanted = sa.func.unnest(sa.bindparam(IDS, type_=Bound(TEXTS[kind])))
            names = wanted.table_valued(sa.column("id"), with_ordinality="n", name="w").render_derived()
            same = rows.c.sample == names.c.id
            if kind in COLLATED:
                same = sa.collate(rows.c.sample, "C") == sa.collate(names.c.id, "C")  # a loose collation lets others in
            if kind == BPCHAR:
                same &= sa.func.octet_length(rows.c.sample) == sa.func.octet_length(names.c.id)
            source = rows.join(names, same)
            sample = names.c.n - _number(1)
        else:
            if self.ranged:
                source = self._ranges.join(rows, sa.true())
            sample = rows.c.sample if self.folding == "apart" else rows.c.sample - _first()
        columns = [_aggregate(part) for part in self._places(sample)]
        columns += [_aggregate(self._sent(i)) for i in range(len(self.selection.values))]
        nulls = (rows.c[f"value{i}"].is_(None) for i in self.selection.filled)
        columns += [_aggregate(sa.func.boolsend(null)) for null in nulls]
        query = sa.select(sa.func.count(), *columns).select_from(source)
        if not self.ranged:
            query = query.where(samples_in(rows.c.sample, kind))
        if self.selection.out_of_range == "drop":
            for i, axis in enumerate(self.selection.axes):
                query = query.where(_inside(rows.c[f"axis{i}"], axis).is_not(sa.false()))
        return query

    def _places(self, sample: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
        cell = self._cell()
        if self.folding == "apart":
            return [sa.func.int8send(sa.cast(part, sa.BigInteger)) for part in (sample, cell)]
        place = sample * _number(self.selection.cells) + cell
        if self.folding == "int4":
            return [sa.func.int4send(sa.cast(place, sa.Integer))]
        return [sa.func.int8send(sa.cast(place, sa.BigInteger))]

    def _cell(self) -> sa.ColumnElement[Any]:
        """The number of a row's cell; NULL if a coordinate is NULL, outside its axis, or not a whole number."""
        if not self.selection.axes:
            return _number(0)
        cell, conditions = _number(0), []
        for i, axis in enumerate(self.selection.axes):
            column: sa.ColumnElement[Any] = self._rows.c[f"axis{i}"]
            conditions.append(_inside(column, axis))
            if self.types[f"axis{i}"] not in INTEGERS:
                conditions.append(column == sa.func.trunc(column))
            if self.types[f"axis{i}"] not in INTEGERS or self.selection.cells >= 2**31:
                column = sa.cast(column, sa.BigInteger)
            cell = column if i == 0 else cell * _number(axis.size) + column
        return sa.case((sa.and_(*conditions), cell))

    def _sent(self, index: int) -> sa.ColumnElement[Any]:
        """A value as bytes; NULL if it is NULL and must not be, or is a NUMERIC that a float8 might change."""
        value = self._rows.c[f"value{index}"]
        kind = self.types[f"value{index}"]
        if kind == NUMERIC:
            size = sa.func.abs(value)
            exact = sa.and_(size < _number(2**53), sa.or_(size > sa.literal_column("1e-300"), size == _number(0)))
            if self.selection.values[index].dtype.kind != "f":
                exact = sa.and_(exact, value == sa.func.trunc(value))  # the float8 of 1.00000000000000000001 is whole
            sent: sa.ColumnElement[Any] = sa.case((exact, sa.func.float8send(sa.cast(value, sa.Double))))
        else:
            sent = getattr(sa.func, f"{SENT[kind][0]}send")(value)
        if self.selection.values[index].fills:
            zeros = "00" * _sent_dtype(kind).itemsize
            sent = sa.case((value.is_(None), sa.literal_column(f"'\\x{zeros}'::bytea")), else_=sent)
        return sent

    def columns(self, request: Request, row: tuple[Any, ...]) -> ColumnData | None:
        """The columns of an answer; None if one of them has fewer entries than there are rows."""
        found, *parts = row
        places = [_SENT_PLACES[self.folding]] * (2 if self.folding == "apart" else 1)
        values = [_sent_dtype(self.types[f"value{i}"]) for i in range(len(self.selection.values))]
        flags = [np.dtype("?")] * len(self.selection.filled)
        dtypes: list[np.dtype[Any]] = [*places, *values, *flags]
        if any(len(part or b"") != found * dtype.itemsize for part, dtype in zip(parts, dtypes, strict=True)):
            return None
        arrays = [np.frombuffer(part or b"", dtype) for part, dtype in zip(parts, dtypes, strict=True)]
        sample, cell = self._unfolded(request, arrays[: len(places)])
        arrays = [array.astype(array.dtype.newbyteorder("=")) for array in arrays[len(places) :]]
        data = []
        for i, value in enumerate(self.selection.values):
            numbers = arrays[i]
            if self.types[f"value{i}"] == NUMERIC and not decimals_fit(numbers, value.dtype):
                return None
            null = arrays[len(values) + self.selection.filled.index(i)] if value.fills else None
            if value.kind is not ValueKind.NUMBER:
                found_dates = self._dates(i, numbers, null)
                if found_dates is None:
                    return None
                data.append(found_dates)
                continue
            data.append(self._converted(request, i, numbers, null, sample))
        return ColumnData(request, sample, cell, tuple(data))

    def _unfolded(self, request: Request, places: list[npt.NDArray[Any]]) -> tuple[Indexes, Indexes]:
        """The sample and the cell of each row, as numbers."""
        if self.folding != "apart":
            return request.unfolded(places[0], None if self._text else int(request.ids[0]))
        sample, cell = (place.astype(np.int64) for place in places)
        return sample if self._text else request.positions(sample), cell

    def _dates(
        self, index: int, ticks: npt.NDArray[Any], null: npt.NDArray[np.bool_] | None
    ) -> npt.NDArray[Any] | None:
        """A column of dates or times; None if one is infinite or does not fit."""
        kind, dtype = self.types[f"value{index}"], self.selection.values[index].dtype
        days = DAYS_1970_2000 if kind in DATES else 0
        ends = np.iinfo(ticks.dtype)
        if days and bool(((ticks == ends.min) | (ticks == ends.max)).any()):
            return None
        found = from_ticks(ticks.astype(np.int64), (DATES | TIMES)[kind][1], days, dtype)
        if found is not None and null is not None:
            found[null] = self.selection.values[index].fill
        return found

    def _converted(
        self,
        request: Request,
        index: int,
        numbers: npt.NDArray[Any],
        null: npt.NDArray[np.bool_] | None,
        sample: Indexes,
    ) -> npt.NDArray[Any]:
        """A value column in its dtype, with `fill` for NULL."""
        value = self.selection.values[index]
        if null is None or not null.any():
            return to_dtype(numbers, value.dtype, request.locate(value.name, sample))
        result = np.full(numbers.size, value.fill, value.dtype)
        given = np.flatnonzero(~null)
        result[given] = to_dtype(numbers[given], value.dtype, request.locate(value.name, sample[given]))
        return result


_SENT_PLACES: dict[str, np.dtype[Any]] = {"int4": np.dtype(">i4"), "int8": np.dtype(">i8"), "apart": np.dtype(">i8")}


def _sent_dtype(kind: int) -> np.dtype[Any]:
    return np.dtype(SENT[FLOAT8 if kind == NUMERIC else kind][1])


def _first() -> sa.ColumnElement[Any]:
    return sa.bindparam(FIRST, type_=sa.BigInteger())


def _number(value: int) -> sa.ColumnElement[Any]:
    return sa.literal_column(repr(value))


def _inside(column: sa.ColumnElement[Any], axis: Axis) -> sa.ColumnElement[bool]:
    return column.between(_number(0), _number(axis.size - 1))


def _aggregate(sent: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.string_agg(sent, sa.literal_column("NULL::bytea"))  # no separator; '' would be appended each time


def joined(request: Request, first: ColumnData, second: ColumnData) -> ColumnData:
    """The columns of a request, joined from those of its halves."""
    sample = np.concatenate([first.sample, second.sample + first.request.ids.size])
    values = (np.concatenate(pair) for pair in zip(first.values, second.values, strict=True))
    return ColumnData(request, sample, np.concatenate([first.cell, second.cell]), tuple(values))
