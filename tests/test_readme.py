"""The README and the pages in docs/ run, as they stand, in an empty folder."""

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
from conftest import fresh
from engines import SERVERS

import rowfeed

ROOT = Path(__file__).parent.parent
READMES = ["README.md", "README.ko.md"]
PAGES = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))


def blocks(page, language=r"\w+"):
    """Language and text of a page's code blocks, from top to bottom."""
    return re.findall(rf"^```({language})\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def run_page(page, directory, monkeypatch):
    """Run the Python and the shell of a page in a directory, from top to bottom, as a reader would paste them."""
    monkeypatch.chdir(directory)
    names = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page, "exec"), names)
        elif language == "sh":
            for line in text.splitlines():
                run_line(line)
    return names


def run_line(line):
    """A line of shell: rowfeed's are run; of the others we see that they would do what they say."""
    command, *arguments = shlex.split(line)
    if command == "rowfeed":
        run = [sys.executable, "-m", "rowfeed", *arguments]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif command == "make":
        subprocess.run(["make", "-n", *arguments], cwd=ROOT, check=True, capture_output=True)
    elif command == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set(re.fullmatch(r"rowfeed\[(.+)\]", arguments[-1])[1].split(",")) <= set(extras)
    else:
        assert line == "export KERAS_BACKEND=jax"  # the tests run on other backends as well


@pytest.mark.keras
@pytest.mark.once
@pytest.mark.timeout(1200)  # rowfeed demo and train take half a minute of CPU each
def test_the_readme_runs(tmp_path, monkeypatch):
    """All of the README runs from top to bottom, as it stands, in an empty folder."""
    names = run_page("README.md", tmp_path, monkeypatch)
    assert names["model"].code_size


def test_the_first_python_block_is_short():
    """The way to model.fit takes at most 12 lines of code and ends with it."""
    lines = [line for line in blocks("README.md", "python")[0][1].splitlines() if line.strip()]
    assert len(lines) <= 12
    assert lines[-1].startswith("model.fit(")


def test_both_readmes_have_the_same_code():
    """The Korean README shows the same code as the English one, in the same order."""
    assert blocks("README.md") == blocks("README.ko.md")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_pages_run(page, tmp_path, monkeypatch):
    """So does each page of docs/ that has Python."""
    run_page(page, tmp_path, monkeypatch)


@pytest.mark.parametrize("readme", READMES)
def test_pages_are_linked(readme):
    """Each page is linked from the READMEs."""
    assert all(f"({page})" in (ROOT / readme).read_text() for page in PAGES)


@pytest.mark.parametrize("engine", SERVERS)
def test_the_rights_on_the_page_suffice(engine, request, tmp_path):
    """With what the page grants, and no more, an account reads both tables."""
    grants = [statements for _, statements in blocks("docs/databases.md", "sql") if "reader" in statements]
    statements = grants[engine == "postgresql"]
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
