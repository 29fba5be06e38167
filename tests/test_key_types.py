"""Key columns of unusual types, and unusual keys: the same samples, order and values on every engine."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from engines import ENGINES, place

import rowfeed

DAYS = [date(2023, 12, 31), date(2024, 1, 2), date(2024, 2, 29), date(999, 1, 1)]
TEXTS = sorted(day.isoformat() for day in DAYS)
LEAST = -(2**63)
GRID = {"sample": "id", "axes": "x", "value": "v", "shape": 2}


def prepare(there):
    text = there.engine == "sqlite"
    kind, moment = ("TEXT", "TEXT") if text else ("DATE", "TIMESTAMP" if there.engine == "postgresql" else "DATETIME")
    rows = ", ".join(f"('{day.isoformat()}', {i % 2}, {i + 1})" for i, day in enumerate(DAYS))
    there.run(
        f"CREATE TABLE days (id {kind}, x INT, v DOUBLE PRECISION)",
        f"INSERT INTO days VALUES {rows}",
        "CREATE INDEX days_id ON days (id)",
        f"CREATE TABLE moments (id {moment}, x INT, v INT)",
        "INSERT INTO moments VALUES ('2024-01-02 03:04:05', 0, 1)",
        "CREATE TABLE least (id BIGINT, x INT, v INT)",
        f"INSERT INTO least VALUES ({LEAST}, 0, 1), ({LEAST + 1}, 1, 2), (7, 0, 3), ({2**63 - 1}, 1, 4)",
    )


@pytest.fixture(params=[(engine, way) for engine in ENGINES for way in ("fast", "plain")], ids="-".join)
def db(request, tmp_path_factory):
    """A database on each engine, read in each way, with the tables."""
    engine, way = request.param
    with place(engine, request, tmp_path_factory.mktemp(engine)) as there:
        prepare(there)
        yield there.connect(way == "plain")


@pytest.mark.filterwarnings("ignore::rowfeed.MissingIndexWarning")
def test_keys(db):
    """Dates are samples by their ISO text, in the order of time; so are the integers at both ends of 64 bits."""
    grid = rowfeed.Grid("days", **GRID)
    feed = rowfeed.Feed(db, grid, shuffle=False)
    assert feed.sample_ids.tolist() == TEXTS
    by_text = {day.isoformat(): i for i, day in enumerate(DAYS)}
    expected = [[(by_text[t] + 1) * (by_text[t] % 2 == x) for x in range(2)] for t in TEXTS]
    assert feed.arrays().tolist() == expected
    given = rowfeed.Feed(db, grid, samples=[DAYS[2], DAYS[0], date(2030, 1, 1)], shuffle=False)
    assert given.arrays().tolist() == [expected[TEXTS.index(DAYS[i].isoformat())] for i in (0, 2)] + [[0, 0]]
    assert rowfeed.Feed(db, grid, samples=[DAYS[1].isoformat()]).arrays().tolist() == [[0, 2]]
    one = rowfeed.Feed(db, grid, batch_size=1, seed=3)
    assert sorted(float(batch.sum()) for batch in one) == [1, 2, 3, 4]
    column = rowfeed.Columns("days", sample="id", columns="v")
    assert rowfeed.Feed(db, column, shuffle=False).arrays().tolist() == [sum(row) for row in expected]
    db.write(rowfeed.Grid("written", **GRID), np.array(expected, "float32"), ids=[date.fromisoformat(t) for t in TEXTS])
    again = rowfeed.Feed(db, rowfeed.Grid("written", **GRID), shuffle=False)
    assert again.sample_ids.tolist() == TEXTS
    assert again.arrays().tolist() == expected

    least = rowfeed.Grid("least", **GRID)
    for options in ({}, {"samples": [LEAST]}, {"samples": [LEAST, LEAST + 1]}, {"batch_size": 1}):
        found = rowfeed.Feed(db, least, shuffle=False, **options)
        wanted = options.get("samples", [LEAST, LEAST + 1, 7, 2**63 - 1])
        assert found.sample_ids.tolist() == wanted
        assert np.concatenate(list(found)).tolist() == [[1, 0], [0, 2], [3, 0], [0, 4]][: len(wanted)]


@pytest.mark.filterwarnings("ignore::rowfeed.MissingIndexWarning")
def test_what_is_no_key(db):
    """Dates that are not in ISO text, and moments, are refused with the way out; in SQLite both are any text."""
    if "sqlite" in db.label:
        pytest.skip("has no dates: its text is the key")
    with pytest.raises(rowfeed.SchemaError, match=r"are dates, as in days\.id, in ISO text, .* got '2\.1\.2024'"):
        rowfeed.Feed(db, rowfeed.Grid("days", **GRID), samples=["2.1.2024"])
    with pytest.raises(
        rowfeed.SchemaError, match=r"got datetime.* at moments\.id\. .* CAST it to text in a selectable"
    ):
        rowfeed.Feed(db, rowfeed.Grid("moments", **GRID))
