"""What a message shows of a value; and no secret in any place of any public function."""

from __future__ import annotations

import inspect
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from test_access_passwords import CANARY, QUOTED, assert_clean, on_command_line, pickled, watch

import rowfeed
from rowfeed.messages import brief, discreet, is_url, redacted

__all__ = ["watch"]  # a fixture

URL = f"mysql+pymysql://u:{QUOTED}@h/d"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (7, "7"),
        (1.5, "1.5"),
        (None, "None"),
        ("mean", "'mean'"),
        ("it's", '"it\'s"'),
        (Decimal("1.50"), "1.50"),
        ("x" * 50, f"'{'x' * 36}..."),
        ((), "()"),
        (("a", "b"), "('a', 'b')"),
        (("a",), "('a',)"),
        ([1] * 9, "[1, 1, 1, 1, 1, 1, ...]"),
        ({"a": 1}, "{'a': 1}"),
        (np.zeros((2, 3)), "<ndarray of shape (2, 3)>"),
        (np.float32(2), "np.float32(2.0)"),
        (URL, "'mysql+pymysql://…'"),
        (f"jdbc:mysql://h/d?password={QUOTED}", "'jdbc:mysql://…'"),
        (URL.encode(), "<bytes>"),
        (sa.make_url(URL), "<URL>"),
        (sa.create_mock_engine("sqlite://", print), "<MockConnection>"),
        (Path(URL), "<PosixPath>"),
        (f"u:{CANARY}@h/d", "<text that may hold a password>"),
        (f"host=h password={QUOTED}", "<text that may hold a password>"),
        (f"mysql+pymysql:/u:{QUOTED}@h/d", "<text that may hold a password>"),
        ([URL, 1], "['mysql+pymysql://…', 1]"),
        ({"user": "u", "password": CANARY}, "{'user': 'u', 'password': ***}"),
        ({"db": {"pwd": CANARY, "urls": (URL,)}}, "{'db': {'pwd': ***, 'urls': ('mysql+pymysql://…',)}}"),
    ],
)
def test_brief(value, shown):
    """Short, recognisable, and without what may be a secret."""
    if not isinstance(value, sa.engine.mock.MockConnection):
        assert brief(value) == shown
    assert_clean(brief(value))


def test_what_has_no_repr():
    """An object whose repr fails, or shows a secret, is named by its type."""

    class Odd:
        def __repr__(self):
            raise RuntimeError(CANARY)

    class Settings:
        def __repr__(self):
            return f"Settings(password='{CANARY}')"

    assert (brief(Odd()), brief(Settings())) == ("<Odd>", "<Settings>")


@pytest.mark.parametrize("text", ["USER_MATRIX", "a.b", "a:b", "x > 0 AND note = 'see http://a'", "", "C:/x"])
def test_what_is_no_url(text):
    """Names and SQL are no URLs."""
    assert not is_url(text)


def test_texts_that_were_typed():
    """What somebody typed is repeated without what looks like a password."""
    assert redacted(f"unknown: a://u:{CANARY}@h/d b") == "unknown: a://u:***@h/d b"
    assert redacted(f"a://h/d?PassWord={QUOTED}&b=1 c") == "a://h/d?PassWord=***&b=1 c"
    assert redacted("sqlite:///a.db --x") == "sqlite:///a.db --x"
    assert redacted(f"Invalid value for '--seed': 'u:{QUOTED}@h' is") == "Invalid value for '--seed': 'u:***@h' is"


def test_discreet_keeps_the_frames_of_others():
    """Only rowfeed's own frames lose their variables: a debugger still shows those of the user's code."""

    def own(value):
        mine = value + 1
        raise ValueError(mine)

    with pytest.raises(ValueError, match="8") as caught:
        discreet(own)(7)
    assert caught.traceback[-1].frame.f_locals["mine"] == 8


# The canary: a URL with a password in each place of each public function


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """What the public methods belong to, on a small table."""
    path = tmp_path_factory.mktemp("canary") / "a.db"
    db = rowfeed.connect(f"sqlite:///{path}")
    grid = rowfeed.Grid("cells", sample="id", axes="x", value="v", shape=2)
    db.write(grid, np.ones((40, 2), "float32"))
    return {"db": db, "grid": grid, "feed": rowfeed.Feed(db, grid, batch_size=4)}


GRID = {"table": "cells", "sample": "id", "axes": ("x",), "value": "v", "shape": (2,)}

