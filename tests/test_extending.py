"""A new layout is one file, and a new engine is one folder: both are added here from outside of the package."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field

import engines
import numpy as np
import pytest

import rowfeed
import rowfeed.dialects
from rowfeed.layouts.base import Layout
from rowfeed.request.selection import Selection, Value
from rowfeed.request.source import Source
from rowfeed.values.ids import TEXT

NAMES = ["Zoë", "", "a" * 5_000, "100 %", "한국", "'"]
RANKS = [3, 1, 2, 7, 9, -5]


@dataclass(frozen=True, eq=False)
class Words(Layout):
    """A text per sample: the one in the row that comes first by another column, and "" for a sample without rows."""

    table: str
    sample: str = field(kw_only=True)
    column: str = field(kw_only=True)
    by: str = field(kw_only=True)

    dtype = TEXT
    sample_shape = ()

    @property
    def source(self):
        return Source(self.table)

    @property
    def values(self):
        return (self.column,)

    def selection(self, catalogue):
        catalogue.check(self.source, (self.sample, self.column, self.by))
        return Selection(
            self.source,
            self.sample,
            (),
            (Value(self.column, TEXT), *catalogue.ordering(self.source, [self.by])),
            id_kind=catalogue.sample_kind(self.source, self.sample),
            indexed=catalogue.indexed(self.source, self.sample),
        )

    def empty(self, samples):
        return np.full(samples, "", TEXT)

    def scatter(self, data, slots, out):
        text, rank = data.values
        last_wins = np.argsort(-rank, kind="stable")
        out[slots[data.sample[last_wins]]] = text[last_wins]

    def unload(self, arrays):
        raise rowfeed.ArgumentError("expected another layout; got one that only reads.")


def fill(place):
    """Samples 1 to 3 have two rows each, 4 has none."""
    rows = ((1 + i // 2, rank, name) for i, (name, rank) in enumerate(zip(NAMES, RANKS, strict=True)))
    mark = "%s" if place.engine in engines.SERVERS else "?"
    text = "TEXT CHARACTER SET utf8mb4" if place.engine in engines.MYSQLS else "TEXT"
    place.run(f"CREATE TABLE words (id INTEGER, place INTEGER, word {text})", "CREATE INDEX words_id ON words (id)")
    for row in rows:
        place.run((f"INSERT INTO words VALUES ({', '.join([mark] * 3)})", row))


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("engine", engines.ENGINES)
def test_a_layout_from_outside(engine, plain, request, tmp_path):
    """A layout of text, which no layout of rowfeed reads, is fed on every engine, in order and over many windows."""
    with engines.place(engine, request, tmp_path) as place:
        fill(place)
        words = Words("words", sample="id", column="word", by="place")
        feed = rowfeed.Feed(place.connect(plain), words, samples=range(1, 5), batch_size=1, memory_bytes=4 * 16)
        expected = {1: "", 2: "a" * 5_000, 3: "'", 4: ""}
        for epoch in range(3):
            ids = [feed.batch_ids(epoch, batch)[0] for batch in range(len(feed))]
            assert [batch[0] for batch in feed.batches(epoch)] == [expected[name] for name in ids]
        assert feed.arrays().tolist() == list(expected.values())


ENGINE = '''
"""SQLite under another name, with a fast way of its own."""

import sqlite3

import numpy as np
import sqlalchemy as sa

from rowfeed.dialects import session
from rowfeed.request.request import ColumnData

READ = []


class Session(session.Session):
    """Reads grids of one axis."""

    @classmethod
    def refuse(cls, url):
        return None if url.database else "expected a file, toy:///file.toy; got none. Name one."

    @classmethod
    def _engine(cls, address, *, read_only):
        return sa.create_engine(f"sqlite:///{address.url.database}", poolclass=sa.NullPool)

    def _read_columns(self, request):
        selection, driver = request.selection, self._connection.connection.dbapi_connection
        READ.append(request.ids.size)
        names = (selection.sample, selection.axes[0].name, selection.values[0].name)
        wanted = ",".join(map(str, request.ids.tolist()))
        rows = driver.execute(f"SELECT {','.join(names)} FROM {selection.source.label} WHERE {names[0]} IN ({wanted})")
        found, cell, value = np.array(rows.fetchall() or np.empty((0, 3))).T
        sample = request.positions(found.astype(np.int64))
        return ColumnData(request, sample, cell.astype(np.int64), (value.astype(selection.values[0].dtype),))
'''


def test_an_engine_from_outside(tmp_path, monkeypatch):
    """A folder named as the engine of a URL is what reads it, in its own fast way; without it, SQLAlchemy is asked."""
    file = tmp_path / "cells.toy"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE cells (id INTEGER, x INTEGER, v REAL, PRIMARY KEY (id, x))")
        rows = [(i, x, 10 * i + x) for i in range(9) for x in (0, 2)]
        connection.executemany("INSERT INTO cells VALUES (?, ?, ?)", rows)
    grid = rowfeed.Grid("cells", sample="id", axes="x", value="v", shape=3)
    with pytest.raises(rowfeed.ArgumentError, match="an engine that SQLAlchemy knows; got toy:///"):
        rowfeed.Feed(rowfeed.connect(f"toy:///{file}"), grid)

    (tmp_path / "dialects" / "toy").mkdir(parents=True)
    (tmp_path / "dialects" / "toy" / "__init__.py").touch()
    (tmp_path / "dialects" / "toy" / "session.py").write_text(ENGINE)
    monkeypatch.setattr(rowfeed.dialects, "__path__", [*rowfeed.dialects.__path__, str(tmp_path / "dialects")])
    with pytest.raises(rowfeed.ArgumentError, match=r"expected a file, toy:///file\.toy"):
        rowfeed.connect("toy://")
    feed = rowfeed.Feed(rowfeed.connect(f"toy:///{file}"), grid, batch_size=4)
    by_sqlite = rowfeed.Feed(rowfeed.connect(f"sqlite:///{file}"), grid, batch_size=4)
    assert feed.sample_ids.tolist() == list(range(9))
    for fast, usual in zip(feed, by_sqlite, strict=True):
        assert fast.tolist() == usual.tolist()
    from rowfeed.dialects.toy.session import READ

    assert sum(READ) == 9
