"""Why a file cannot be read as a database, for engines whose database is a file."""

from __future__ import annotations

import os
from pathlib import Path

from rowfeed.access.failures import Advice


def path_of(database: str) -> Path:
    """The path of a file from the place of the database in a URL; also from a URI `file:path?options`."""
    path = database.removeprefix("file:").partition("?")[0] if database.startswith("file:") else database
    return Path(path).absolute()


def why_unusable(product: str, database: str, magic: bytes, offset: int) -> Advice | None:
    """The fault of a file that an engine refused; None if none can be seen from outside.

    Args:
        product: `SQLite`.
        database: The path in the URL; also a URI `file:path?options`.
        magic: The bytes that mark the engine's files.
        offset: The place of these bytes in the file.
    """
    path = path_of(database)
    expected = f"a {product} file at {path}"
    scheme = product.lower()
    way = f"{scheme}:///file.db begins in the working directory, {scheme}:////file.db at the root"
    try:
        if not path.parent.is_dir():
            return Advice(f"a directory {path.parent} for {path.name}", f"Make it, or check the path: {way}.", "none")
        if not path.exists():
            return Advice(expected, f"Check the path: {way}.", "none")
        if path.is_dir():
            return Advice(expected, "Name a file in it.", "a directory")
        if not os.access(path, os.R_OK):
            raise PermissionError
        with path.open("rb") as file:
            head = file.read(offset + len(magic))
        if head and head[offset:] != magic:
            return Advice(expected, f"Check the path; db.write makes a {product} file.", "a file of another kind")
    except PermissionError:
        return Advice(expected, "Change its permissions, or run as a user who may read it.", "one that may not be read")
    except OSError:
        return None
    return None
