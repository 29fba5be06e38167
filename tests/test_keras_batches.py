"""No number changes in silence on its way into Keras."""

from __future__ import annotations

import sqlite3
import timeit

import numpy as np
import pytest

import rowfeed

keras = pytest.importorskip("keras")
from rowfeed.keras.batches import for_keras  # noqa: E402

pytestmark = pytest.mark.keras
BACKEND = keras.backend.backend()
BIG = 2**31


@pytest.fixture
def url(tmp_path):
    """40 samples: from the 30th on, `big` does not fit into int32; `small` does."""
    with sqlite3.connect(tmp_path / "b.db") as db:
        db.execute("CREATE TABLE numbers (id INTEGER PRIMARY KEY, big INTEGER, small INTEGER, y REAL)")
        db.executemany(
            "INSERT INTO numbers VALUES (?, ?, ?, ?)", [(i, BIG + i if i >= 30 else i, -BIG + i, i) for i in range(40)]
        )
    db.close()
    return f"sqlite:///{tmp_path}/b.db"


def column(name, dtype):
    return rowfeed.Columns("numbers", sample="id", columns=name, dtype=dtype)


def feed(url, **places):
    places = {"x": column("y", "float32"), "y": column("y", "float32"), **places}
    return rowfeed.Feed(rowfeed.connect(url), batch_size=20, shuffle=False, **places)


def model():
    made = keras.Sequential([keras.layers.Reshape((1,)), keras.layers.Dense(1)])
    made.compile(keras.optimizers.SGD(1e-20), "mse", run_eagerly=True)
    return made


@pytest.mark.skipif(BACKEND != "jax", reason="the others keep 64 bits")
@pytest.mark.parametrize(("place", "dtype"), [("x", "int64"), ("y", "uint64"), ("sample_weight", "int64")])
def test_integers_that_jax_would_wrap(url, place, dtype):
    """The message names the place, the table, the column, the sample, and two ways out."""
    number, table = (30, "big") if dtype == "int64" else (39, "huge")
    if dtype == "uint64":
        with sqlite3.connect(url.removeprefix("sqlite:///")) as db:
            db.execute("ALTER TABLE numbers ADD huge INTEGER")
            db.execute(f"UPDATE numbers SET huge = id + {2**32 - 39}")
        db.close()
    data = feed(url, **{place: column(table, dtype)}).to_keras()
    wanted = rf"expected numbers that {dtype[:-2]}32 holds, .*at {place}, numbers\.{table}, id={number}\. Make smaller"
    with pytest.raises(rowfeed.DataError, match=wanted + r'.*jax\.config\.update\("jax_enable_x64", True\)'):
        model().fit(data, verbose=0)
    assert isinstance(data.error, rowfeed.DataError)


def test_wide_integers_that_fit(url):
    """int64 whose values int32 holds, as labels often are, train on every backend."""
    assert np.isfinite(model().fit(feed(url, x=column("small", "int64")).to_keras(), verbose=0).history["loss"]).all()


@pytest.mark.skipif(BACKEND != "jax", reason="the others keep 64 bits")
def test_what_a_transform_made_is_checked_too(url):
    """A transform's integers are named by their place; its finite reals do not become infinite."""
    made = feed(url, transform=lambda batch, rng: ({"a": batch[0].astype("int64") + BIG}, batch[1]))
    with pytest.raises(rowfeed.DataError, match=r"got 2147483648 of int64 at x\['a'\]\. Make smaller"):
        next(iter(made.to_keras()))
    made = feed(url, transform=lambda batch, rng: (batch[0].astype("float64") * 1e300, batch[1]))
    with pytest.raises(rowfeed.DataError, match=r'expected numbers that float32 holds.*at x\. Pass dtype="float32"'):
        next(iter(made.to_keras()))


@pytest.mark.skipif(BACKEND != "jax", reason="the others keep 64 bits")
def test_with_x64_jax_has_them_all(url):
    """The way out that the message names."""
    import jax

    with jax.enable_x64(True):
        batches = list(feed(url, x=column("big", "int64")).to_keras())
        assert keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(batches[1][0]))[-1] == BIG + 39


@pytest.mark.skipif(BACKEND != "torch", reason="the others have uint64")
def test_torch_has_no_uint64(url):
    """The message says which dtype to take."""
    with pytest.raises(rowfeed.ArgumentError, match=r'got uint64 at x\. Pass dtype="int64" to the layout'):
        model().fit(feed(url, x=column("big", "uint64")).to_keras(), verbose=0)


def test_the_check_costs_nothing_for_float32(url):
    """A batch of float32 is passed on as it is, however large, in microseconds."""
    stream, batch = feed(url)._stream, (np.zeros((1000, 1000), np.float32), np.zeros(1000, np.int32))
    assert for_keras(stream, 0, batch) is batch
    assert min(timeit.repeat(lambda: for_keras(stream, 0, batch), number=100, repeat=5)) < 100 * 100e-6
