"""Layouts that one query reads: of the same rows and cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rowfeed.layouts.base import Layout
from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Selection, Value
from rowfeed.values.kinds import ValueKind


@dataclass(frozen=True, eq=False)
class Part:
    """A layout in a shared query.

    Args:
        layout: The layout.
        selection: Its own selection.
        columns: The places of its values among those of the query.
    """

    layout: Layout
    selection: Selection
    columns: tuple[int, ...]

    def of(self, data: ColumnData) -> ColumnData:
        """The answer to the layout's own selection, as a part of the answer to the query."""
        if data.request.selection is self.selection:
            return data
        values = tuple(data.values[column] for column in self.columns)
        return ColumnData(Request(self.selection, data.request.ids), data.sample, data.cell, values)


@dataclass(frozen=True, eq=False)
class Shared:
    """A query and the layouts that it reads.

    Args:
        selection: All columns of the layouts.
        parts: The layouts.
    """

    selection: Selection
    parts: tuple[Part, ...]

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The layouts, in their order."""
        return tuple(part.layout for part in self.parts)

    @property
    def rows_per_sample(self) -> float:
        """The most rows of a sample."""
        return min(layout.rows_per_sample for layout in self.layouts)


def shared(selections: Mapping[Layout, Selection]) -> list[Shared]:
    """As few queries as read all layouts, and give each the same columns as a query of its own."""
    groups: dict[object, list[Layout]] = {}
    for layout, selection in selections.items():
        groups.setdefault(_key(selection), []).append(layout)
    return [_joined({layout: selections[layout] for layout in layouts}) for layouts in groups.values()]


def _key(selection: Selection) -> object:
    """Equal for selections whose rows are the same, and may be read in the same way.

    `drop_nulls` drops the rows with a NULL in any column. Numbers have faster ways than text and dates.
    """
    return (
        selection.source,
        selection.sample,
        selection.axes,
        frozenset(value.name for value in selection.values) if selection.drop_nulls else None,
        selection.out_of_range,
        selection.id_kind,
        selection.indexed,
        frozenset(selection.value_kinds) - {ValueKind.NUMBER},
    )


def _joined(selections: Mapping[Layout, Selection]) -> Shared:
    first = next(iter(selections.values()))
    columns = {_column(value): value for selection in selections.values() for value in selection.values}
    places = {column: number for number, column in enumerate(columns)}
    together = first if len(selections) == 1 else replace(first, values=tuple(columns.values()))
    return Shared(
        together,
        tuple(
            Part(layout, selection, tuple(places[_column(value)] for value in selection.values))
            for layout, selection in selections.items()
        ),
    )


def _column(value: Value) -> object:
    """Equal for values that are the same to the last bit: fills of 0.0 and -0.0 differ, those of NaN do not."""
    return value.name, value.dtype, value.reals, repr(value.fill)
