"""Names, ids and literals that look like SQL, like a format, or like each other, on every engine."""

from __future__ import annotations

import random
import unicodedata
from contextlib import closing

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import SEED, fresh
from engines import ENGINES

import rowfeed
from rowfeed.dialects import open_session
from rowfeed.request.source import Source

LONGEST = {"mysql": 64, "postgresql": 63}
"""What a name may be long, in characters and in bytes."""

NAMES = [
    'double"quote""s',
    "it's ''",
    "back`tick``s",
    "[bracket]",
    "semi;colon; DROP TABLE x",
    "100%",
    "%s",
    "%%",
    "%(p)s",
    ":p",
    "?",
    "$1 {0}",
    "new\nline\ttab",
    "back\\slash\\",
    "🎲 é e\u0301",
    "select",
    "rowid",
    "-- comment",
    "/* comment */",
    " leading",
    "trailing ",
    "\u202eright to left",
    "Mixed Case",
    "sample",
    "rowfeed_ids",
    "r",
    "w",
    "n" * 64,
]


@pytest.fixture(scope="module", params=ENGINES)
def url(request, tmp_path_factory):
    """A database on each engine that the tests of this module share."""
    with fresh(request.param, request, tmp_path_factory.mktemp("hostile")) as url:
        yield url


@pytest.fixture(params=[False, True], ids=["fast", "plain"])
def db(request, url):
    """That database, read in each way."""
    return rowfeed.connect(url, plain_rows=request.param)


def engine_of(db):
    return db._address.url.get_backend_name()


def allowed(name, engine):
    """The name, or where the engine knows no such name the nearest that it knows."""
    if engine == "mysql":  # names stay in the Basic Multilingual Plane and end with something
        name = name.replace("🎲", "한").rstrip(" ")
    return name[: LONGEST.get(engine, 1_000)]


def others(name, engine):
    """Two further names that are as hostile: of an axis and of a value."""
    room = LONGEST.get(engine, 1_000) - len(name.encode())
    return (f"{name}x", f"v{name}") if room > 0 else (f"{name[:-1]}x", f"v{name[:-1]}")


def run(db, *statements):
    """Run what SQLAlchemy makes of statements, in a session that may write."""
    with open_session(db._address, read_only=False) as session:
        for statement in statements:
            session._connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
        session._connection.commit()


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names(url, name):
    """A name is a name, whatever it is made of: of a table, of each column, in `where`, and as a text in it.

    The CREATE INDEX that the warning about a missing index advises can be run as it stands.
    """
    fast, plain = rowfeed.connect(url), rowfeed.connect(url, plain_rows=True)
    name = allowed(name, engine_of(fast))
    axis, value = others(name, engine_of(fast))
    arrays = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    grid = {"sample": name, "axes": (axis,), "value": value, "shape": (3,)}
    where = sa.and_(sa.column(axis) > 0, sa.column(name) != 3, sa.literal(name) == name, sa.literal("%") != name)
    fast.write(rowfeed.Grid(name, **grid), arrays, ids=[3, 7])
    for db in (fast, plain):
        feed = rowfeed.Feed(db, x=rowfeed.Grid(name, **grid))
        assert feed.sample_ids.tolist() == [3, 7]
        np.testing.assert_array_equal(feed.arrays(), arrays)
        some = rowfeed.Feed(db, x=rowfeed.Grid(name, where=where, **grid), samples=rowfeed.Samples(name, name))
        np.testing.assert_array_equal(some.arrays(), [[0, 0, 0], [0, 5, 6]])
    with open_session(fast._address, read_only=False) as session:
        advised = session.missing_index(Source(name), value)
        if session.engine_name == "duckdb":  # which would not use one
            assert advised is None
            return
        with closing(session._driver.cursor()) as cursor:  # the driver's own, which takes a statement as it stands
            cursor.execute(advised)
        session._driver.commit()
    with fast.open() as session:
        assert session.missing_index(Source(name), value) is None


IDS = 10_000
PIECES = [
    "0) OR (1=1",
    "'; DROP TABLE x; --",
    '" OR ""="',
    "x' OR '1'='1",
    "/*",
    "*/",
    "--",
    "%",
    "%s",
    "%(a)s",
    "{0}",
    "$1",
    ":p",
    "?",
    "\\",
    "\\'",
    "\\u0000",
    "\\x00",
    "'",
    '"',
    "`",
    ",",
    "{",
    "}",
    "NULL",
    "null",
    "\n",
    "\r\n",
    "\t",
    "\x01",
    "\x1a",
    "\x7f",
    " ",
    "\u00a0",
    "\u200b",
    "\u200f",
    "\u202e",
    "\ufeff",
    "\uffff",
    "é",
    "e\u0301",
    "\u0301",
    "ß",
    "ss",
    "İ",
    "ı",
    "한",
    "\u1112\u1161\u11ab",
    "ﬁ",
    "א",
    "🎲",
    "👩‍👩‍👧",
    "\U0010ffff",
    "0",
    "00",
    "1e0",
]
CHANGES = [
    str.upper,
    str.lower,
    str.swapcase,
    lambda text: f"{text} ",
    lambda text: f"{text}  ",
    lambda text: f" {text}",
    lambda text: f"{text}\t",
    lambda text: unicodedata.normalize("NFC", text),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFKC", text),
    lambda text: text.replace("a", "á").replace("e", "é"),
    lambda text: f"{text}\u200b",
]


