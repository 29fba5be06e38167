"""The secrets of a URL, the source of a password if the URL has none, and texts without secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

from rowfeed.errors import ArgumentError

PasswordFrom: TypeAlias = "str | Callable[[], str | None]"
"""The name of an environment variable, or a function that returns the password."""

DEFAULT_VARIABLE = "ROWFEED_PASSWORD"

PASSWORD_KEYS = ("password", "passwd")
"""Drivers' names for a password among the options of a URL; rowfeed moves it to the URL's place for passwords."""

SECRET = re.compile(
    r"passw(or)?d|passphrase|passcode|pwd|secret|token|credential|api_?key|scram_\w+_key", re.IGNORECASE
)
"""Parts of the names of other options with secret values: `pwd`, `sslpassword`, `motherduck_token`."""

ASSIGNED = re.compile(rf"(?i:{SECRET.pattern})\w*\s*=")
"""Such an option inside another part of a URL: `odbc_connect=…;PWD=…`."""

FILES = ("sqlite", "duckdb")
"""Engines whose URL has a path, with any characters, in the place of the name of a database."""

HIDDEN = "***"


def in_its_place(url: sa.URL) -> sa.URL:
    """The URL with a password from its options moved to the part that SQLAlchemy hides."""
    for key in [key for key in url.query if key.lower() in PASSWORD_KEYS]:
        given = url.query[key]
        url = url.difference_update_query([key])
        if url.password is None and isinstance(given, str):
            url = url.set(password=given)
    return url


def misplaced(url: sa.URL) -> bool:
    """Whether a visible part seems to contain a password: with `@` or `/` in it, `;` or `&` before it, unquoted."""
    if "@" in (url.host or ""):
        return True
    parts = [url.username or "", url.host or "", "" if url.get_backend_name() in FILES else url.database or ""]
    return any(ASSIGNED.search(part) for part in parts) or bool(re.search(":.*@", parts[-1]))


def redacted(text: str) -> str:
    """A typed text, which may contain URLs, without the parts that look like a password."""
    text = re.sub("(://[^:/@]*:).*@", rf"\1{HIDDEN}@", text, flags=re.DOTALL)
    return re.sub(rf"(?:{ASSIGNED.pattern})[^&\s]*", lambda found: f"{found[0].partition('=')[0]}={HIDDEN}", text)


def _secret_keys(url: sa.URL) -> list[str]:
    return [key for key, value in url.query.items() if SECRET.search(key) or ASSIGNED.search(str(value))]


def public(url: sa.URL) -> sa.URL:
    """The URL without anything secret."""
    return url._replace(password=None).difference_update_query(_secret_keys(url))


def shown(url: sa.URL) -> str:
    """The URL for messages, with secrets hidden."""
    hidden = url.update_query_dict(dict.fromkeys(_secret_keys(url), HIDDEN))
    return hidden.render_as_string(hide_password=True).replace(quote_plus(HIDDEN), HIDDEN)


def asked(url: sa.URL, source: PasswordFrom) -> str | None:
    """The password of a URL: its own, or the one from the source if the URL names only a user.

    Raises:
        ArgumentError: The source is a function that does not return text or None.
    """
    if url.password is not None or not url.username:
        return None if url.password is None else str(url.password)
    password: Any = source() if callable(source) else os.environ.get(source)
    if password is not None and not isinstance(password, str):
        password = type(password).__name__  # a traceback that shows locals must not show the returned value
        raise ArgumentError(f"expected a password_from that returns text or None; got {password}. Return the password.")
    return password or None


def secrets(url: sa.URL) -> Iterator[str]:
    """Every secret of a complete URL, as it is and as URLs quote it; the longest first."""
    found = {str(url.query[key]) for key in _secret_keys(url)}
    if url.password:
        found.add(str(url.password))
    forms = {
        form for secret in found for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1])
    }
    yield from sorted(forms - {""}, key=len, reverse=True)


def hide(error: BaseException, url: sa.URL) -> None:
    """Remove the secrets of a URL from the texts of an exception and of all its causes."""
    hidden = tuple(secrets(url))
    if not hidden:
        return
    for current in linked(error):
        if any(secret in f"{current} {current.args}" for secret in hidden):
            current.args = tuple(_without(argument, hidden) for argument in current.args)
        if hasattr(current, "__notes__"):
            current.__notes__ = [str(_without(note, hidden)) for note in current.__notes__]


def linked(error: BaseException) -> Iterator[BaseException]:
    """An exception, its causes, its contexts and the drivers' originals, each once."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        current = left.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            left += [current.__cause__, current.__context__, getattr(current, "orig", None)]
            yield current


def _without(argument: object, hidden: tuple[str, ...]) -> object:
    text = argument if isinstance(argument, str) else repr(argument)
    if not any(secret in text for secret in hidden):
        return argument
    for secret in hidden:
        text = text.replace(secret, HIDDEN)
    return text
