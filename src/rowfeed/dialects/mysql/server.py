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
        range_from: The number of neighbours from which on a range, joined by JSON_TABLE, beats their ids; None if
            never. Measured, microseconds: MariaDB takes 16 for a range, 1.7 for an id; MySQL 35 and 7.
        has_uuids: Whether there is a UUID type, whose values come as text.
    """

    product: str
    statement_limit: str
    exact_collation: str | None
    range_from: int | None
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
            range_from=16 if version >= (10, 6) else None,
            has_uuids=True,
        )
    return Server(
        product="mysql",
        statement_limit="max_execution_time = {milliseconds:.0f}",
        exact_collation="utf8mb4_0900_bin" if version >= (8, 0, 17) else None,
        range_from=8 if version >= (8, 0, 4) else None,
        has_uuids=False,
    )
