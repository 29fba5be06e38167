"""Why SQLite cannot read a file that is one of its own: a journal beside it that only a writer may use."""

from __future__ import annotations

import os
from pathlib import Path

from rowfeed.access.failures import Advice

VERSION, WAL = 18, b"\x02\x02"
"""The place of the format in the header of a file, and its value in WAL mode. Source: sqlite.org/fileformat2.html."""


def why_not_read(path: Path) -> Advice | None:
    """The fault of the files beside a database that SQLite could not open for reading; None if none can be seen."""
    journal, shared, log = (path.with_name(path.name + end) for end in ("-journal", "-shm", "-wal"))
    try:
        if journal.exists() and journal.stat().st_size:
            return Advice(
                f"a file {path} whose last transaction has ended",
                f"Let a user who may write it undo that, once: sqlite3 {path.name} .tables. Do not delete the journal.",
                f"{journal.name} beside it, a hot journal: whoever wrote last was stopped in the middle",
            )
        with path.open("rb") as file:
            is_wal = file.read(VERSION + len(WAL))[VERSION:] == WAL
        if is_wal and not (shared.exists() and os.access(shared, os.R_OK)) and not os.access(path.parent, os.W_OK):
            return Advice(
                f"the right to write in {path.parent}, since {path.name} is in WAL mode, which needs {shared.name}",
                "Give this user that right; or end the mode, PRAGMA journal_mode = DELETE. If nobody writes it, and "
                f"{log.name} is gone, read it as it is: sqlite:///file:{path}?immutable=1&uri=true.",
                "none",
            )
    except OSError:
        return None
    return None
