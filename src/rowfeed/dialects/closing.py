"""How a broken connection is closed: without a word."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def close_quietly(dialect: Any) -> None:
    """A broken connection cannot be closed properly, and need not be: without this SQLAlchemy logs how it failed."""
    do_close = dialect.do_close

    def close(driver: Any) -> None:
        with suppress(Exception):
            do_close(driver)

    dialect.do_close = close
