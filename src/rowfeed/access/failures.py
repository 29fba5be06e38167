"""Errors of SQLAlchemy and of drivers become errors of rowfeed, with a remedy and without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from traceback import clear_frames

import sqlalchemy as sa

from rowfeed.access.descriptors import why_none_left
from rowfeed.access.passwords import hide, shown
from rowfeed.errors import ArgumentError, DatabaseError, DependencyError, Error
from rowfeed.messages import linked

ELSE = "Check the URL, the rights of its user, and any SQL of your own."
"""The remedy for an error that is unknown to the engine's dialect."""


class Failure(Enum):
    """The right reaction to an error."""

    PERMANENT = "it would come again"
    TRANSIENT = "it may not come again on a new connection"
    TIMEOUT = "the engine ended a query that took too long"
    CANCELLED = "somebody cancelled the query; whoever did wants it gone, so it is not made again"
    NO_DESCRIPTOR_LEFT = "this process has no file descriptor left; it may go on with those that it has"
    NO_CONNECTION_LEFT = "the server, the account or the role has no connection left; fewer may do"


@dataclass(frozen=True)
class Advice:
    """The sentences about an error that an engine's dialect knows.

    Args:
        expected: The expectation, after "expected".
        what_to_do: The remedy, a sentence.
        got: The fault, after "got". None: the driver's own words.
    """

    expected: str
    what_to_do: str
    got: str | None = None

    @classmethod
    def of(cls, known: tuple[str, str] | None, label: str) -> Advice | None:
        """Advice from an entry of a table: the expectation, with {} for the database, and the remedy."""
        return known and cls(known[0].replace("{}", label), known[1])


@dataclass(frozen=True)
class Translation:
    """Turns errors of one database into `DatabaseError`; statements and parameters stay out of the text.

    Args:
        url: The URL of the database, with its password.
        timeout_s: Seconds that a query may take.
        judge: The dialect's judgement of a driver's error.
        advise: The dialect's advice on it; see `Session.advice`.
        how_to_install: The remedy for a missing driver; empty: install the missing package.
        own_limit_s: The server's own limit for this user, in seconds, if it is smaller than rowfeed's; None: it is not.
    """

    url: sa.URL = field(repr=False)
    timeout_s: float
    judge: Callable[[BaseException], Failure]
    advise: Callable[[BaseException, str, str], Advice | None]
    how_to_install: str = ""
    own_limit_s: float | None = None

    @contextmanager
    def __call__(self, *drivers_own: type[Exception]) -> Iterator[None]:
        """Translate the errors that are raised inside.

        Args:
            drivers_own: Exceptions that come from a driver directly, not through SQLAlchemy.
        """
        databases_own: tuple[type[Exception], ...] = (sa.exc.SQLAlchemyError, *drivers_own)
        try:
            yield
        except Error:
            raise
        except sa.exc.NoSuchModuleError as error:
            _forget_frames(error)
            label = shown(self.url)
            raise ArgumentError(f"expected a URL of an engine that SQLAlchemy knows; got {label}. {error}") from error
        except ModuleNotFoundError as error:
            _forget_frames(error)
            raise DependencyError(
                f"expected the driver {error.name!r}, which {shown(self.url)} needs. "
                f"{self.how_to_install or f'Install it: pip install {error.name}.'}"
            ) from error
        except databases_own as error:
            _forget_frames(error)
            hide(error, self.url)
            label = shown(self.url)
            cause = getattr(error, "orig", None) or error
            failure = self.judge(cause)
            if failure is Failure.PERMANENT and getattr(error, "connection_invalidated", False):
                failure = Failure.TRANSIENT  # SQLAlchemy recognises some of its drivers' lost connections, too
            said = f"{type(cause).__name__}: {' '.join(str(cause).split()).removesuffix('.')}"
            advice = self.advise(cause, label, self.url.database or "") or Advice(f"an answer from {label}", ELSE)
            text = f"expected {advice.expected}; got {advice.got or said}. {advice.what_to_do}"
            if failure is Failure.TIMEOUT:
                limit, remedy = f"timeout_s={self.timeout_s:g}", "pass a larger timeout_s to rowfeed.connect"
                if self.own_limit_s is not None:
                    limit = f"{self.own_limit_s:g} s, the server's own limit for this user"
                    remedy = "ask its administrator for a higher one"
                text = (
                    f"expected an answer from {label} within {limit}; the query took longer ({said}). Create an index "
                    f"that starts with the sample column, or {remedy}."
                )
            if failure is Failure.CANCELLED:
                text = (
                    f"expected an answer from {label}; got a query that somebody cancelled ({said}). It is not made "
                    "again. Ask the server's administrator, or whoever may cancel queries of this user."
                )
            short = None if failure in (Failure.TIMEOUT, Failure.CANCELLED) else why_none_left()
            if short is not None:
                failure = Failure.NO_DESCRIPTOR_LEFT
                text = (
                    f"expected a file descriptor to reach {label}; got none: {short} ({said}). Close files and sockets "
                    "that are not needed, raise the limit (ulimit -n), or pass fewer connections=."
                )
            translated = DatabaseError(text)
            translated.transient = failure in (Failure.TRANSIENT, Failure.NO_CONNECTION_LEFT)
            translated.no_connection_left = failure in (Failure.NO_CONNECTION_LEFT, Failure.NO_DESCRIPTOR_LEFT)
            raise translated from error


def _forget_frames(error: BaseException) -> None:
    """Clear a driver's frames, which live as long as the error and hold half-open connections and passwords."""
    for current in linked(error):
        clear_frames(current.__traceback__)
