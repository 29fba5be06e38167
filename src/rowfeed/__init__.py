"""Train models straight from your SQL database.

    db = rowfeed.connect("sqlite:///games.db")
    grid = rowfeed.Grid("USER_MATRIX", sample="user_id", axes=("x", "y"), value="value", shape=(4, 4))
    feed = rowfeed.Feed(db, x=grid, y=grid, batch_size=20, shuffle=True, seed=0)
    model.fit(feed.to_keras(), epochs=10)

Public names are loaded when they are first used, so that importing rowfeed costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # "as": type checkers then treat these names as public
    from rowfeed.database.database import Database as Database
    from rowfeed.database.database import connect as connect
    from rowfeed.errors import ArgumentError as ArgumentError
    from rowfeed.errors import DatabaseError as DatabaseError
    from rowfeed.errors import DataError as DataError
    from rowfeed.errors import DependencyError as DependencyError
    from rowfeed.errors import Error as Error
    from rowfeed.errors import MissingIndexWarning as MissingIndexWarning
    from rowfeed.errors import SchemaError as SchemaError
    from rowfeed.feed.feed import Feed as Feed
    from rowfeed.feed.samples import Samples as Samples
    from rowfeed.layouts.base import Layout as Layout
    from rowfeed.layouts.columns import Columns as Columns
    from rowfeed.layouts.grid import Grid as Grid
    from rowfeed.reading.stats import Stats as Stats

__version__ = "0.1.0"

_HOMES = {
    "ArgumentError": "errors",
    "Columns": "layouts.columns",
    "DataError": "errors",
    "Database": "database.database",
    "DatabaseError": "errors",
    "DependencyError": "errors",
    "Error": "errors",
    "Feed": "feed.feed",
    "Grid": "layouts.grid",
    "Layout": "layouts.base",
    "MissingIndexWarning": "errors",
    "Samples": "feed.samples",
    "SchemaError": "errors",
    "Stats": "reading.stats",
    "connect": "database.database",
}
"""The public names, and the module of each."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rowfeed' has no attribute {name!r}")
    value = getattr(import_module(f"rowfeed.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
