"""The differences between MariaDB and MySQL, by their versions. All of them are in this module."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

READING = {
    "autocommit": "1",  # each statement is a transaction of its own, so that none holds back the server's purge
    "time_zone": "'+00:00'",  # a TIMESTAMP is an instant
    "sql_select_limit": "18446744073709551615",
    "sql_big_selects": "1",  # max_join_size does not count then
    "sql_auto_is_null": "0",
    "sql_mode": "REPLACE(@@sql_mode, 'PAD_CHAR_TO_FULL_LENGTH', '')",
}
"""Settings of a session that reads. An administrator, an account or `init_command` may have set others, which change an
answer in silence: `sql_select_limit` cuts it off. Of `sql_mode`, the user's own SQL may need the rest."""


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
    settings: Mapping[str, str]

    def reading(self, seconds: float) -> str:
        """The assignments for a session that reads, and whose statements take no longer than a number of seconds.

        A lower limit, that of an account or of the whole server, stays.
        """
        ours = self.seconds.format(seconds=seconds, milliseconds=math.ceil(seconds * 1_000))
        least = self.least.format(f"IF(@@{self.limit} > 0, LEAST(@@{self.limit}, {ours}), {ours})")
        settings = {**READING, **self.settings, self.limit: least}
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
        # or 36,000 ids in a list are too many for an index, and the server scans the table
        settings={"range_optimizer_max_mem_size": "0"},
    )
