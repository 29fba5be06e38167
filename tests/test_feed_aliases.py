"""Ids that a database calls equal, and that are other ids: refused when a feed is made, on every engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engines import ENGINES, place

import rowfeed

LOOSE = {
    "sqlite": ["VARCHAR(20) COLLATE NOCASE", "VARCHAR(20) COLLATE RTRIM"],
    "duckdb": ["VARCHAR COLLATE NOCASE"],
    "mariadb": ["VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"],
    "mysql": ["VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci"],
    "postgresql": ["citext", "CHAR(9)", "VARCHAR(20) COLLATE loose"],
}
CASES = [(engine, kind) for engine in ENGINES for kind in LOOSE[engine]]
USERS = rowfeed.Columns("users", sample="name", columns="v")
LABELS = rowfeed.Columns("labels", sample="name", columns="v", null="fill")


@pytest.fixture(params=CASES, ids=[f"{engine}-{kind.split()[-1]}" for engine, kind in CASES])
def tables(request, tmp_path):
    """Two tables with the ids of one kind; a function fills the second."""
    engine, kind = request.param
    with place(engine, request, tmp_path) as found:
        if engine == "postgresql":
            found.run("CREATE EXTENSION citext")
            found.run("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
        for table in ("users", "labels"):
            found.run(f"CREATE TABLE {table} (name {kind}, v INT)", f"CREATE INDEX {table}_i ON {table} (name)")
        found.run("INSERT INTO users VALUES ('Ann', 1), ('Bob', 2), ('Cid', 3)")
        found.kind = kind
        yield found


def alias(kind):
    """A name that such a column calls equal to Ann."""
    return "Ann  " if "RTRIM" in kind else "ann"


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
def test_an_equal_id_is_refused(tables, plain):
    """It names the id, the table and the way out."""
    if tables.kind.startswith("CHAR"):
        tables.run("ALTER TABLE users ALTER COLUMN name TYPE TEXT")
        tables.run("INSERT INTO labels VALUES ('Ann', 5), ('Bob', 6)")
    else:
        tables.run(f"INSERT INTO labels VALUES ('{alias(tables.kind)}', 5), ('Bob', 6)")
    with pytest.raises(
        rowfeed.DataError, match=r"got '(ann|Ann +)' at labels\.name, which the database calls equal to a sample"
    ):
        rowfeed.Feed(tables.connect(plain), x=USERS, y=LABELS)


@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
def test_ids_that_are_alike_are_read(tables, plain):
    """Samples without rows, and rows of no sample, are none of it; both ways read the same."""
    tables.run("INSERT INTO labels VALUES ('Ann', 5), ('Dan', 6)")
    # A label that is missing is `fill`.
    feed = rowfeed.Feed(tables.connect(plain), x=USERS, y=LABELS, batch_size=3, shuffle=False)
    ((x, y),) = list(feed)
    assert x.tolist() == [1, 2, 3]
    assert y.tolist() == [5, 0, 0]
    np.testing.assert_array_equal(rowfeed.Feed(tables.connect(plain), x=LABELS).arrays(), [5, 6])


@pytest.mark.parametrize("engine", ENGINES)
def test_uuids_in_another_form(request, tmp_path, engine):
    """A UUID in capitals, as text, is another text on every engine."""
    ids = ["123e4567-e89b-12d3-a456-42661417400a", "123e4567-e89b-12d3-a456-42661417400b"]
    with place(engine, request, tmp_path) as found:
        for table, names in (("users", ids), ("labels", [ids[0].upper(), ids[1]])):
            found.run(f"CREATE TABLE {table} (name VARCHAR(40) PRIMARY KEY, v INT)")
            found.run(f"INSERT INTO {table} VALUES ('{names[0]}', 1), ('{names[1]}', 2)")
        with pytest.raises(rowfeed.DataError, match=r"got '123E4567-.*at labels\.name"):
            rowfeed.Feed(found.connect(), x=USERS, y=LABELS)
        with pytest.raises(rowfeed.DataError, match=r"got '123e4567-.*at users\.name"):
            rowfeed.Feed(found.connect(), x=replace(LABELS, null="error"), y=replace(USERS, null="fill"))
        some = rowfeed.Feed(found.connect(), x=LABELS)
        np.testing.assert_array_equal(some.arrays(), [1, 2])


def fill(tables, users, labels):
    """Fill both tables, the first with text if the kind is CHAR(n)."""
    if tables.kind.startswith("CHAR"):
        tables.run("ALTER TABLE users ALTER COLUMN name TYPE TEXT")
    tables.run("DELETE FROM users")
    for table, names in (("users", users), ("labels", labels)):
        rows = ", ".join(f"('{name}', {value})" for value, name in enumerate(names, 1))
        tables.run(f"INSERT INTO {table} VALUES {rows}")


def test_a_table_of_few_ids_is_tried_by_its_own(tables):
    """One label for a thousand samples, which is another form of one of them, is found."""
    names = [f"Ann{number}" for number in range(1000)]
    other = "Ann77" if tables.kind.startswith("CHAR") else alias(tables.kind).replace("nn", "nn77")
    fill(tables, names, [other])
    for plain in (False, True):
        with pytest.raises(rowfeed.DataError, match=r"got '(ann77|Ann77 +)' at labels\.name, which the database calls"):
            rowfeed.Feed(tables.connect(plain), x=USERS, y=LABELS)


def test_samples_of_two_tables_are_not_twice_the_same(tables):
    """Where the samples come from both tables, equal ids would be two samples, each with half of the inputs."""
    other = "Ann" if tables.kind.startswith("CHAR") else alias(tables.kind)
    fill(tables, ["Ann", "Bob"], [other])
    x = {"user": rowfeed.Columns("users", sample="name", columns="v", null="fill"), "label": LABELS}
    for plain in (False, True):
        with pytest.raises(rowfeed.DataError, match="which the database calls equal to a sample without rows there"):
            rowfeed.Feed(tables.connect(plain), x=x)


def test_samples_that_one_table_tells_apart_are_two(tables):
    """They are two samples there, so that each may be without rows in the other table, whatever that calls equal."""
    exact = {"mysql": "utf8mb4_0900_bin", "mariadb": "utf8mb4_nopad_bin"}.get(tables.engine)
    text = f"VARCHAR(20) CHARACTER SET utf8mb4 COLLATE {exact}" if exact else "VARCHAR(20)"
    other = "Ann      " if tables.kind.startswith("CHAR") else alias(tables.kind)
    tables.run("DROP TABLE users", f"CREATE TABLE users (name {text}, v INT)", "CREATE INDEX users_i ON users (name)")
    tables.run(f"INSERT INTO users VALUES ('Ann', 1), ('{other}', 2)", f"INSERT INTO labels VALUES ('{other}', 5)")
    x = {"user": rowfeed.Columns("users", sample="name", columns="v", null="fill"), "label": LABELS}
    for plain in (False, True):
        found = rowfeed.Feed(tables.connect(plain), x=x).arrays()
        assert sorted(zip(found["user"].tolist(), found["label"].tolist(), strict=True)) == [(1, 0), (2, 5)]


def test_rows_without_an_id_belong_to_no_sample(tables):
    """A NULL among the ids of a table that names no samples does not matter, however the table compares."""
    fill(tables, ["Ann", "Bob"], ["Dan" if tables.kind.startswith("CHAR") else "Ann"])
    tables.run("INSERT INTO labels VALUES (NULL, 9)")
    for plain in (False, True):
        feed = rowfeed.Feed(tables.connect(plain), x=USERS, y=LABELS, batch_size=2, shuffle=False)
        ((_, y),) = list(feed)
        assert y.tolist() == ([0, 0] if tables.kind.startswith("CHAR") else [1, 0])
