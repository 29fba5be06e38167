"""What errors of SQLAlchemy and of drivers become: one of rowfeed's own, with what to do and without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from traceback import clear_frames

import sqlalchemy as sa

from rowfeed.access.passwords import hide, linked, shown
from rowfeed.errors import ArgumentError, DatabaseError, DependencyError, Error

ELSE = "Check the URL, the rights of its user, and any SQL of your own."
"""What to do about an error that an engine does not know."""


class Failure(Enum):
    """What is to be done about an error."""

    PERMANENT = "it would come again"
    TRANSIENT = "it may not come again on a new connection"
    TIMEOUT = "the engine ended a query that took too long"


@dataclass(frozen=True)
class Advice:
    """The sentences about an error that an engine knows.

    Args:
        expected: What was expected.
        what_to_do: A sentence.
        got: What came. None: the driver's own words.
    """

    expected: str
    what_to_do: str
    got: str | None = None

    @classmethod
    def of(cls, known: tuple[str, str] | None, label: str) -> Advice | None:
        """From a table that has what was expected, with {} for the database, and what to do."""
        return known and cls(known[0].replace("{}", label), known[1])


@dataclass(frozen=True)
class Translation:
    """Turns errors of one database into `DatabaseError`; statements and parameters stay out of it.

    Args:
        url: Of the database, with its password.
        timeout_s: How long a query may take.
        judge: What a driver's error is, to its dialect.
        advise: What its dialect says of it; see `Session.advice`.
        how_to_install: What to do about a missing driver; empty: install what is missing.
    """

    url: sa.URL = field(repr=False)
    timeout_s: float
    judge: Callable[[BaseException], Failure]
    advise: Callable[[BaseException, str, str], Advice | None]
    how_to_install: str = ""

    @contextmanager
    def __call__(self, *drivers_own: type[Exception]) -> Iterator[None]:
        """Translate what is raised inside.

        Args:
            drivers_own: Exceptions that come from a driver without SQLAlchemy between.
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
                failure = Failure.TRANSIENT  # SQLAlchemy, too, knows some of its drivers' signs
            said = f"{type(cause).__name__}: {' '.join(str(cause).split()).removesuffix('.')}"
            advice = self.advise(cause, label, self.url.database or "") or Advice(f"an answer from {label}", ELSE)
            text = f"expected {advice.expected}; got {advice.got or said}. {advice.what_to_do}"
            if failure is Failure.TIMEOUT:
                text = (
                    f"expected an answer from {label} within timeout_s={self.timeout_s:g}; the query took longer "
                    f"({said}). Create an index that starts with the sample column, or pass "
                    "a larger timeout_s to rowfeed.connect."
                )
            translated = DatabaseError(text)
            translated.transient = failure is Failure.TRANSIENT
            raise translated from error


def _forget_frames(error: BaseException) -> None:
    """Let go of what a driver's frames hold, for as long as the error lives: half-open connections, passwords."""
    for current in linked(error):
        clear_frames(current.__traceback__)
