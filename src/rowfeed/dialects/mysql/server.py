"""The differences between MariaDB and MySQL, by their versions. All of them are in this module."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

READING = {
    "autocommit": "1",  # each statement is a transaction of its own, so that none holds back the server's purge
    "sql_select_limit": "18446744073709551615",
    "group_concat_max_len": "1073741824",  # texts of a user's own SQL are not cut off either
    "sql_big_selects": "1",  # max_join_size does not count then
    "sql_auto_is_null": "0",
}
"""Settings of a session that reads. An administrator, an account or `init_command` may have set others, which change an
answer in silence: `sql_select_limit` cuts it off. The time zone and most of `sql_mode` stay: they say what the user's
own SQL means."""

CHANGING = ("PAD_CHAR_TO_FULL_LENGTH", "EMPTY_STRING_IS_NULL")
"""Flags of `sql_mode` under which a value is not what is stored: spaces behind a CHAR, NULL for ''."""

FORMS = ("ANSI_QUOTES", "NO_BACKSLASH_ESCAPES")
"""Flags of `sql_mode` on which the form of statements depends. SQLAlchemy looks for them on its first connection."""


def modes(dialect: Any, *more: str) -> str:
    """The `sql_mode` of a session: its own, without what changes values, and with the forms that a dialect writes."""
    kept = "@@sql_mode"
    for flag in (*CHANGING, *FORMS):
        kept = f"REPLACE({kept}, '{flag}', ',')"  # not '', which may be NULL
    forms = (dialect._server_ansiquotes, not dialect._backslash_escapes)
    flags = [*more, *(flag for flag, is_on in zip(FORMS, forms, strict=True) if is_on)]
    return f"CONCAT_WS(',', {', '.join([kept, *map(repr, flags)])})"


def writing(dialect: Any) -> str:
    """The assignments for a session that writes: what a column cannot hold is an error, and a TIMESTAMP is in UTC."""
    return f"sql_mode = {modes(dialect, 'STRICT_ALL_TABLES')}, time_zone = '+00:00'"


@dataclass(frozen=True)
class Server:
    """The abilities of a server.

    Args:
        product: Its name.
        limit: The setting that ends a SELECT after some time; 0: never.
        seconds: A time in its unit.
        least: An expression in its type.
        exact_collation: The collation of utf8mb4 under which all different strings differ, trailing spaces included;
            None on old servers.
        range_from: The number of neighbours from which on a range, joined by JSON_TABLE, beats their ids; None if
            never. Measured, microseconds: MariaDB takes 16 for a range, 1.7 for an id; MySQL 35 and 7.
        has_uuids: Whether there is a UUID type, whose values come as text.
        in_use: The condition, on information_schema.statistics, that the optimizer may use an index.
        hints_zone: Whether a statement may have a time zone of its own.
        settings: Further settings of a session that reads.
    """

    product: str
    limit: str
    seconds: str
    least: str
    exact_collation: str | None
    range_from: int | None
    has_uuids: bool
    in_use: str
    hints_zone: bool
    settings: Mapping[str, str]

    def limit_s(self, value: float) -> float:
        """The seconds of a value of the limit."""
        return float(value) * (1e-3 if "milliseconds" in self.seconds else 1.0)

    def reading(self, seconds: float, dialect: Any) -> str:
        """The assignments for a session that reads, and whose statements take no longer than a number of seconds.

        A lower limit, that of an account or of the whole server, stays.
        """
        ours = self.seconds.format(seconds=seconds, milliseconds=math.ceil(seconds * 1_000))
        least = self.least.format(f"IF(@@{self.limit} > 0, LEAST(@@{self.limit}, {ours}), {ours})")
        settings = {**READING, **self.settings, "sql_mode": modes(dialect), self.limit: least}
        return ", ".join(f"{name} = {value}" for name, value in settings.items())


def server_of(dialect: sa.Dialect) -> Server:
    """The server of a connected SQLAlchemy dialect."""
    version = getattr(dialect, "server_version_info", None) or ()
    if getattr(dialect, "is_mariadb", False):
        return Server(
            product="mariadb",
            limit="max_statement_time",
            seconds="{seconds:f}",
            least="{}",
            exact_collation="utf8mb4_nopad_bin" if version >= (10, 2) else None,
            range_from=16 if version >= (10, 6) else None,
            has_uuids=True,
            in_use="ignored = 'NO'" if version >= (10, 6) else "1 = 1",
            hints_zone=False,
            settings={},
        )
    return Server(
        product="mysql",
        limit="max_execution_time",
        seconds="{milliseconds}",
        least="CAST({} AS UNSIGNED)",
        exact_collation="utf8mb4_0900_bin" if version >= (8, 0, 17) else None,
        range_from=8 if version >= (8, 0, 4) else None,
        has_uuids=False,
        in_use="is_visible = 'YES'" if version >= (8,) else "1 = 1",
        hints_zone=version >= (8, 0, 17),
        # or 36,000 ids in a list are too many for an index, and the server scans the table
        settings={"range_optimizer_max_mem_size": "0"},
    )
