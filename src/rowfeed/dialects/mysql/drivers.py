"""The drivers of MariaDB and MySQL: what each must be told, so that all of them behave alike."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

CHARSET = "utf8mb4"
"""The character set of every session: any other changes text in silence."""


def with_charset(url: sa.URL) -> sa.URL:
    """The URL with the one character set, whatever it names, for a driver that takes its name."""
    url = url.difference_update_query(["charset", "use_unicode"])
    if url.get_driver_name() == "mariadbconnector":  # it knows no other
        return url
    return url.update_query_dict({"charset": CHARSET})


def speak(connection: sa.Connection, driver: Any) -> None:
    """Set the character set of a connection and of its driver, whatever `init_command` or the user's Engine said."""
    for name in ("set_character_set", "set_charset_collation"):  # PyMySQL and mysqlclient; mysql-connector
        if hasattr(driver, name):
            getattr(driver, name)(CHARSET)
            return
    connection.exec_driver_sql(f"SET NAMES {CHARSET}")
