"""File descriptors, of which a process may have so many. Without one, no file and no socket can be opened."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress


def why_none_left() -> str | None:
    """What there is of file descriptors if no further one can be had; None if one can."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        if error.errno == errno.ENFILE:
            return "all of this machine are in use"
        if error.errno == errno.EMFILE:
            return f"all that this process may have are in use{_limit()}"
    return None


def _limit() -> str:
    if sys.platform != "win32":
        with suppress(ImportError, OSError, ValueError):
            import resource

            return f", {resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,}"
    return ""
