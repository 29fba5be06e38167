"""Several numbers of a row as one integer, which SQLite prints once: its fastest output.

Printing and reading text is most of the cost of a row. (Measured: with place and value in one integer, a row costs 0.65
of its cost with both apart; a real printed with 17 digits costs several times an integer.) So the values of the next
request are expected to be like those of earlier ones: integers, or multiples of a power of two, within a range. The
query itself checks each row. A row that is not as expected comes as NULL, which the aggregate leaves out. The count
then tells, and the request is made again without packing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from rowfeed.dialects.sqlite.query import number
from rowfeed.request.selection import Selection, Value

BITS = 62
"""The most bits of a packed integer: its sign and one bit for sums stay free."""

FURTHER_BITS = 4
"""The additional bits that fractions may have in the next request."""

MOST_BITS = 54
"""The most bits of one number: a double has 53 and a sign."""

MISSES, HITS_PER_MISS = 2, 4
"""The requests that may be read twice, and the number of other requests that allow one more."""

MOST_SHIFT = 200
"""The largest power of two for steps, far from the limits of doubles."""


@dataclass(frozen=True)
class Steps:
    """The numbers that are expected in a column: low · 2^-shift, (low + 1) · 2^-shift … high · 2^-shift.

    Args:
        shift: The number of binary digits after the point.
        low: The least number, in steps.
        high: The greatest number, in steps.
    """

    shift: int
    low: int
    high: int

    @property
    def bits(self) -> int:
        """The number of bits for a step."""
        return (self.high - self.low).bit_length()

    def sql(self, value: sa.ColumnElement[Any]) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[Any]]:
        """Whether a value is one of the steps, and the number of the step, from 0 on.

        Text is not a step: it is above all numbers, and equals no integer. Integers are compared faster than reals.
        """
        if not self.shift:
            step = sa.cast(value, sa.Integer)
            return sa.and_(step.between(number(self.low), number(self.high)), value == step), step - number(self.low)
        low, high = (number(math.ldexp(end, -self.shift)) for end in (self.low, self.high))
        scaled = value * number(2.0**self.shift)
        step = sa.cast(scaled, sa.Integer)
        return sa.and_(value.between(low, high), scaled == step), step - number(self.low)

    def numbers(self, steps: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The numbers of steps that are counted from 0: int64, or float64 if there are fractions."""
        whole = steps + self.low
        return np.ldexp(whole.astype(np.float64), -self.shift) if self.shift else whole


def steps_of(data: npt.NDArray[Any], limit: int, fractions: bool) -> Steps | None:
    """The steps of some numbers, with spare range for similar ones; None if packing is not worth it.

    Args:
        data: int64 or finite float64, (n,).
        limit: The limit of their absolute values.
        fractions: Whether they may have fractions.
    """
    if not data.size or not -limit <= data.min() <= data.max() <= limit:
        return None
    shift = _fraction_bits(data) if data.dtype.kind == "f" else 0
    if shift:
        shift += FURTHER_BITS
    if shift and (not fractions or shift > MOST_SHIFT):
        return None
    ends = np.ldexp(np.array([data.min(), data.max()], np.float64), shift)
    low, high, most = math.floor(ends[0]), math.ceil(ends[1]), limit << shift
    room = (high - low) // 2 + 1
    steps = Steps(shift, max(-most, low - room), min(most, high + room))
    return steps if steps.bits <= MOST_BITS else None


def _fraction_bits(data: npt.NDArray[np.float64]) -> int:
    """The most binary digits after the point in some reals."""
    mantissa, exponent = np.frexp(data[data != 0])
    digits = np.ldexp(mantissa, 53).astype(np.int64)
    lowest = np.frexp((digits & -digits).astype(np.float64))[1] - 1  # the number of zeros at the end
    return max(0, int((53 - lowest - exponent).max(initial=0)))


def packs_nulls(value: Value) -> bool:
    """Whether a packed number can stand for a NULL of a column: -0.0, NaN and infinity are none; or needs none."""
    return not value.fills or (math.isfinite(value.fill) and (value.fill != 0 or math.copysign(1, value.fill) > 0))


