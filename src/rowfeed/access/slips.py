"""The likeliest slips in what is meant as a URL, each with the URL that was meant: without its password."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from rowfeed.access.passwords import FILES, misplaced, public
from rowfeed.messages import brief, may_hold_secret

EXPECTED = "expected a SQLAlchemy URL such as sqlite:///games.db or mysql+pymysql://user@host/game"
PASSWORD = (
    "Put the password into the variable ROWFEED_PASSWORD, or, quoted by urllib.parse.quote(password, safe=''), after "
    "the user and a colon."
)

SCHEMES = {
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
}
"""What a URL begins with, by the engine's name in other packages' URLs."""

MAGIC = {"sqlite": (0, b"SQLite format 3\0"), "duckdb": (8, b"DUCK")}
"""The bytes that mark the files of an engine, and their place."""

VERIFIED = {
    "pymysql": {"ssl_ca": "/etc/ssl/certs/ca-certificates.crt", "ssl_verify_identity": "true"},
    "psycopg": {"sslmode": "verify-full", "sslrootcert": "/etc/ssl/certs/ca-certificates.crt"},
    "psycopg2": {"sslmode": "verify-full", "sslrootcert": "/etc/ssl/certs/ca-certificates.crt"},
}
"""The options of a driver for TLS that verifies the server."""

FOREIGN = re.compile(r"ssl|tls|use_?ssl|require_?ssl|ssl[_-]?mode|ssl[_-](ca|root_?cert)", re.IGNORECASE)
"""Names of other drivers' options for TLS."""

OWN = {"pymysql": ("ssl_ca",), "psycopg": ("sslmode",), "psycopg2": ("sslmode",)}
"""Those among them that are a driver's own."""

WITHOUT_TLS = {"pymysql": "ssl_disabled=true", "psycopg": "sslmode=disable", "psycopg2": "sslmode=disable"}


def slip(given: Any) -> str | None:
    """The text of an error about what was given as a URL; None if it is one."""
    if isinstance(given, os.PathLike):
        given = os.fspath(given)
    if not isinstance(given, (str, sa.URL)):
        return _no_url(given)
    if isinstance(given, str) and (text := _unlike(given.strip())):
        return text
    with suppress(sa.exc.ArgumentError, ValueError):
        url = sa.make_url(given)
        if not misplaced(url):
            return _wrong(url)
    return f"{EXPECTED}; got one that cannot be parsed. {_unquoted(str(given))}"


def _no_url(given: Any) -> str:
    kind = type(given).__name__
    ways = {
        "Connection": "Pass its Engine, connection.engine: rowfeed opens connections of its own.",
        "AsyncEngine": "Pass a URL, or an Engine, with a driver that is not async: mysql+pymysql, postgresql+psycopg.",
        "Session": "Pass its Engine, session.get_bind(): rowfeed opens connections of its own.",
    }
    return f"expected a SQLAlchemy URL or Engine; got {kind}. " + ways.get(
        kind, 'For example rowfeed.connect("sqlite:///games.db").'
    )


def _unlike(text: str) -> str | None:
    """About a text that no URL of SQLAlchemy is like."""
    if text.lower().startswith("jdbc:"):
        return f"{EXPECTED}; got one of JDBC. {_from_jdbc(text[5:])}"
    engine, _, rest = text.partition(":")
    is_file = engine.partition("+")[0] in FILES and rest.strip("/") and not may_hold_secret(text)
    if is_file and not rest.startswith("//"):
        slashes = 4 if rest.startswith("/") else 3
        return f"{EXPECTED}; got one without ://. Write {engine}:{'/' * slashes}{rest.lstrip('/')}."
    if "://" in text:
        return None
    path = f"If it is the path of a file, put {_engine_of(text)}:/// before it"
    if may_hold_secret(text):
        return f"{EXPECTED}; got one without ://. {path}. {PASSWORD}"
    if re.fullmatch(r"[\w-]+(\.[\w-]+)*:\d+(/[\w$-]*)?|localhost|\d+\.\d+\.\d+\.\d+", text):
        host, _, name = text.partition("/")
        scheme = SCHEMES["postgresql" if ":5432" in text else "mysql"]
        return f"{EXPECTED}; got a host. Write {scheme}://user@{host}/{name or 'database'}."
    if text and (os.path.exists(text) or re.search(r"\.(db|sqlite3?|duckdb|ddb)$", text)):
        return f"{EXPECTED}; got the path of a file. Write {_engine_of(text)}:///{text}."
    return f"{EXPECTED}; got one without ://. {path}; if it is a host, mysql+pymysql://user@host/database."