def hostile_ids(count, nul):
    """So many distinct texts of at most 255 characters: of fragments, of any code points, and near-twins of those."""
    draw = random.Random(SEED)
    found = {"": None} | dict.fromkeys(PIECES) | dict.fromkeys(["\0", "a\0", "a\0b"] if nul else [])

    def character():
        while True:
            code = draw.choice((draw.randrange(0x80), draw.randrange(0x3000), draw.randrange(0x110000)))
            if not 0xD800 <= code < 0xE000 and (code or nul):
                return chr(code)

    while len(found) < count:
        kind = draw.random()
        if kind < 0.4:
            text = "".join(draw.choices(PIECES, k=draw.randrange(1, 5)))
        elif kind < 0.8:
            text = "".join(character() for _ in range(draw.randrange(1, 12)))
        elif kind < 0.82:
            text = "".join(character() for _ in range(draw.randrange(200, 256)))
        else:
            text = "".join(draw.choices("aAeEsS bB", k=draw.randrange(1, 9)))
        for twin in (text, *(change(text) for change in draw.sample(CHANGES, 3))):
            if len(twin) <= 255 and len(found) < count:
                found[twin] = None
    ids = list(found)
    draw.shuffle(ids)
    return ids


LOOSE = {
    "sqlite": "VARCHAR(255) COLLATE NOCASE",
    "duckdb": "VARCHAR COLLATE nocase.noaccent",
    "mysql": "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
    "postgresql": 'text COLLATE "loose"',
}
"""Columns whose collation takes many ids for one."""


@pytest.fixture(scope="module")
def ids(url):
    """The ids, each written with its own number in two cells: `strict` as `write` does, `loose` in another collation.

    `half` has every second of them.
    """
    db = rowfeed.connect(url)
    engine = engine_of(db)
    ids = hostile_ids(IDS, nul=engine != "postgresql")  # which has no NUL
    for name, step in (("strict", 1), ("half", 2)):
        db.write(layout(name), numbered(len(ids[::step]), step), ids=ids[::step])
    if engine == "postgresql":
        run(db, "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
    run(
        db,
        f"CREATE TABLE loose (id {LOOSE[engine]}, x INT, v DOUBLE PRECISION)",
        "INSERT INTO loose SELECT id, x, v FROM strict",
        "CREATE INDEX loose_id ON loose (id)",
    )
    return ids


def layout(table):
    return rowfeed.Grid(table, sample="id", axes=("x",), value="v", shape=(2,), dtype="float64")


def numbered(count, step=1):
    """Values that say whose they are: number + 1 and its negative."""
    number = np.arange(count) * step + 1.0
    return np.stack([number, -number], axis=1)


def test_the_ids_are_hostile():
    """They are as many as promised, distinct, and most have a near-twin that a loose collation takes for them."""
    ids = hostile_ids(IDS, nul=True)
    assert len(set(ids)) == len(ids) == IDS
    assert max(map(len, ids)) > 250
    assert sum("\0" in text for text in ids) > 100
    folded = [unicodedata.normalize("NFKD", text).casefold().strip() for text in ids]
    assert len(folded) - len(set(folded)) > IDS / 4


@pytest.mark.parametrize("table", ["strict", "loose"])
def test_ids(db, ids, table):
    """Each id is listed, is on one side of a split, and gets exactly its own row."""
    feed = rowfeed.Feed(db, x=layout(table), batch_size=64, memory_bytes=1 << 20)
    assert feed.sample_ids.tolist() == sorted(ids)
    sides = feed.split(0.7, 0.3)
    assert sorted(i for side in sides for i in side.sample_ids.tolist()) == sorted(ids)
    place = {text: number for number, text in enumerate(ids)}
    seen = []
    for side in sides:
        for batch, values in enumerate(side.batches()):
            names = side.batch_ids(0, batch).tolist()
            np.testing.assert_array_equal(values, numbered(IDS)[[place[name] for name in names]])
            seen += names
    assert sorted(seen) == sorted(ids)


def test_ids_without_rows(db, ids):
    """Ids that are asked for and have no rows are all fill, however much they look like those that have."""
    values = rowfeed.Feed(db, x=layout("half"), samples=ids).arrays()
    order = sorted(range(len(ids)), key=lambda number: ids[number])
    expected = np.where(np.arange(IDS)[:, None] % 2, 0, numbered(IDS))[order]
    np.testing.assert_array_equal(values, expected)


def test_ids_that_no_engine_has(db, ids):
    """Half of a surrogate pair is no text: refused, not replaced."""
    with pytest.raises(rowfeed.ArgumentError, match="samples"):
        rowfeed.Feed(db, x=layout("strict"), samples=["a", "\ud800"])
