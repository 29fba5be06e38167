"""Layouts that one query reads: of the same rows and cells, with the same policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rowfeed.layouts.base import Layout
from rowfeed.request.request import ColumnData, Request
from rowfeed.request.selection import Selection
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

    `null="drop"` drops the rows with a NULL in any column. Numbers have faster ways than text and dates.
    """
    return (
        selection.source,
        selection.sample,
        selection.axes,
        selection.null,
        repr(selection.fill) if selection.null == "fill" else None,
        selection.values if selection.null == "drop" else None,
        selection.out_of_range,
        selection.id_kind,
        selection.indexed,
        frozenset(selection.value_kinds) - {ValueKind.NUMBER},
    )


def _joined(selections: Mapping[Layout, Selection]) -> Shared:
    first = next(iter(selections.values()))
    values = tuple(dict.fromkeys(value for selection in selections.values() for value in selection.values))
    together = first if len(selections) == 1 else replace(first, values=values)
    return Shared(
        together,
        tuple(
            Part(layout, selection, tuple(map(together.values.index, selection.values)))
            for layout, selection in selections.items()
        ),
    )
