"""One folder per database engine, with all that is special about it.

A folder is named as SQLAlchemy names the engine and has a module `session` with a class `Session`. It inherits from
`rowfeed.dialects.session.Session`, which does everything with plain SQL and plain rows, and overrides the methods that
its engine does faster or differently. A new engine is a new folder here.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from rowfeed.access.address import Address
from rowfeed.dialects.session import Session

SAME_AS = {"mariadb": "mysql"}
"""Engines that use the folder of another one."""


def session_class(engine_name: str) -> type[Session]:
    """The session class of an engine, by SQLAlchemy's name for it; the generic one if it has no folder."""
    folder = f"{__name__}.{SAME_AS.get(engine_name, engine_name)}"
    found = find_spec(folder)
    if found is None or found.submodule_search_locations is None:
        return Session
    return cast("type[Session]", import_module(f"{folder}.session").Session)


def open_session(address: Address, *, read_only: bool = True) -> Session:
    """A session for the calling thread. Close it, or use it as a context manager."""
    return session_class(address.url.get_backend_name()).open(address, read_only=read_only)
