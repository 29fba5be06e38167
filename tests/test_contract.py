"""One contract on every engine: the same table, seed and parameters give the same bits in the same order.

Every test runs on SQLite, DuckDB, MariaDB and PostgreSQL, on each through the engine's own way and through plain rows.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal

import numpy as np
import pytest
import sqlalchemy as sa
from conftest import DEFAULT_SEED, SEED

import rowfeed
from rowfeed.dialects import open_session, session_class
from rowfeed.request.source import Source

DIGESTS = {
    "float32 (12,)": "e9fed71aab213774",
    "float32 (2, 3, 2)": "2bd943c05eb0cc18",
    "float32 (4, 4)": "915da079f7a2bad8",
    "float64 (12,)": "2cce03c30779b0e8",
    "float64 (2, 3, 2)": "06dd3ac968eaa46c",
    "float64 (4, 4)": "768567b831a40c74",
    "int16 (12,)": "89825aca24a4560f",
    "int16 (2, 3, 2)": "9449d222c8f34350",
    "int16 (4, 4)": "9aeccde96c9e2dc9",
    "int64 (12,)": "01727ce61b2c2ada",
    "int64 (2, 3, 2)": "2b64fe98dc45959d",
    "int64 (4, 4)": "1440fc82f0af0a75",
    "labels and features": "e0377f98dd8d3361",
    "several values": "e6da156b329df0a2",
    "text ids": "f00df60bd891ca40",
}
"""What the tables of these tests are read as: the first 16 digits of their digests, with the usual seed. They stay."""


def digest(feed, epochs=3):
    """Of the bytes, shapes and dtypes of all batches of some epochs."""
    found = hashlib.sha256()
    for epoch in range(epochs):
        for batch in feed.batches(epoch):
            for array in batch if isinstance(batch, tuple) else (batch,):
                found.update(f"{array.shape}{array.dtype}".encode())
                found.update(array.tobytes())
    return found.hexdigest()


def expected(arrays, feed, epochs=3):
    """The digest of what the batches of a feed should be, put together from arrays in the order of `batch_ids`."""
    position = {sample: index for index, sample in enumerate(feed.sample_ids.tolist())}
    found = hashlib.sha256()
    for epoch in range(epochs):
        for batch in range(len(feed)):
            chosen = [position[sample] for sample in feed.batch_ids(epoch, batch).tolist()]
            for array in arrays:
                part = array[chosen]
                found.update(f"{part.shape}{part.dtype}".encode())
                found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()


def check(feed, arrays, name):
    """The batches of a feed are these arrays in the order of `batch_ids`, and the same bits as ever."""
    found = digest(feed)
    assert found == expected(arrays, feed)
    if SEED == DEFAULT_SEED:
        assert found[:16] == DIGESTS[name]


def cells(samples, shape, dtype, rng):
    """Sparse values that encode (sample, cell), some negative, some samples all zero."""
    values = np.arange(1, samples * int(np.prod(shape)) + 1, dtype=np.float64).reshape(samples, *shape)
    if np.dtype(dtype).kind == "f":
        values = values / 3
    values *= np.where(rng.random(values.shape) < 0.5, -1, 1)
    values[rng.random(values.shape) < 0.7] = 0
    values[::7] = 0
    return values.astype(dtype) + np.zeros((), dtype)  # no -0.0, which not every engine stores


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int64"])
@pytest.mark.parametrize("shape", [(12,), (4, 4), (2, 3, 2)])
def test_integer_ids(db, shape, dtype):
    """Three epochs of many windows are the arrays that were written, bit for bit, samples without rows in place."""
    rng = np.random.default_rng(SEED)
    arrays = cells(120, shape, dtype, rng)
    ids = rng.choice(10**12, 120, replace=False) - 5 * 10**11
    grid = rowfeed.Grid(
        "CELLS", sample="user_id", axes=("x", "y", "z")[: len(shape)], value="v", shape=shape, dtype=dtype
    )
    db.write(grid, arrays, ids=ids)
    window = 4 * 16 * arrays[0].nbytes
    feed = rowfeed.Feed(
        db, x=grid, y=grid, samples=ids, batch_size=8, seed=5, memory_bytes=window, connections=3, cache=None
    )
    ordered = arrays[np.argsort(ids)]
    check(feed, (ordered, ordered), f"{dtype} {shape}")


def test_text_ids(db):
    """Ids that differ in case, accents, trailing spaces or composition alone are different samples."""
    ids = ["a", "A", "á", "a\u0301", "a ", " a", "ß", "ss", "10", "010", "\U0001f3b2", "'", '"', "%s", "b" * 60]
    arrays = cells(len(ids), (4,), "float32", np.random.default_rng(SEED))
    grid = rowfeed.Grid("CELLS", sample="user", axes=("x",), value="v", shape=(4,))
    db.write(grid, arrays, ids=ids)
    feed = rowfeed.Feed(db, x=grid, samples=ids, batch_size=4, seed=1)
    order = sorted(range(len(ids)), key=lambda index: ids[index])
    assert feed.sample_ids.tolist() == [ids[index] for index in order]
    check(feed, (arrays[order],), "text ids")
    with_rows = [ids[index] for index in order if arrays[index].any()]
    assert rowfeed.Feed(db, x=grid).sample_ids.tolist() == with_rows


@pytest.mark.parametrize("rows", [3, 300])
def test_listed_ids(db, rows, monkeypatch):
    """The ids of a column are listed ascending, each once, whether a sample has few rows or many."""
    monkeypatch.setattr("rowfeed.dialects.sqlite.session.IDS_PER_PART", 7)
    ids = np.sort(np.random.default_rng(SEED).choice(10**12, 60, replace=False) - 5 * 10**11)
    grid = rowfeed.Grid("CELLS", sample="user_id", axes=("x",), value="v", shape=(rows,))
    db.write(grid, np.ones((60, rows), "float32"), ids=ids)
    with db.open() as session:
        if session.engine_name != "duckdb":  # which has no index to go by
            assert session._rows_per_sample(grid.source, "user_id") == pytest.approx(rows, rel=0.1)
    for where in (None, sa.column("user_id") > int(ids[20])):
        feed = rowfeed.Feed(db, x=rowfeed.Grid("CELLS", **{**LISTED, "shape": (rows,), "where": where}))
        assert feed.sample_ids.tolist() == ids[0 if where is None else 21 :].tolist()
        assert feed.sample_ids.dtype == np.int64


LISTED = {"sample": "user_id", "axes": ("x",), "value": "v"}


@pytest.mark.parametrize("rows", [1, 80])
def test_a_sample_id_that_is_null(db, rows):
    """A NULL among the ids is an error, also where most ids have many rows."""
    odd_table(db, *((s, x, 1.0) for s in range(40) for x in range(rows)), (None, 0, 1.0))
    with pytest.raises(rowfeed.DataError, match=r"expected a sample id in every row; got NULL at ODD\.s"):
        rowfeed.Feed(db, x=rowfeed.Grid("ODD", **{**ODD, "shape": (rows,)}))


def test_labels_and_features(db):
    """Columns of other tables stand beside the grid of the same sample."""
    rng = np.random.default_rng(SEED)
    arrays, labels = cells(60, (3, 3), "float32", rng), rng.integers(0, 10, 60).astype("int64")
    features = rng.standard_normal((60, 5)).astype("float32")
    grid = rowfeed.Grid("CELLS", sample="s", axes=("x", "y"), value="v", shape=(3, 3))
    label = rowfeed.Columns("LABELS", sample="s", columns="label", dtype="int64")
    feature = rowfeed.Columns("FEATURES", sample="s", columns=list("abcde"))
    for layout, data in ((grid, arrays), (label, labels), (feature, features)):
        db.write(layout, data)
    users = rowfeed.Samples("LABELS", "s")
    feed = rowfeed.Feed(db, x=grid, y=label, sample_weight=feature, samples=users, batch_size=7)
    check(feed, (arrays, labels, features), "labels and features")


def test_several_values(db):
    """Channels of one cell come from several columns."""
    arrays = cells(40, (3, 2, 3), "float32", np.random.default_rng(SEED))
    grid = rowfeed.Grid("PIXELS", sample="s", axes=("y", "x"), value=["r", "g", "b"], shape=(3, 2))
    db.write(grid, arrays)
    feed = rowfeed.Feed(db, x=grid, samples=range(40), batch_size=9)
    check(feed, (arrays,), "several values")


def odd_table(db, *rows):
    """A table without keys that holds what no layout wants."""
    with open_session(db._address, read_only=False) as session:
        connection = session._connection
        columns = [sa.Column(n, sa.Integer if n != "v" else sa.Double, nullable=True) for n in ("s", "x", "v")]
        table = sa.Table("ODD", sa.MetaData(), *columns)
        table.create(connection)
        sa.Index("ODD_s", table.c.s).create(connection)
        connection.execute(table.insert(), [dict(zip("sxv", row, strict=True)) for row in rows])
        connection.commit()


ODD = {"sample": "s", "axes": ("x",), "value": "v", "shape": (3,)}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((2, 1, None), r"expected a number; got NULL at ODD\.v, s=2\."),
        ((2, None, 5.0), r"x must be an integer; got NULL at ODD\.x, s=2\."),
        ((2, 3, 5.0), r"x must be in 0\.\.2 \(axis of shape \(3,\)\); got 3 at ODD\.x, s=2\."),
        ((2, -1, 5.0), r"x must be in 0\.\.2 \(axis of shape \(3,\)\); got -1 at ODD\.x, s=2\."),
        ((1, 0, 5.0), r"expected one row for a cell; got 2 at ODD\.x, s=1, x=0\."),
        ((2, 1, 1e300), r"expected a value that float32 holds exactly; got 1e\+300 at ODD\.v, s=2\."),
    ],
)
def test_faults_are_named(db, row, message):
    """A row that breaks the layout is an error that names table, column and sample, in the same words everywhere."""
    odd_table(db, (1, 0, 1.0), (3, 2, 3.0), row)
    with pytest.raises(rowfeed.DataError, match=message):
        rowfeed.Feed(db, x=rowfeed.Grid("ODD", **ODD)).arrays()


def test_policies(db):
    """The same policies give the same bits everywhere."""
    rows = [(1, 0, 0.1), (1, 0, 0.7), (1, 0, 0.2), (1, 7, 9.0), (2, 1, None), (2, -1, 4.0), (3, 2, 3.0), (3, 2, -3.5)]
    odd_table(db, *rows)
    options = {"out_of_range": "drop", "dtype": "float64", **ODD}
    total = (0.1 + 0.2) + 0.7
    cases = {
        ("sum", "drop"): [[total, 0, 0], [0, 0, 0], [0, 0, -0.5]],
        ("mean", "drop"): [[total / 3, 0, 0], [0, 0, 0], [0, 0, -0.25]],
        ("max", "drop"): [[0.7, 0, 0], [0, 0, 0], [0, 0, 3.0]],
        ("min", "fill"): [[0.1, 8, 8], [8, 8, 8], [8, 8, -3.5]],
    }
    for (duplicates, null), wanted in cases.items():
        fill = 8 if null == "fill" else 0
        grid = rowfeed.Grid("ODD", duplicates=duplicates, null=null, fill=fill, **options)
        assert rowfeed.Feed(db, x=grid).arrays().tolist() == wanted, duplicates


KEYS = {
    "integer": (sa.BigInteger, [30, -7, 2**62, 5, 4], False),
    "decimal without a fraction": (sa.Numeric(20, 0), [30, 2**62, 0, 5, 4], None),
    "decimal": (sa.Numeric(20, 4), [Decimal("0.5"), Decimal("-0.25"), Decimal(9), Decimal("0.125"), Decimal(0)], None),
    "real": (sa.Double, [0.5, -0.25, 1e300, 0.125, 0.0], None),
    "text": (sa.String(9), ["b", "c", "é", "a", "Z"], True),
    "date": (sa.DateTime, [datetime(2000, 1, day) for day in (30, 2, 31, 5, 4)], True),
}


@pytest.mark.parametrize("kind", KEYS)
def test_first_and_last(db, kind, monkeypatch):
    """The first and the last of several rows for a cell are those by the primary key, read in the engine's fast way."""
    column, keys, takes_plain_rows = KEYS[kind]
    with open_session(db._address, read_only=False) as session:
        connection = session._connection
        names = ("s", sa.Integer), ("k", column), ("x", sa.Integer), ("v", sa.Integer)
        columns = [sa.Column(name, type_, primary_key=name == "k", autoincrement=False) for name, type_ in names]
        table = sa.Table("KEYED", sa.MetaData(), *columns)
        table.create(connection)
        sa.Index("KEYED_s", table.c.s).create(connection)
        rows = [{"s": index % 2, "k": key, "x": 0, "v": index} for index, key in enumerate(keys)]
        connection.execute(table.insert(), rows)
        connection.commit()
    if not db._address.plain_rows and takes_plain_rows is False:
        monkeypatch.setattr(session_class(db._address.url.get_backend_name()), "_read_rows", None)
    wanted = {
        end: [end((key, index) for index, key in enumerate(keys) if index % 2 == s)[1] for s in (0, 1)]
        for end in (min, max)
    }
    for duplicates, end in (("first", min), ("last", max)):
        grid = rowfeed.Grid("KEYED", sample="s", axes=("x",), value="v", shape=(1,), duplicates=duplicates)
        assert rowfeed.Feed(db, x=grid).arrays()[:, 0].tolist() == wanted[end], duplicates


