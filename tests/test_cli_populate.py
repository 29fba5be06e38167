"""Random user matrices in a table."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import rowfeed
from rowfeed.cli.populate import CHUNK_CELLS, VALUES, Population
from rowfeed.errors import ArgumentError, SchemaError


@pytest.fixture
def db(tmp_path):
    """A database that is not there yet."""
    return rowfeed.connect(f"sqlite:///{tmp_path}/users.db")


def read(db, population):
    """All matrices, in the order of the users, and the column `cells` of the table of users."""
    users = rowfeed.Columns(population.users_table, sample="user_id", columns="cells", dtype="int64")
    samples = rowfeed.Samples(population.users_table, "user_id")
    return rowfeed.Feed(db, x=population.grid, y=users, samples=samples, shuffle=False).arrays()


def test_values_and_users(db):
    """Cells hold -7..17 without 0, about as many as density says; some users have no row, and all users are listed."""
    population = Population(samples=5_000)
    rows = population.write(db, "fail")
    matrices, cells = read(db, population)
    assert matrices.shape == (5_000, 4, 4)
    assert sorted(set(matrices.ravel().tolist())) == list(range(-7, 18))
    assert rows == np.count_nonzero(matrices) == cells.sum()
    np.testing.assert_array_equal(np.count_nonzero(matrices, axis=(1, 2)), cells)
    assert rows / matrices.size == pytest.approx(0.3 * 0.98, rel=0.02)
    assert 0.015 < (cells == 0).mean() < 0.035
    counts = np.array([np.count_nonzero(matrices == value) for value in VALUES])
    assert counts.min() > 0.85 * counts.mean()


def test_the_seed_decides(db):
    """The same seed gives the same matrices; another one gives others."""
    ids = np.arange(1, 100)
    np.testing.assert_array_equal(Population().matrices(ids), Population().matrices(ids))
    assert (Population().matrices(ids) != Population(seed=1).matrices(ids)).any()


def test_append_goes_on_after_the_last_user(db):
    """Appended users get the ids after the last one, and matrices of their own."""
    population = Population(samples=40)
    population.write(db, "append")
    population.write(db, "append")
    matrices, _ = read(db, population)
    assert len(matrices) == 80
    assert (matrices[:40] != matrices[40:]).any()


def test_replace_leaves_nothing_of_the_old(db):
    """Replacing gives the tables of the new users alone, of another shape."""
    Population(samples=40).write(db, "fail")
    population = Population(samples=7, shape=(3, 5))
    population.write(db, "replace")
    assert read(db, population)[0].shape == (7, 3, 5)


def test_several_chunks_are_one_table(db):
    """Users whose matrices come in several chunks, the last one short, are all there; progress is told by chunk."""
    shape, told = (50, 100), []
    population = Population(samples=2 * CHUNK_CELLS // 5000 + 3, shape=shape, density=0.001, empty=0.5)
    population.write(db, "fail", told.append)
    assert told == [50, 100, 103]
    matrices, cells = read(db, population)
    assert matrices.shape == (103, *shape)
    np.testing.assert_array_equal(np.count_nonzero(matrices, axis=(1, 2)), cells)


@pytest.mark.parametrize("there", ["USER_MATRIX", "USER_MATRIX_USERS"])
def test_fail_writes_neither_table(db, there):
    """If one of the tables is there, the other is not begun."""
    db.write(rowfeed.Columns(there, sample="a", columns="b"), np.ones(1, np.float32))
    with pytest.raises(ArgumentError) as refused:
        Population().write(db, "fail")
    assert str(refused.value) == (
        f"expected no table {there!r} yet; got one in {db.label}. "
        "Pass --if-exists append or replace, or another --table."
    )
    other = ({"USER_MATRIX", "USER_MATRIX_USERS"} - {there}).pop()
    with pytest.raises(SchemaError, match="expected a table or view"):
        rowfeed.Feed(db, rowfeed.Columns(other, sample="user_id", columns="cells"))


def test_memory_does_not_grow_with_the_users(tmp_path):
    """Four times the users take hardly more memory: the peak is that of a chunk."""

    def peak(samples):
        script = (
            "import resource, rowfeed; from rowfeed.cli.populate import Population\n"
            f"db = rowfeed.connect('sqlite:///{tmp_path}/{samples}.db')\n"
            f"Population(samples={samples}).write(db, 'fail')\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert peak(125_000) - peak(31_250) < 8 * 2**20
