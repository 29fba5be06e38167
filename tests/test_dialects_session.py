"""What every engine's session does beside reading, on each engine and in each way of reading."""

from __future__ import annotations

import re

import numpy as np
import pytest
import sqlalchemy as sa

import rowfeed
from rowfeed.dialects import open_session, session_class
from rowfeed.dialects.session import Session
from rowfeed.request.request import Request

CELLS = {"axes": ("x", "y"), "value": "v", "shape": (3, 3)}
IDS = {"integers": np.arange(10, 1210, 2), "text": np.array([f"Ab {i:04}" for i in range(600)])}


def counted(db, layout, ids):
    """How many rows the engine counts for some ids."""
    with db.open() as session:
        selection = layout.selection(session)
        ids = np.asarray(ids, np.dtypes.StringDType()) if np.asarray(ids).dtype.kind == "U" else np.asarray(ids)
        return session.count(Request(selection, ids))


@pytest.mark.parametrize("kind", IDS)
def test_count_is_of_the_rows_of_the_request(db, kind):
    """Of 600 samples of which sample i has i % 10 rows: exactly those of the ids that were asked for."""
    ids = IDS[kind]
    filled = (np.arange(9) < np.arange(600)[:, None] % 10).reshape(600, 3, 3)
    db.write(rowfeed.Grid("cells", sample="id", **CELLS), filled.astype("float32"), ids=ids.tolist())
    grid = rowfeed.Grid("cells", sample="id", **CELLS)
    assert counted(db, grid, ids) == filled.sum()
    assert counted(db, grid, ids[[3, 7, 599]]) == 3 + 7 + 9
    assert counted(db, grid, ids[:1]) == 0
    restricted = rowfeed.Grid("cells", sample="id", **CELLS, where=sa.column("x") == 0)
    assert counted(db, restricted, ids[[2, 7, 599]]) == 2 + 3 + 3


@pytest.mark.parametrize("dtype", ["bool", "int64", "float64", "datetime64[us]", "timedelta64[us]"])
def test_count_takes_values_of_any_type(db, dtype):
    """Booleans have no largest one on PostgreSQL, and the sum of these numbers would overflow: neither matters."""
    values = {
        "bool": np.array([True, False, True]),
        "int64": np.full(3, 2**62),
        "float64": np.full(3, 1.7e308),
    }.get(dtype, np.arange(3).astype(dtype))
    layout = rowfeed.Columns("t", sample="id", columns="v", dtype=dtype)
    if dtype == "bool" and db.url.get_backend_name() in ("postgresql", "duckdb"):
        with open_session(db._address, read_only=False) as session, session._connection.begin():
            session._connection.exec_driver_sql("CREATE TABLE t (id INT PRIMARY KEY, v BOOLEAN)")
            session._connection.exec_driver_sql("INSERT INTO t VALUES (0, TRUE), (1, FALSE), (2, TRUE)")
    else:
        db.write(layout, values)
    assert counted(db, layout, [0, 2]) == 2


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