def test_a_missing_table_and_column(db):
    """What is not there is said before anything is read."""
    odd_table(db, (1, 0, 1.0))
    with pytest.raises(rowfeed.SchemaError, match="expected a table or view 'ODDS'; got none"):
        rowfeed.Feed(db, x=rowfeed.Grid("ODDS", **ODD))
    with db.open() as session, pytest.raises(rowfeed.SchemaError, match="expected a table or view 'ODDS'; got none"):
        session.check(Source("ODDS"), ())
    with pytest.raises(rowfeed.SchemaError, match="expected a column 'w' in ODD"):
        rowfeed.Feed(db, x=rowfeed.Grid("ODD", **{**ODD, "value": "w"}))


def test_if_exists(db):
    """`write` refuses, appends to or replaces a table that is there."""
    grid = rowfeed.Grid("T", sample="s", axes=("x",), value="v", shape=(3,))
    first, second = np.array([[1, 0, 2]], "float32"), np.array([[0, 5, 0]], "float32")
    db.write(grid, first, ids=[1])
    with pytest.raises(rowfeed.ArgumentError, match="expected no table 'T' yet"):
        db.write(grid, second, ids=[2])
    db.write(grid, second, ids=[2], if_exists="append")
    assert rowfeed.Feed(db, x=grid).arrays().tolist() == [[1, 0, 2], [0, 5, 0]]
    db.write(grid, second, ids=[3], if_exists="replace")
    assert rowfeed.Feed(db, x=grid).sample_ids.tolist() == [3]


def test_a_session_cannot_write(db):
    """A feed's session refuses to write."""
    odd_table(db, (1, 0, 1.0))
    with db.open() as session, pytest.raises(rowfeed.DatabaseError):
        session._execute(sa.text('DELETE FROM "ODD"' if "mysql" not in session.engine_name else "DELETE FROM ODD"))
    assert rowfeed.Feed(db, x=rowfeed.Grid("ODD", **ODD)).sample_ids.tolist() == [1]
