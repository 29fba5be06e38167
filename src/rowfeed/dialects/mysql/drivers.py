"""The drivers of MariaDB and MySQL: what each must be told, so that all of them behave alike."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from rowfeed.dialects.mysql import tls
from rowfeed.dialects.mysql.authentication import HANDLERS

CONNECT_S = 10
"""Seconds that connecting may take, if `timeout_s` is not less."""

CHARSET = "utf8mb4"
"""The character set of every session: any other changes text in silence."""

OPTION_FILES = {"mysqldb": "read_default_file", "mariadbconnector": "default_file"}
"""The option of drivers that use MariaDB's library for a file of options."""

SAFE = str(Path(__file__).with_name("client.cnf"))
"""The options under which this library does not send a password in clear. They have no other way to be given."""

NO_FILES = {"mysqldb": "local_infile", "mariadbconnector": "local_infile", "mysqlconnector": "allow_local_infile"}
"""The option of drivers that send a local file if the server asks for it."""


def options(url: sa.URL, timeout_s: float, read_only: bool) -> tuple[sa.URL, dict[str, Any]]:
    """The URL with a driver, and what the driver is told besides.

    Args:
        url: The URL of a server, with or without a driver.
        timeout_s: Seconds that a query may take.
        read_only: Whether the session only reads; one that writes may take longer.
    """
    driver = url.drivername.partition("+")[2] or "pymysql"
    url = url.set(drivername=f"mysql+{driver}")  # SQLAlchemy's dialect of this name finds out which server it is
    url = url.difference_update_query(["charset", "use_unicode"])
    if driver != "mariadbconnector":  # it knows no other
        url = url.update_query_dict({"charset": CHARSET})
    whole = math.ceil(timeout_s)
    limits = {"connect_timeout": min(CONNECT_S, whole), "read_timeout": whole, "write_timeout": whole}
    if driver == "mysqlconnector":
        limits = {"connection_timeout": whole}  # some versions end any silence by it
    found: dict[str, Any] = {}
    if read_only and driver in ("pymysql", *NO_FILES):
        found = {name: seconds for name, seconds in limits.items() if name not in url.query}
    if driver in NO_FILES:
        found[NO_FILES[driver]] = False
    given = any(name in url.query for name in ("unix_socket", *OPTION_FILES.values()))
    if driver in OPTION_FILES and not given and not str(url.query.get("ssl_mode", "")).startswith("VERIFY"):
        found[OPTION_FILES[driver]] = SAFE
    if driver == "pymysql":
        url, secure = tls.options(url)
        found |= secure | {"auth_plugin_map": HANDLERS}
    return url, found


def speak(connection: sa.Connection, driver: Any) -> None:
    """Set the character set of a connection and of its driver, whatever `init_command` or the user's Engine said."""
    for name in ("set_character_set", "set_charset_collation"):  # PyMySQL and mysqlclient; mysql-connector
        if hasattr(driver, name):
            getattr(driver, name)(CHARSET)
            return
    connection.exec_driver_sql(f"SET NAMES {CHARSET}")
