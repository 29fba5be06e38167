"""The places of layouts in a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy.util import memoized_property

from rowfeed.layouts.base import Array, Layout

Layouts: TypeAlias = "Layout | Mapping[str, Layout]"

Place: TypeAlias = "Layout | dict[str, Layout]"
"""The layouts of one place, a mapping as a dict."""


Batch: TypeAlias = Any
"""`x`, `(x, y)` or `(x, y, sample_weight)`; each of them is an array or a dict of arrays."""


@dataclass(frozen=True, eq=False)
class Structure:
    """The places of layouts in a batch.

    Args:
        places: x, y, sample_weight, as many as given; each is a layout or a dict of layouts.
    """

    places: tuple[Place, ...]

    @property
    def all_layouts(self) -> list[Layout]:
        """The layout of each place."""
        return [layout for place in self.places for layout in _layouts(place)]

    @memoized_property
    def layouts(self) -> list[Layout]:
        """The different layouts, each once, in the order of their first places."""
        return list(dict.fromkeys(self.all_layouts))

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample in all different layouts."""
        return sum(layout.sample_bytes for layout in self.layouts)

    @memoized_property
    def _numbers(self) -> list[int | dict[str, int]]:
        """The places. Each has the number of its layout in `layouts`."""
        number = {layout: index for index, layout in enumerate(self.layouts)}
        return [
            {name: number[layout] for name, layout in place.items()} if isinstance(place, dict) else number[place]
            for place in self.places
        ]

    def build(self, array: Callable[[int], Array]) -> Batch:
        """A batch. Each place gets `array(number)`, with the number of its layout in `layouts`."""
        built = [
            {name: array(number) for name, number in place.items()} if isinstance(place, dict) else array(place)
            for place in self._numbers
        ]
        return tuple(built) if len(built) > 1 else built[0]


def _layouts(place: Place) -> list[Layout]:
    return list(place.values()) if isinstance(place, dict) else [place]
