"""What every engine's session does beside reading, on each engine and in each way of reading."""

from __future__ import annotations

import re
import sqlite3

import numpy as np
import pytest
import sqlalchemy as sa

import rowfeed
from rowfeed.dialects import session_class
from rowfeed.dialects.session import Session
from rowfeed.request.request import Request


def test_the_product_has_a_name_and_a_version(db):
    """As a benchmark's provenance says it."""
    db.write(rowfeed.Columns("t", sample="id", columns="v"), np.ones(2, "float32"))
    with db.open() as session:
        name, version = session.product.split(" ")
    assert name in ("sqlite", "duckdb", "mariadb", "mysql", "postgresql")
    assert version[0].isdigit()


def test_what_a_statement_takes_is_asked_with_errors_of_rowfeed(tmp_path, monkeypatch):
    """A connection that is lost while a sample is read to see how many ids a statement takes is a DatabaseError."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/t.db")
    layout = rowfeed.Columns("t", sample="id", columns="v")
    db.write(layout, np.ones(3))

    def lost(session, request):
        raise sa.exc.OperationalError("", None, sqlite3.OperationalError("lost"))

    monkeypatch.setattr(session_class("sqlite"), "_read_columns", lost)
    with db.open() as session, pytest.raises(rowfeed.DatabaseError, match="OperationalError: lost"):
        session.most_ids(Request(layout.selection(session), np.arange(3)))


def overridden(kind):
    """The attributes of the generic session that an engine's classes define anew."""
    generic = {name for base in Session.__mro__[:-1] for name in vars(base)}
    own = {name for base in kind.__mro__ if base not in Session.__mro__ for name in vars(base)}
    return {name for name in generic & own if not name.startswith("__")}


@pytest.mark.parametrize("engine", ["sqlite", "duckdb", "mysql", "postgresql"])
def test_engines_override_hooks_alone(engine):
    """An engine's session overrides what the docstring of the generic one lists, and nothing else."""
    assert overridden(session_class(engine)) <= hooks()


def test_every_hook_is_there_and_used():
    """Each hook that the docstring lists is one of the generic session, and some engine overrides it."""
    generic = {name for base in Session.__mro__ for name in vars(base)}
    used = set().union(*(overridden(session_class(engine)) for engine in ("sqlite", "duckdb", "mysql", "postgresql")))
    assert hooks() <= generic
    assert hooks() == used


def hooks():
    """The names that the docstring of the generic session lists."""
    return set(re.findall(r"`(\w+)`", Session.__doc__.partition("overrides its hooks")[2]))


@pytest.mark.parametrize("timeout_s", [0.5, 24 * 24 * 3600])
def test_every_engine_takes_the_longest_limit(db, timeout_s):
    """The longest time that may be asked for fits into every engine's settings and timers."""
    layout = rowfeed.Columns("T", sample="id", columns="v")
    db.write(layout, [1.0, 2.0])
    patient = rowfeed.connect(db._address.url, timeout_s=timeout_s, plain_rows=db._address.plain_rows)
    assert rowfeed.Feed(patient, layout, shuffle=False).arrays().tolist() == [1, 2]
