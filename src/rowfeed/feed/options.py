"""The arguments of a feed, checked as far as they can be without the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sqlalchemy.util import memoized_property

from rowfeed.access.address import Address
from rowfeed.database.database import Database
from rowfeed.errors import ArgumentError
from rowfeed.feed.samples import SamplesLike
from rowfeed.layouts.arguments import checked_choice
from rowfeed.layouts.base import Layout
from rowfeed.layouts.structure import Layouts, Structure
from rowfeed.messages import brief
from rowfeed.plan.order import LastBatch
from rowfeed.reading.transform import Transform


@dataclass(frozen=True, eq=False, repr=False)
class Options:
    """The arguments of `rowfeed.Feed`; see there.

    Raises:
        ArgumentError: One of them cannot be right.
    """

    db: Database
    x: Layouts
    y: Layouts | None
    sample_weight: Layouts | None
    samples: SamplesLike
    batch_size: int
    shuffle: bool
    seed: int
    last_batch: LastBatch
    transform: Transform | None
    memory_bytes: int
    connections: int
    cache: str | None

    def __post_init__(self) -> None:
        if not isinstance(self.db, Database):
            raise ArgumentError(
                f"expected a Database; got db={brief(self.db)}. Pass what rowfeed.connect(url) returns."
            )
        for name in ("batch_size", "memory_bytes", "connections"):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
                raise ArgumentError(f"expected a positive integer; got {name}={brief(value)}. Pass 1 or more.")
            object.__setattr__(self, name, int(value))
        if not isinstance(self.seed, (int, np.integer)) or isinstance(self.seed, bool):
            raise ArgumentError(f"expected an integer; got seed={brief(self.seed)}. Any integer will do.")
        object.__setattr__(self, "seed", int(self.seed))
        if not isinstance(self.shuffle, bool):
            raise ArgumentError(f"expected True or False; got shuffle={brief(self.shuffle)}.")
        checked_choice("last_batch", self.last_batch, ("keep", "drop", "pad"))
        if self.cache not in ("memory", None):
            raise ArgumentError(
                f'expected "memory" or None; got cache={brief(self.cache)}. None: each epoch reads anew.'
            )
        if self.transform is not None and not callable(self.transform):
            raise ArgumentError(f"expected a function (batch, rng) -> batch; got transform={brief(self.transform)}.")
        if self.y is None and self.sample_weight is not None:
            raise ArgumentError("expected a y for sample_weight to weigh; got y=None. Pass y, or leave the weight out.")
        if self.y is None and self.last_batch == "pad":
            raise ArgumentError(
                'expected a y with last_batch="pad", whose padded rows weigh zero; got y=None. Pass last_batch="keep".'
            )
        for name in ("x", "y", "sample_weight"):
            place = getattr(self, name)
            layouts = list(place.values()) if isinstance(place, Mapping) else [place]
            optional = name != "x" and place is None
            if not optional and not (layouts and all(isinstance(layout, Layout) for layout in layouts)):
                raise ArgumentError(
                    f"expected a layout or a dict of layouts; got {name}={brief(place)}. Pass a Grid or Columns."
                )

    @property
    def address(self) -> Address:
        """The address of the server."""
        return self.db._address

    @memoized_property
    def structure(self) -> Structure:
        """The places of the layouts in a batch."""
        given = (place for place in (self.x, self.y, self.sample_weight) if place is not None)
        return Structure(tuple(dict(place) if isinstance(place, Mapping) else place for place in given))
