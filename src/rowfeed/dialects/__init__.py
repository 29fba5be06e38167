"""One room per database engine: all that is special about it.

A room is a module named as SQLAlchemy names the engine, with a class `Session`. It inherits from
`rowfeed.dialects.generic.Session`, which does everything with plain SQL and plain rows, and overrides what its engine
does faster or otherwise. Adding an engine is adding a file here; a second file of an engine begins with an underscore.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from rowfeed.dialects.generic import Session


def session_class(engine_name: str) -> type[Session]:
    """The session of an engine, by SQLAlchemy's name of it; the generic one where it has no room."""
    module = f"{__name__}.{engine_name}"
    return cast("type[Session]", import_module(module).Session) if find_spec(module) else Session
