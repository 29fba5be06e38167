"""What every engine's session does beside reading, on each engine and in each way of reading."""

from __future__ import annotations

import re

import numpy as np
import pytest

import rowfeed
from rowfeed.dialects import session_class
from rowfeed.dialects.session import Session


def test_the_product_has_a_name_and_a_version(db):
    """As a benchmark's provenance says it."""
    db.write(rowfeed.Columns("t", sample="id", columns="v"), np.ones(2, "float32"))
    with db.open() as session:
        name, version = session.product.split(" ")
    assert name in ("sqlite", "duckdb", "mariadb", "mysql", "postgresql")
    assert version[0].isdigit()


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
