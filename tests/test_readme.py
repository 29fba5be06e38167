"""Every code block of the READMEs and of the pages in docs/ runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import SERVERS, fresh

import rowfeed

ROOT = Path(__file__).parent.parent
READMES = ["README.md", "README.ko.md"]
PAGES = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))


def blocks(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def games(tmp_path, monkeypatch):
    """A directory with the database that the README's code reads, and room for what it writes."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    db = rowfeed.connect("sqlite:///games.db")
    matrices = rng.integers(-7, 18, (100, 4, 4)) * (rng.random((100, 4, 4)) < 0.3)
    grid = rowfeed.Grid("USER_MATRIX", sample="user_id", axes=("x", "y"), value="value", shape=(4, 4))
    db.write(grid, matrices.astype("float32"))
    churned = rowfeed.Columns("USERS", sample="user_id", columns="churned", dtype="int32")
    db.write(churned, rng.integers(0, 2, 100).astype("int32"))


@pytest.mark.keras
@pytest.mark.parametrize("readme", READMES)
def test_python_blocks_run(games, readme):
    """The Python blocks run, one after the other, as a reader would paste them."""
    names = {}
    for block in blocks(readme, "python"):
        exec(compile(block, readme, "exec"), names)
    assert names["model"].code_size


def test_the_first_python_block_is_short():
    """The way to model.fit takes at most 12 lines of code and ends with it."""
    lines = [line for line in blocks("README.md", "python")[0].splitlines() if line.strip()]
    assert len(lines) <= 12
    assert lines[-1].startswith("model.fit(")


def test_both_readmes_have_the_same_code():
    """The Korean README shows the same code as the English one."""
    for language in ("python", "sh"):
        assert blocks("README.md", language) == blocks("README.ko.md", language)


@pytest.mark.keras
def test_shell_blocks_run(tmp_path):
    """Each shell line works: rowfeed's are run, make's targets and pip's extras exist."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in "".join(blocks("README.md", "sh")).splitlines():
        command, *arguments = shlex.split(line)
        if command == "make":
            subprocess.run(["make", "-n", *arguments], cwd=ROOT, check=True, capture_output=True)
        elif command == "pip":
            assert re.fullmatch(r"rowfeed\[(\w+)\]", arguments[-1])[1] in extras
        elif command == "export":
            assert arguments == ["KERAS_BACKEND=jax"]
        else:
            assert command == "rowfeed"
            run = [sys.executable, "-m", "rowfeed", *arguments]
            done = subprocess.run(run, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_python_blocks_of_a_page_run(games, page):
    """The Python blocks of a page run, one after the other."""
    names = {}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), names)


@pytest.mark.parametrize("readme", READMES)
def test_pages_are_linked(readme):
    """Each page is linked from the READMEs."""
    assert all(f"({page})" in (ROOT / readme).read_text() for page in PAGES)


@pytest.mark.parametrize("engine", SERVERS)
def test_the_rights_on_the_page_suffice(engine, request, tmp_path):
    """With what the page grants, and no more, an account reads both tables."""
    statements = blocks("docs/databases.md", "sql")[SERVERS.index(engine)]
    grid = rowfeed.Grid("USER_MATRIX", sample="user_id", axes=("x", "y"), value="value", shape=(4, 4))
    churned = rowfeed.Columns("USERS", sample="user_id", columns="churned", dtype="int32")
    with fresh(engine, request, tmp_path) as url:
        rowfeed.connect(url).write(grid, np.ones((3, 4, 4), "float32"))
        rowfeed.connect(url).write(churned, np.arange(3, dtype="int32"))
        reader = f"reader{os.getpid()}"
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with admin.connect() as connection:
            for statement in statements.replace("reader", reader).split(";\n")[:-1]:
                connection.exec_driver_sql(re.sub(r"\bgame\b", url.database, statement).replace("%", "%%"))
        db = rowfeed.connect(url.set(username=reader, password="change me"))
        feed = rowfeed.Feed(db, x=grid, y=churned, samples=rowfeed.Samples("USERS", "user_id"))
        x, y = feed.arrays()
        with admin.connect() as connection:
            if engine == "postgresql":
                connection.exec_driver_sql(f"DROP OWNED BY {reader}")
            connection.exec_driver_sql(f"DROP USER {reader}")
    assert x.sum() == 48
    assert y.tolist() == [0, 1, 2]
