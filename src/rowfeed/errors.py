"""All exceptions that rowfeed raises on purpose.

Error:
    ├── ArgumentError (ValueError)      an argument cannot be right, whatever the database holds
    ├── SchemaError                     no such table, column or index, or not of the requested kind
    ├── DataError (ValueError)          a row breaks a promise of the layout; names table, column, sample
    ├── DatabaseError                   the database refused or failed; its own exception is the cause
    └── DependencyError (ImportError)   a package is missing; names the extra to install

    MissingIndexWarning (UserWarning)   each request will scan the table; names the index to create

All texts have one form: `expected …; got … at …. What to do.`
"""

from __future__ import annotations


class Error(Exception):
    """Base of every exception that rowfeed raises on purpose."""


class ArgumentError(Error, ValueError):
    """An argument cannot be right, whatever the database holds."""


class SchemaError(Error):
    """The database has no such table or column, or one of another kind; or scans without an index would be too many."""


class DataError(Error, ValueError):
    """A row breaks a promise of the layout."""


class DatabaseError(Error):
    """The database refused or failed; its own exception is the cause."""

    transient: bool = False
    """Whether it may be gone on a new connection."""
    no_connection_left: bool = False
    """Whether no further connection can be had, of the server, the account, the role or the system; those that are open
    go on."""


class DependencyError(Error, ImportError):
    """A package that this feature needs is not installed."""


class MissingIndexWarning(UserWarning):
    """No index starts with the sample column, so each request scans the table."""
