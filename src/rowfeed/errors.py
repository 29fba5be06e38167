"""Everything rowfeed raises on purpose.

Error:
    ├── ArgumentError (ValueError)      an argument cannot be right, whatever the database holds
    ├── SchemaError                     no such table, column or index, or not of the kind that was asked for
    ├── DataError (ValueError)          a row breaks what the layout promises; names table, column, sample
    ├── DatabaseError                   the database refused or failed; its own exception is the cause
    └── DependencyError (ImportError)   a package is missing; names the extra to install

    MissingIndexWarning (UserWarning)   each request will scan the table; names the index to create

Texts follow one form: what was expected; what came, and where. What to do about it.
"""

from __future__ import annotations


class Error(Exception):
    """Base of every exception that rowfeed raises on purpose."""


class ArgumentError(Error, ValueError):
    """An argument cannot be right, whatever the database holds."""


class SchemaError(Error):
    """The database has no such table or column, or one of another kind; or no index, where scans would be too many."""


class DataError(Error, ValueError):
    """A row breaks what the layout promises."""


class DatabaseError(Error):
    """The database refused or failed; its own exception is the cause."""

    transient: bool = False
    """Whether it may not come again on a new connection."""


class DependencyError(Error, ImportError):
    """A package that this feature needs is not installed."""


class MissingIndexWarning(UserWarning):
    """No index starts with the sample column, so each request scans the table."""