class Packing:
    """The packing of the rows of one selection, learned from earlier requests.

    Args:
        selection: The selection. Its value columns hold only numbers, and no -0.0; nor is a fill one.
        limits: The limit of the numbers of each column: up to it their dtype takes integers and reals in the same way.
    """

    def __init__(self, selection: Selection, limits: Sequence[int]) -> None:
        self._selection, self._limits = selection, limits
        self._steps: list[Steps] | None = None
        self._hits = self._misses = 0
        self.tried = False

    @property
    def hopeful(self) -> bool:
        """Whether earlier requests still predict the numbers of the next one."""
        return self._misses <= MISSES + self._hits // HITS_PER_MISS

    @property
    def ready(self) -> bool:
        """Whether to read the next request with packing."""
        return self._steps is not None and self.hopeful

    def learn(self, columns: Sequence[npt.NDArray[Any]]) -> None:
        """Learn from a request that was read without packing: int64 or float64, one array per value column."""
        self.tried = True
        known: Sequence[Steps | None] = self._steps or [None] * len(columns)
        found = []
        for value, data, limit, before in zip(self._selection.values, columns, self._limits, known, strict=True):
            steps = steps_of(_with(data, before), limit, value.dtype.kind == "f")
            if steps is not None:
                found.append(steps)
        self._misses += self._steps is not None or len(found) < len(columns)
        self._steps = found if len(found) == len(columns) else None

    def expressions(
        self, inside: sa.ColumnElement[bool] | None, place: sa.ColumnElement[Any], places: int
    ) -> list[sa.ColumnElement[Any]]:
        """The packed integers of a row; one is NULL if one of its numbers is not as expected.

        Args:
            inside: Whether the row has a place.
            place: Its place, from 0 on; the first number of the first integer.
            places: The number of places.
        """
        assert self._steps is not None
        numbers: list[tuple[sa.ColumnElement[bool] | None, sa.ColumnElement[Any]]] = [(inside, place)]
        numbers += [steps.sql(self._value(i)) for i, steps in enumerate(self._steps)]
        expressions = []
        for pack in self._packs(places):
            total: sa.ColumnElement[Any] | None = None
            conditions: list[sa.ColumnElement[bool]] = []
            for index in pack:
                condition, part = numbers[index]
                if condition is not None:
                    conditions.append(condition)
                total = part if total is None else total * number(2 ** self._bits(index)) + part
            assert total is not None
            expressions.append(sa.case((sa.and_(*conditions), total)) if conditions else total)
        return expressions

    def _value(self, index: int) -> sa.ColumnElement[Any]:
        """A value column, with its fill for NULL."""
        column, fill = self._selection.subquery.c[f"value{index}"], self._selection.values[index].fill
        return column if fill is None else sa.func.coalesce(column, number(fill))

    def unpacked(
        self, packed: Sequence[npt.NDArray[np.int64]], places: int
    ) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]]]:
        """The places of rows, and each of their value columns as int64 or float64, from their packed integers."""
        assert self._steps is not None
        found: dict[int, npt.NDArray[np.int64]] = {}
        for pack, numbers in zip(self._packs(places), packed, strict=True):
            rest = numbers
            for index in reversed(pack[1:]):
                bits = self._bits(index)
                found[index] = rest & np.int64(2**bits - 1)
                rest = rest >> np.int64(bits)
            found[pack[0]] = rest
        self._hits += 1
        return found[0], [steps.numbers(found[1 + i]) for i, steps in enumerate(self._steps)]

    def _bits(self, index: int) -> int:
        assert self._steps is not None
        return self._steps[index - 1].bits

    def _packs(self, places: int) -> list[list[int]]:
        """The numbers that go into each integer: 0 is the place, i + 1 the i-th value."""
        assert self._steps is not None
        packs, used = [[0]], places.bit_length()
        for index in range(1, len(self._steps) + 1):
            bits = self._bits(index)
            if used + bits > BITS:
                packs.append([])
                used = 0
            packs[-1].append(index)
            used += bits
        return packs


def _with(data: npt.NDArray[Any], known: Steps | None) -> npt.NDArray[Any]:
    """Numbers, and those at the ends of the known steps."""
    if known is None:
        return data
    ends = np.array([known.low, known.low + 1, known.high])
    if data.dtype.kind == "i" and not known.shift:
        return np.concatenate([data, ends])
    return np.concatenate([data.astype(np.float64), np.ldexp(ends.astype(np.float64), -known.shift)])
