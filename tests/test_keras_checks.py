"""What Keras cannot train with is refused before it trains, in words that say what to write."""

from __future__ import annotations

import sqlite3
import warnings

import numpy as np
import pytest
from keras_feeds import classifier, label_feed, make_feed, recorder, write_tables

import rowfeed

keras = pytest.importorskip("keras")
from rowfeed.keras import checks  # noqa: E402

pytestmark = pytest.mark.keras


@pytest.fixture
def url(tmp_path):
    """The small table, with a column of dates and one of text numbers."""
    url = write_tables(tmp_path / "k.db")
    with sqlite3.connect(tmp_path / "k.db") as db:
        db.execute("ALTER TABLE labels ADD day TEXT DEFAULT '2026-01-02'")
    db.close()
    return url


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_a_feed_that_is_no_dataset(url, method):
    """A feed without `to_keras()` is told what to write; for numpy it is an object like any other."""
    feed = make_feed(url, shuffle=False)
    with pytest.raises(rowfeed.ArgumentError, match=r"got <Feed of cells: .*Pass feed\.to_keras\(\), as in model\.fit"):
        getattr(recorder(), method)(feed, verbose=0)
    assert np.asarray(feed, object).item() is feed


def test_validation_data_that_are_no_dataset(url):
    """Before the first epoch, not after it."""
    model = recorder()
    with pytest.raises(rowfeed.ArgumentError, match=r"Pass validation_data=feed\.to_keras\(\)"):
        model.fit(make_feed(url).to_keras(), validation_data=make_feed(url), verbose=0)
    assert model.steps == []


@pytest.mark.parametrize("place", ["fit", "evaluate", "validation"])
def test_a_loss_without_targets(url, place):
    """A compiled loss needs y, in the validation data too."""
    data, model = make_feed(url, y=None).to_keras(), recorder()
    with pytest.raises(rowfeed.ArgumentError, match=r"expected a feed with y for a model .* got y=None\. Pass y= to"):
        if place == "validation":
            model.fit(make_feed(url).to_keras(), validation_data=data, verbose=0)
        else:
            getattr(model, place)(data, verbose=0)
    assert model.steps == []


