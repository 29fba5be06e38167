"""The settings under which PostgreSQL runs a query of a feed: those that protect the server, and those of an answer.

They are settings of a transaction, never of a session: a pooler gives the session to other clients afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

FIXED = {
    "transaction_read_only": "on",
    "jit": "off",  # compiling takes longer than a request
    # What a driver, or SQL of rowfeed's, reads or writes in one way alone:
    "array_nulls": "on",
    "bytea_output": "hex",
    "DateStyle": "ISO",
    "extra_float_digits": "1",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    # Fewer rows than there are:
    "gin_fuzzy_search_limit": "0",
}
"""Settings with one right value. Those of the user's own SQL stay: search_path, TimeZone, row_security."""

STATEMENT_LIMIT = "statement_timeout"

LIMITS = (STATEMENT_LIMIT, "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
"""Times in milliseconds; 0: none. The last is new in PostgreSQL 17."""

CHECK_INTERVAL = "client_connection_check_interval"
"""After so many milliseconds, a server looks whether the reader of a running query is still there; PostgreSQL 14."""

CHECK_MS = 1_000


@dataclass(frozen=True)
class Settings:
    """The settings of every transaction on a server.

    Args:
        values: Their values by name; times in milliseconds.
        own_limit_s: The server's, the database's or the role's own limit for a statement, if it is the smaller one.
    """

    values: Mapping[str, str]
    own_limit_s: float | None

    @property
    def statement(self) -> str:
        """The SELECT that sets them until the transaction ends."""
        parts = (f"set_config('{name}', '{value}', true)" for name, value in self.values.items())
        return f"SELECT {', '.join(parts)}"


def names() -> sa.Select[Any]:
    """The query for the settings that a server knows, with the values that it has for this role and database."""
    wanted = (*FIXED, *LIMITS, CHECK_INTERVAL)
    known: sa.TableClause = sa.table("pg_settings", sa.column("name"), sa.column("setting"))
    return sa.select(known.c.name, known.c.setting).where(known.c.name.in_(wanted))


def settings_of(found: Mapping[str, str], limit_s: float) -> Settings:
    """The settings for a server.

    Args:
        found: The result of `names`.
        limit_s: The seconds that a statement may take. A smaller limit of the server's stays.
    """
    limits = dict.fromkeys(LIMITS, max(1, round(limit_s * 1000))) | {CHECK_INTERVAL: CHECK_MS}
    own = {name: int(found[name]) for name in limits if name in found}
    least = {name: min(own[name] or limits[name], limits[name]) for name in own}
    values = {name: value for name, value in FIXED.items() if name in found}
    values |= {name: str(milliseconds) for name, milliseconds in least.items()}
    statement_ms = least.get(STATEMENT_LIMIT, 0)
    return Settings(values, statement_ms / 1000 if statement_ms < limits[STATEMENT_LIMIT] and statement_ms else None)
