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

if TYPE_CHECKING:
    from rowfeed.database.database import Database, connect
    from rowfeed.errors import (
        ArgumentError,
        DatabaseError,
        DataError,
        DependencyError,
        Error,
        MissingIndexWarning,
        SchemaError,
    )
    from rowfeed.feed.feed import Feed
    from rowfeed.feed.samples import Samples
    from rowfeed.layouts.columns import Columns
    from rowfeed.layouts.grid import Grid

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
    "MissingIndexWarning": "errors",
    "Samples": "feed.samples",
    "SchemaError": "errors",
    "connect": "database.database",
}

__all__ = [
    "ArgumentError",
    "Columns",
    "DataError",
    "Database",
    "DatabaseError",
    "DependencyError",
    "Error",
    "Feed",
    "Grid",
    "MissingIndexWarning",
    "Samples",
    "SchemaError",
    "connect",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rowfeed' has no attribute {name!r}")
    value = getattr(import_module(f"rowfeed.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
