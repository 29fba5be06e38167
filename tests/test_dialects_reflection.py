"""A database's catalogue: names in another case, views, and which of them lack an index."""

from __future__ import annotations

import warnings

import pytest
from engines import ENGINES, place

import rowfeed

IGNORE_CASE = {"sqlite": "both", "duckdb": "both", "mariadb": "columns", "mysql": "columns", "postgresql": ""}
"""Which names are read in any case, by the engine (on Linux)."""


@pytest.fixture(scope="module", params=[(engine, way) for engine in ENGINES for way in ("fast", "plain")], ids="-".join)
def spelt(request, tmp_path_factory):
    """The engine, and a database with a table USERS (Id, X, V) and views of it."""
    engine, way = request.param
    with place(engine, request, tmp_path_factory.mktemp(engine)) as there:
        quoted = {"sqlite": '"{}"', "duckdb": '"{}"', "postgresql": '"{}"'}.get(engine, "`{}`").format
        users, sample, x, v, view = map(quoted, ("USERS", "Id", "X", "V", "VW"))
        there.run(
            f"CREATE TABLE {users} ({sample} INT, {x} INT, {v} DOUBLE PRECISION, PRIMARY KEY ({sample}, {x}))",
            f"INSERT INTO {users} VALUES (1, 0, 5), (2, 1, 6.5)",
            f"CREATE VIEW {view} AS SELECT * FROM {users}",
        )
        if engine == "postgresql":
            there.run(f'CREATE MATERIALIZED VIEW mv AS SELECT "Id" AS id, "X" AS x, "V" AS v FROM {users}')
            there.run("CREATE INDEX mv_id ON mv (id)")
        yield engine, there.connect(way == "plain")


@pytest.mark.parametrize("table", ["USERS", "users", "VW", "Vw"])
@pytest.mark.parametrize("names", [("Id", "X", "V"), ("id", "x", "v")])
def test_names_in_another_case(spelt, table, names):
    """What the engine itself takes for the same name is read, without a warning; else the error has the right one."""
    engine, db = spelt
    sample, x, v = names
    layout = rowfeed.Grid(
        table, sample=sample, axes=x, value=v, shape=2, duplicates="error" if "V" in table else "last"
    )
    tables_too = IGNORE_CASE[engine] == "both" or table.isupper()
    columns_too = IGNORE_CASE[engine] or names[0] == "Id"
    with warnings.catch_warnings():
        warnings.simplefilter("error", rowfeed.MissingIndexWarning)
        if tables_too and columns_too:
            assert rowfeed.Feed(db, layout, shuffle=False).arrays().tolist() == [[5, 0], [0, 6.5]]
            return
        right = table.upper() if not tables_too else "Id"
        with pytest.raises(rowfeed.SchemaError, match=f"Did you mean '{right}'"):
            rowfeed.Feed(db, layout)


def test_a_materialized_view_with_an_index(spelt):
    """Its index counts as that of a table."""
    engine, db = spelt
    if engine != "postgresql":
        pytest.skip("has none")
    with warnings.catch_warnings():
        warnings.simplefilter("error", rowfeed.MissingIndexWarning)
        feed = rowfeed.Feed(db, rowfeed.Grid("mv", sample="id", axes="x", value="v", shape=2), shuffle=False)
        assert feed.arrays().tolist() == [[5, 0], [0, 6.5]]


def test_several_columns_as_the_sample(tmp_path):
    """Two columns as the sample: the error says what was given and how to join them, and that works."""
    import sqlalchemy as sa

    with pytest.raises(rowfeed.ArgumentError) as caught:
        rowfeed.Grid("t", sample=("a", "b"), axes="x", value="v", shape=2)
    assert str(caught.value).startswith(
        "expected one column with the sample id; got sample=('a', 'b'). Join them to one id in a selectable: "
        "sqlalchemy.select((t.c['a'] * 1_000_000 + t.c['b']).label(\"id\"), ...)"
    )
    db = rowfeed.connect(f"sqlite:///{tmp_path}/a.db")
    db.write(
        rowfeed.Grid("t", sample="a", axes=("b", "x"), value="v", shape=(3, 2)), [[[0, 0], [1, 0], [0, 2]]], ids=[7]
    )
    t = sa.table("t", *map(sa.column, "abxv"))
    joined = sa.select((t.c["a"] * 1_000_000 + t.c["b"]).label("id"), t.c["x"], t.c["v"])
    feed = rowfeed.Feed(db, rowfeed.Grid(joined, sample="id", axes="x", value="v", shape=2), shuffle=False)
    assert feed.sample_ids.tolist() == [7_000_001, 7_000_002]
    assert feed.arrays().tolist() == [[1, 0], [0, 2]]
