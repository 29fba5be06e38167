"""The secrets of a URL, the source of a password if the URL has none, and errors without secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

from rowfeed.errors import ArgumentError
from rowfeed.messages import ASSIGNED, HIDDEN, SECRET, linked

PasswordFrom: TypeAlias = "str | Callable[[], str | None]"
"""The name of an environment variable, or a function that returns the password."""

DEFAULT_VARIABLE = "ROWFEED_PASSWORD"

PASSWORD_KEYS = ("password", "passwd")
"""Drivers' names for a password among the options of a URL; rowfeed moves it to the URL's place for passwords."""

FILES = ("sqlite", "duckdb")
"""Engines whose URL has a path, with any characters, in the place of the name of a database."""


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
    name = "" if url.get_backend_name() in FILES else url.database or ""
    if any("@" in part or "?" in part for part in (url.host or "", name, *url.query)):
        return True
    parts = [url.username or "", url.host or "", name]
    return any(ASSIGNED.search(part) for part in parts)


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


STRONG = 8
"""From this length on, a secret that is no plain word is hidden wherever it stands."""

WORD = 4
"""From this length on, a secret of letters and digits is hidden where it is a whole word."""


def hide(error: BaseException, url: sa.URL) -> None:
    """Remove the secrets of a URL from the texts of an exception and of all its causes.

    A strong one goes wherever it stands. A short one, or a plain word, goes where it stands as a secret: the password
    `x` is no part of `exceeded`.
    """
    shown_parts = {url.username, url.host, url.database}
    patterns = [_where_secret(secret, secret in shown_parts) for secret in secrets(url)]
    if not patterns:
        return
    for current in linked(error):
        if any(pattern.search(f"{current} {current.args}") for pattern in patterns):
            current.args = tuple(_without(argument, patterns) for argument in current.args)
        if hasattr(current, "__notes__"):
            current.__notes__ = [str(_without(note, patterns)) for note in current.__notes__]


def _where_secret(secret: str, is_shown: bool) -> re.Pattern[str]:
    """The places of a secret in a text; `is_shown`: it is also the name of a user, a host or a database."""
    exact = re.escape(secret)
    if len(secret) >= STRONG and not secret.isalpha():
        return re.compile(exact)
    end = r"(?=['\"`&;,)\s]|$)"
    places = [
        rf"(?<==){exact}{end}",
        rf"(?<=:){exact}(?=@)",
        rf"(?P<before>(?i:{SECRET.pattern})\w*['\"]?(?:\s+is)?\s*[:=]?\s*['\"]?){exact}{end}",
    ]
    if not is_shown:
        places.append(rf"(?<=['\"`]){exact}(?=['\"`@])")
    if len(secret) >= WORD and not secret.isalpha() and not secret.isdigit():
        places.append(rf"(?<!\w){exact}(?!\w)")
    return re.compile("|".join(places))


def _without(argument: object, patterns: Sequence[re.Pattern[str]]) -> object:
    text = argument if isinstance(argument, str) else repr(argument)
    without = text
    for pattern in patterns:
        without = pattern.sub(lambda found: (found.groupdict().get("before") or "") + HIDDEN, without)
    return argument if without == text else without
