"""What of a URL is secret, where a password comes from when the URL has none, and texts without either."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TypeAlias
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

from rowfeed.errors import ArgumentError

PasswordFrom: TypeAlias = "str | Callable[[], str | None]"
"""The name of an environment variable, or a function that returns the password."""

DEFAULT_VARIABLE = "ROWFEED_PASSWORD"

PASSWORD_KEYS = ("password", "passwd")
"""What drivers call a password among the options of a URL; rowfeed keeps it in the URL's place for passwords."""

SECRET_KEYS = {"pwd", "sslpassword", "ssl_key_password", "token", "motherduck_token"}
"""Other options of a URL that are secret."""

HIDDEN = "***"


def in_its_place(url: sa.URL) -> sa.URL:
    """The URL with a password that was among its options where SQLAlchemy hides it."""
    for key in PASSWORD_KEYS:
        given = url.query.get(key)
        if given is not None:
            url = url.difference_update_query([key])
            if url.password is None and isinstance(given, str):
                url = url.set(password=given)
    return url


def public(url: sa.URL) -> sa.URL:
    """The URL without anything secret."""
    return url._replace(password=None).difference_update_query([key for key in url.query if key.lower() in SECRET_KEYS])


def shown(url: sa.URL) -> str:
    """The URL as messages show it."""
    hidden = {key: HIDDEN for key in url.query if key.lower() in SECRET_KEYS}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def complete(url: sa.URL, source: PasswordFrom) -> sa.URL:
    """The URL to open: with the password from its source where it names a user and no password.

    Raises:
        ArgumentError: The source is a function that does not return text or None.
    """
    if url.password is not None or not url.username:
        return url
    password = source() if callable(source) else os.environ.get(source)
    if password is not None and not isinstance(password, str):
        raise ArgumentError(
            f"expected a password_from that returns text or None; got {type(password).__name__}. Return the password."
        )
    return url.set(password=password) if password else url


def secrets(url: sa.URL) -> Iterator[str]:
    """Every secret of a complete URL, as it is and as URLs quote it; the longest first."""
    found = {str(value) for key, value in url.query.items() if key.lower() in SECRET_KEYS}
    if url.password:
        found.add(str(url.password))
    forms = {
        form for secret in found for form in (secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1])
    }
    yield from sorted(forms - {""}, key=len, reverse=True)


def hide(error: BaseException, url: sa.URL) -> None:
    """Take the secrets of a URL out of the texts of an exception and of all that it was caused by."""
    hidden = tuple(secrets(url))
    if not hidden:
        return
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        current = left.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        left += [current.__cause__, current.__context__, getattr(current, "orig", None)]
        if any(secret in f"{current} {current.args}" for secret in hidden):
            current.args = tuple(_without(argument, hidden) for argument in current.args)


def _without(argument: object, hidden: tuple[str, ...]) -> object:
    text = argument if isinstance(argument, str) else repr(argument)
    if not any(secret in text for secret in hidden):
        return argument
    for secret in hidden:
        text = text.replace(secret, HIDDEN)
    return text
