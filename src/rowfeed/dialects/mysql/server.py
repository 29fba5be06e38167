"""The differences between MariaDB and MySQL, by their versions. All of them are in this module."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa


@dataclass(frozen=True)
class Server:
    """The abilities of a server.

    Args:
        product: Its name.
        statement_limit: The setting that ends a SELECT after a number of seconds or milliseconds.
        exact_collation: The collation of utf8mb4 under which all different strings differ, trailing spaces included;
            None on old servers.
        joins_ranges: Whether ranges of ids are joined by JSON_TABLE.
        has_uuids: Whether there is a UUID type, whose values come as text.
    """

    product: str
    statement_limit: str
    exact_collation: str | None
    joins_ranges: bool
    has_uuids: bool

    def limit(self, seconds: float) -> str:
        """The setting for a limit in seconds."""
        return self.statement_limit.format(seconds=seconds, milliseconds=seconds * 1e3)


def server_of(dialect: sa.Dialect) -> Server:
    """The server of a connected SQLAlchemy dialect."""
    version = getattr(dialect, "server_version_info", None) or ()
    if getattr(dialect, "is_mariadb", False):
        return Server(
            product="mariadb",
            statement_limit="max_statement_time = {seconds:f}",
            exact_collation="utf8mb4_nopad_bin" if version >= (10, 2) else None,
            joins_ranges=version >= (10, 6),
            has_uuids=True,
        )
    return Server(
        product="mysql",
        statement_limit="max_execution_time = {milliseconds:.0f}",
        exact_collation="utf8mb4_0900_bin" if version >= (8, 0, 17) else None,
        joins_ranges=False,  # its speed was not measured
        has_uuids=False,
    )
