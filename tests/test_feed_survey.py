"""What a new feed asks its database, and what it does with a source that the server cannot cut down."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sqlalchemy as sa
from engines import ENGINES, place

import rowfeed
from rowfeed.reading.sizes import RequestSize

SAMPLES = 3_000
BUSY = (
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1200000) SELECT MAX(i) - 1200000 FROM c"
)
"""SQL of a 0 that takes some tenths of a second."""


@pytest.fixture
def there(tmp_path):
    with place("sqlite", None, tmp_path) as found:
        found.run(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)",
            f"INSERT INTO t VALUES {', '.join(f'({i}, {3 * i})' for i in range(SAMPLES))}",
            f"CREATE VIEW uncut AS SELECT t.id, t.v + z.n AS v FROM t, (SELECT ({BUSY}) AS n) z",
            "CREATE VIEW cut AS SELECT id, v FROM t WHERE v >= 0",
        )
        yield found


def made(db, table, **options):
    """A feed, and the warnings of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layout = rowfeed.Columns(table, sample="id", columns="v", dtype="int64")
        return rowfeed.Feed(db, layout, batch_size=50, **options), [str(one.message) for one in caught]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind", ["view", "selectable"])
def test_what_is_made_anew_by_each_request(there, kind, plain):
    """It is read by as few requests as there are windows, with a warning that counts, and the same batches."""
    table = "uncut" if kind == "view" else sa.select(sa.table("uncut", sa.column("id"), sa.column("v")))
    feed, said = made(there.connect(plain), table, cache=None)
    counted = feed.stats().requests
    first = np.concatenate(list(feed.batches(0)))
    np.testing.assert_array_equal(np.sort(first), 3 * np.arange(SAMPLES))
    assert feed.stats().requests - counted <= (1 if not plain else SAMPLES // 500 + 1)
    np.testing.assert_array_equal(first, np.concatenate(list(made(there.connect(), "t")[0].batches(0))))
    (text,) = said
    assert "the server cannot cut" in text
    assert "so each request makes all of its rows: " in text
    assert "with an index that starts with id" in text


@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_server_cuts_down(engine, request, tmp_path):
    """A view that goes by the table's index is no such source: no warning, and requests of the usual size."""
    with place(engine, request, tmp_path) as there:
        db = there.connect()
        db.write(rowfeed.Columns("t", sample="id", columns="v", dtype="int64"), np.arange(SAMPLES) * 3)
        there.run("CREATE VIEW cut AS SELECT id, v FROM t WHERE v >= 0")
        feed, said = made(db, "cut")
        assert said == []
        assert all(query.scan is None for query in feed._survey.queries)
        assert feed.arrays().tolist() == [3 * i for i in range(SAMPLES)]


def test_the_first_id_is_asked_once(there):
    """A feed of such a view makes its rows a few times in all: kind, list and one sample."""
    sent = []
    engine = sa.create_engine(there.url)
    sa.event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    made(rowfeed.connect(engine), "uncut")
    assert len([statement for statement in sent if 'FROM "uncut"' in statement]) <= 4, sent


def size():
    selection = rowfeed.Columns("t", sample="id", columns="v").selection
    return RequestSize(2**30, selection_of(selection))


def selection_of(selection):
    class Catalogue:
        def check(self, *_): ...
        def sample_kind(self, *_): ...
        def indexed(self, *_):
            return True

    return selection(Catalogue())


def test_requests_do_not_shrink_in_vain():
    """If time does not fall with rows, requests grow; if it does, they come near to the time that is aimed at."""
    fixed, fair = size(), size()
    for _ in range(12):
        for one, seconds in ((fixed, lambda rows: 1.1 + rows * 1e-7), (fair, lambda rows: rows * 1e-5)):
            rows = one.samples
            one.observe(rows, rows, 8 * rows, seconds(rows))
    assert fixed.samples == 65_536
    assert 5_000 < fair.samples < 30_000


def test_one_slow_answer_changes_little():
    """A single hiccup does not make requests grow."""
    one = size()
    for turn in range(20):
        rows = one.samples
        one.observe(rows, rows, 8 * rows, rows * 1e-5 + (5 if turn == 9 else 0))
    assert 5_000 < one.samples < 30_000