CALLS = {
    "connect": (lambda t: rowfeed.connect, lambda t: {"url_or_engine": "sqlite:///a.db"}),
    "Grid": (lambda t: rowfeed.Grid, lambda t: GRID),
    "Columns": (lambda t: rowfeed.Columns, lambda t: {"table": "cells", "sample": "id", "columns": "v"}),
    "Samples": (lambda t: rowfeed.Samples, lambda t: {"table": "cells", "column": "id"}),
    "Feed": (lambda t: rowfeed.Feed, lambda t: {"db": t["db"], "x": t["grid"], "y": t["grid"]}),
    "Database.write": (
        lambda t: t["db"].write,
        lambda t: {"layout": t["grid"], "arrays": np.ones((2, 2), "float32"), "if_exists": "fail"},
    ),
    "Feed.batches": (lambda t: t["feed"].batches, lambda t: {"epoch": 0}),
    "Feed.batch_ids": (lambda t: t["feed"].batch_ids, lambda t: {"epoch": 0, "batch": 0}),
    "Feed.split": (lambda t: t["feed"].split, lambda t: {}),
    "Feed.replace": (lambda t: t["feed"].replace, lambda t: {"batch_size": 2}),
}
"""Each public function with arguments that are right, by its name."""

FORMS = {
    "text": URL,
    "bytes": URL.encode(),
    "URL": sa.make_url(URL),
    "list": [URL],
    "dict": {"db": URL, "password": CANARY},
    "nested": [{"a": (URL,)}],
    "unquoted": f"mysql://u:{CANARY}@h/d",
    "DSN": f"host=h user=u password={QUOTED}",
    "login": f"u:{QUOTED}@h:3306/d",
}


def places():
    """Each argument of each function, by its name; an argument that takes any number of values has the name *."""
    replaceable = inspect.signature(rowfeed.Feed).parameters
    for name in CALLS:
        owner, _, method = name.partition(".")
        function = getattr(getattr(rowfeed, owner), method) if method else getattr(rowfeed, owner)
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name == "self" or name == "Feed.replace":
                continue
            yield name, "*" if parameter.kind is parameter.VAR_POSITIONAL else parameter.name
    yield from (("Feed.replace", argument) for argument in (*replaceable, "nonsense"))


@pytest.mark.parametrize(("name", "argument"), list(places()))
def test_no_place_shows_a_secret(things, watch, name, argument):
    """Whatever a call does with a URL in one of its places: no text, traceback, variable, warning or log shows it."""
    function, right = (make(things) for make in CALLS[name])
    for form, value in FORMS.items():
        if (name, argument) == ("connect", "url_or_engine") and form in ("text", "URL"):
            continue  # its right place
        given = dict(right)
        if argument != "*":
            given[argument] = value
        words = (value, 0.5) if argument == "*" else ()
        error = result = None
        try:
            result = function(*words, **given)
            if name == "Feed":
                list(result)
        except Exception as raised:
            error = raised
        if error is None:
            assert (argument, form) in ALLOWED or argument in UNCHECKED, f"{form} as {argument} was accepted"
        else:
            assert isinstance(error, (rowfeed.Error, TypeError, ValueError)), repr(error)
        watch.assert_clean(error)
        if argument not in UNCHECKED:
            assert_clean(repr(result), pickled(result))


UNCHECKED = {"where", "salt", "password_from", "ids", "samples"}
ALLOWED = {("samples", "list")}


@pytest.mark.parametrize("positional", [0, 1, 2])
def test_the_likeliest_first_mistake(things, watch, positional):
    """A URL where a feed expects a Database or a layout is named, not shown."""
    given = [things["db"], things["grid"], things["grid"]]
    given[positional] = URL
    with pytest.raises(rowfeed.ArgumentError, match=r"got (db|x|y)='mysql\+pymysql://…'") as caught:
        rowfeed.Feed(*given)
    watch.assert_clean(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ["--seed", URL],
        ["--samples", URL],
        ["--samples", FORMS["login"]],
        ["--seed", FORMS["DSN"]],
        ["--nonsense", URL],
        [f"--nonsense={URL}"],
        ["--table", URL],
        ["--shape", URL],
        [URL, URL],
    ],
)
def test_the_command(watch, words):
    """No option of the command repeats a URL's password."""
    with pytest.raises(SystemExit):
        on_command_line(None, "sqlite:////no/such/dir/a.db", *words)
    watch.assert_clean()