def _engine_of(path: str) -> str:
    """The engine of a file, by its first bytes, or by its name."""
    with suppress(OSError, ValueError), open(path, "rb") as file:
        head = file.read(20)
        for engine, (place, magic) in MAGIC.items():
            if head[place:].startswith(magic):
                return engine
    return "duckdb" if re.search(r"\.(duckdb|ddb)$", path) else "sqlite"


def _from_jdbc(text: str) -> str:
    """The way out for a URL of JDBC, which has the user and the password among its options."""
    engine, _, rest = text.partition(":")
    scheme = SCHEMES.get(engine.lower(), engine)
    if engine.lower() in FILES:
        path = rest.partition("?")[0]
        return f"Write {scheme}:///{path}."
    with suppress(sa.exc.ArgumentError, ValueError):
        url = sa.make_url(f"{scheme}:{rest}")
        user = url.username or url.query.get("user") or "user"
        plain = sa.URL.create(scheme, str(user), None, url.host, url.port, url.database)
        if not misplaced(url):
            return f"Write {plain.render_as_string()}. {PASSWORD}"
    return f"Write {scheme}://user@host/database. {PASSWORD}"


def _unquoted(text: str) -> str:
    """The way out for a password with special characters; it ends at the last `@`, if nothing else has one."""
    found = re.fullmatch(r"([\w+]+)://([^:/@?&;]+):[^?&;]*@([\w.-]+(?::\d+)?)(/[\w$-]*)?", text, re.DOTALL)
    advice = "Quote special characters in a password: urllib.parse.quote(password, safe='')."
    if not found:
        return advice
    scheme, user, host, name = found.groups()
    return f"{advice} Or write {scheme}://{user}@{host}{name or ''}, and put it into the variable ROWFEED_PASSWORD."


def _wrong(url: sa.URL) -> str | None:
    """About a URL that can be parsed, and is not what was meant."""
    engine, _, driver = url.drivername.partition("+")
    if engine in FILES and url.host:
        path = "/".join(filter(None, (url.host, url.database)))
        return (
            f"expected a {'SQLite' if engine == 'sqlite' else 'DuckDB'} file, {engine}:///path/to/file; got a URL with "
            f"a host, since it has two slashes. Write three before the path: {engine}:///{path}."
        )
    if engine == "postgres":
        right = public(url).set(drivername=f"postgresql+{driver or 'psycopg'}").render_as_string()
        return f"expected a URL that begins with postgresql+psycopg://; got postgres://. Write {right}."
    if text := slip_of_driver(url):
        return text
    driver = driver or {"mysql": "pymysql", "mariadb": "pymysql", "postgresql": "psycopg"}.get(engine, "")
    return _foreign_tls(url, driver)


def slip_of_driver(url: sa.URL) -> str | None:
    """The text of an error about an async driver; None for others."""
    with suppress(sa.exc.NoSuchModuleError, ImportError):
        if url.get_dialect().is_async:
            engine = url.get_backend_name()
            right = public(url).set(drivername=SCHEMES.get(engine, engine)).render_as_string()
            return f"expected a driver that is not async; got {brief(url.drivername)}. Write {right}."
    return None


def _foreign_tls(url: sa.URL, driver: str) -> str | None:
    """About options for TLS that belong to another driver."""
    foreign = [name for name in url.query if FOREIGN.fullmatch(name) and name not in OWN.get(driver, (name,))]
    if not foreign:
        return None
    given = ", ".join(f"{name}={brief(url.query[name])}" for name in foreign)
    right = public(url).difference_update_query(foreign).update_query_dict(VERIFIED[driver])
    return (
        f"expected options of {driver} for TLS; got {given}. To verify the server, write "
        f"{right.render_as_string().replace('%2F', '/')}; without TLS, {WITHOUT_TLS[driver]}."
    )
