"""Errors and warnings of the library in the words of a command."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import rowfeed
from rowfeed.cli.commands import program
from rowfeed.cli.main import main
from rowfeed.cli.wording import _arguments, in_words_of

COMMANDS = ("demo", "populate", "train", "bench")


def options(command):
    """The options of a command, by the names of their arguments."""
    return {param.name: param.opts[0] for param in program.commands[command].params}


@pytest.mark.parametrize(
    ("command", "text", "wanted"),
    [
        (
            "train",
            'expected a number; got NULL at cells.v, s=12. Fix the row, or pass null="drop" or null="fill".',
            "expected a number; got NULL at cells.v, s=12. Fix the row, or pass --null drop or --null fill.",
        ),
        (
            "bench",
            'expected one row for a cell; got 2 at T.x, shape=3, x=1. Delete all but one, or pass duplicates="sum", '
            '"mean" or "last".',
            "expected one row for a cell; got 2 at T.x, shape=3, x=1. Delete all but one, or pass --duplicates sum, "
            "mean or last.",
        ),
        (
            "train",
            "y must be in 0..3 (axis of shape (4, 4)); got 7 at T.y, id=1. Fix the row, enlarge shape, or pass "
            'out_of_range="drop".',
            "y must be in 0..3 (axis of shape (4, 4)); got 7 at T.y, id=1. Fix the row, enlarge --shape, or pass "
            "--out-of-range drop.",
        ),
        (
            "bench",
            "expected one row per sample; got none at T.a, id=a.b. Add the row, leave the sample out with samples=, or "
            'pass null="fill".',
            "expected one row per sample; got none at T.a, id=a.b. Add the row, leave the sample out with "
            "--samples-table, or pass --null fill.",
        ),
        (
            "train",
            'expected a value that float32 holds exactly; got 16777217 at T.v, id=1. Pass dtype="float64", or fix the '
            "row.",
            "expected a value that float32 holds exactly; got 16777217 at T.v, id=1. Fix the row, or CAST the "
            "column to DOUBLE in a view, to round it.",
        ),
        (
            "train",
            'expected a number; got "x" at T.v, id=1. Read it with Columns(…, dtype="datetime64[D]"), or CAST the '
            "column in a selectable.",
            'expected a number; got "x" at T.v, id=1. CAST the column in a view.',
        ),
        (
            "train",
            "expected an answer from h within timeout_s=30; got none. The network has stalled, or the query needs "
            "longer: check them, or pass a larger timeout_s to rowfeed.connect.",
            "expected an answer from h within 30 s; got none. The network has stalled, or the query needs longer: "
            "check them.",
        ),
        (
            "bench",
            "expected at most max_scanned_rows=1,000 rows scanned; got 5,000. Create one: CREATE INDEX i ON t (id). Or "
            "pass more memory_bytes, for fewer scans; or max_scanned_rows=None to rowfeed.connect, to scan all.",
            "expected at most --max-scanned-rows 1,000 rows scanned; got 5,000. Create one: CREATE INDEX i ON t (id). "
            "Or pass more --memory-bytes, for fewer scans; or a larger --max-scanned-rows, to scan all.",
        ),
        (
            "train",
            "No connection is left. Close some, pass fewer connections=, or raise its max_connections.",
            "No connection is left. Close some, or raise its max_connections.",
        ),
        (
            "bench",
            "No connection is left. Close some, pass fewer connections=, or raise its max_connections.",
            "No connection is left. Close some, pass fewer --connections, or raise its max_connections.",
        ),
        (
            "bench",
            "expected as many axes as sides; got axes=('x', 'y') and shape=(4, 4). Name one column per side.",
            "expected as many axes as sides; got --axes x,y and --shape 4,4. Name one column per side.",
        ),
        (
            "bench",
            'expected a sample id in every row; got NULL at T.id. Leave it out with where="id IS NOT NULL".',
            'expected a sample id in every row; got NULL at T.id. Leave it out with --where "id IS NOT NULL".',
        ),
    ],
)
def test_arguments_become_options(command, text, wanted):
    """Options as one types them, names of the database as they are, and no way out that the command does not have."""
    assert in_words_of(options(command), text) == wanted


def texts():
    """The texts of the library that say what was expected, with X for what is filled in."""
    source = Path(rowfeed.__file__).parent
    for path in sorted(source.rglob("*.py")):
        if path.parent.name not in ("cli", "keras", "models"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
                    text = " ".join("".join(map(str, parts)).split())
                    if text.startswith("expected ") and "; got " in text:
                        yield text


@pytest.mark.parametrize("command", COMMANDS)
def test_no_text_of_the_library_offers_an_argument(command):
    """Whatever an error of the library offers, a command does not say `name=value`, nor `rowfeed.connect`."""
    known, own = _arguments(), set(options(command)) - {"samples"}
    assert len(list(texts())) > 30
    for text in texts():
        said = in_words_of(options(command), text)
        _, _, advice = said.partition("; got ")
        _, _, advice = advice.partition(". ")
        assert not re.search(rf"(?<![\w.-])({'|'.join(known)})=", advice), said
        assert not re.search(rf"(?<![\w.-])({'|'.join(own)})=", said.replace("X=", "")), said
        assert "rowfeed.connect" not in advice or "For example" in advice or "got db=" in text, said
        assert said.startswith("expected "), said


def test_a_user_sees_options(tmp_path, capsys):
    """The whole way, from a NULL in a file to a line on the terminal."""
    url = f"sqlite:///{tmp_path / 'n.db'}"
    import sqlite3

    with sqlite3.connect(tmp_path / "n.db") as db:
        db.execute("CREATE TABLE t (id INTEGER, x INTEGER, y INTEGER, v REAL, PRIMARY KEY (id, x, y))")
        db.executemany("INSERT INTO t VALUES (?, 0, 0, NULL)", [(i,) for i in range(20)])
    db.close()
    words = ["bench", url, "--table", "t", "--sample", "id", "--axes", "x,y", "--value", "v", "--shape", "4,4"]
    assert main([*words, "--seconds", "0.1", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert re.fullmatch(r"rowfeed: error: .*got NULL at t\.v, id=\d+\. .*pass --null drop or --null fill\.\n", said)