def test_models_that_need_no_targets(url):
    """A loss of the model's own, by `add_loss`, `compute_loss` or a step, works on x alone; a transform may bring y."""

    class OwnLoss(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            out = self.dense(x)
            self.add_loss(keras.ops.mean(out**2))
            return out

    class OwnCompute(OwnLoss):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(y_pred**2)

    data = make_feed(url, y=None).to_keras()
    for model, loss in ((OwnLoss(), None), (OwnCompute(), "mse")):
        model.compile(keras.optimizers.SGD(1e-9), loss, run_eagerly=True)
        assert np.isfinite(model.fit(data, verbose=0).history["loss"]).all()
        assert np.isfinite(model.evaluate(data, verbose=0))
    both = make_feed(url, y=None, transform=lambda x, rng: (x, x)).to_keras()
    assert recorder().fit(both, verbose=0).history["loss"] == [0.0]


def test_adapt_takes_x_alone(url):
    """Normalization learns from x; a layer that would learn from y too is refused with what to pass."""
    feed = label_feed(url, shuffle=False)
    normal = keras.layers.Normalization(axis=None)
    normal.adapt(feed.to_keras())
    assert keras.ops.convert_to_numpy(normal.mean).item() == pytest.approx(feed.arrays()[0].mean(), rel=1e-5)
    lookup = keras.layers.Discretization(num_bins=2)
    with pytest.raises(rowfeed.ArgumentError, match=r"adapt of Discretization, .*feed\.replace\(y=None, sample_weight"):
        lookup.adapt(feed.to_keras())


@pytest.mark.parametrize("options", [{"last_batch": "pad"}, {"sample_weight": None}, {"y": None}])
def test_class_weight_beside_other_weights(url, options):
    """Keras takes one kind of weight: the message names the other one, and what to do."""
    options = dict(options)
    expected = {
        "last_batch": r'got last_batch="pad".*last_batch="keep"',
        "y": r"expected a feed with y for class_weight",
    }
    if "sample_weight" in options:
        options["sample_weight"] = rowfeed.Columns("labels", sample="s", columns="weight")
    feed = make_feed(url, **options) if "y" in options else label_feed(url, **options)
    model = recorder() if "y" not in options else keras.Sequential([keras.layers.Dense(1)])
    if "y" in options:
        model.compile("sgd")
    with pytest.raises(rowfeed.ArgumentError, match=expected.get(next(iter(options)), "got both. Leave one out")):
        model.fit(feed.to_keras(), class_weight={0: 1.0, 1: 2.0, 2: 0.0}, verbose=0)


def test_class_weight_for_several_targets(url):
    """Keras' own error would be an IndexError."""
    label = rowfeed.Columns("labels", sample="s", columns="label", dtype="int32")
    data = make_feed(url, y={"a": label, "b": label}).to_keras()
    with pytest.raises(
        rowfeed.ArgumentError, match=r"expected one y for class_weight; got a dict.*a dict with the names"
    ):
        recorder().fit(data, class_weight={0: 1.0}, verbose=0)


def test_the_way_out_of_class_weight_with_padding(url):
    """Weights of the classes in a transform, times those of the padding, train as class_weight does."""
    table = np.array([1.0, 2.0, 0.0], np.float32)
    weighed = label_feed(url, last_batch="pad", transform=lambda b, rng: (b[0], b[1], b[2] * table[b[1]]))
    losses = []
    for feed, weights in ((weighed, None), (label_feed(url), dict(enumerate(table.tolist())))):
        keras.utils.set_random_seed(0)
        model = classifier()
        model.fit(feed.to_keras(), class_weight=weights, verbose=0)
        losses.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-5)


@pytest.mark.parametrize("place", ["x", "y"])
def test_dates_are_no_numbers(url, place):
    """Keras takes no dates; a transform makes numbers of them."""
    day = rowfeed.Columns("labels", sample="s", columns="day", dtype="datetime64[D]")
    weight = rowfeed.Columns("labels", sample="s", columns="weight")
    feed = rowfeed.Feed(rowfeed.connect(url), **{"x": weight, "y": weight, place: day})
    model = keras.Sequential([keras.layers.Reshape((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(rowfeed.ArgumentError, match=rf"got dtype=datetime64\[D\] at {place}, labels\. Make numbers of"):
        model.fit(feed.to_keras(), verbose=0)

    def days(batch, rng):
        return tuple(
            (part - np.datetime64("2026-01-01")) / np.timedelta64(1, "D") if part.dtype.kind == "M" else part
            for part in batch
        )

    assert np.isfinite(model.fit(feed.replace(transform=days).to_keras(), verbose=0).history["loss"]).all()
    same = feed.replace(transform=lambda batch, rng: batch).to_keras()
    with pytest.raises(Exception, match=rf"got dtype=datetime64\[D\] at {place}"):
        model.fit(same, verbose=0)
    assert isinstance(same.error, rowfeed.ArgumentError)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the others compute in float64 where they are asked to")
def test_float64_on_jax_is_said_to_be_rounded(url):
    """A layout that asks for more than JAX keeps is told so; with x64 nothing is said."""
    import jax

    weight = rowfeed.Columns("labels", sample="s", columns="weight", dtype="float64")
    feed = rowfeed.Feed(rowfeed.connect(url), x=weight, y=weight)
    model = keras.Sequential([keras.layers.Reshape((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.warns(RuntimeWarning, match=r'got dtype=float64 at x, labels: JAX rounds .* Pass dtype="float32"'):
        model.fit(feed.to_keras(), verbose=0)
    with jax.enable_x64(True), warnings.catch_warnings():
        warnings.simplefilter("error")
        checks.check_dtypes(feed._stream)
