"""Into Keras, on the backend that KERAS_BACKEND names."""

from __future__ import annotations

import _thread
import gc
import os
import sqlite3
import threading
import time

import numpy as np
import pytest
from keras_feeds import SAMPLES, classifier, expected, label_feed, make_feed, recorder, write_tables

import rowfeed
from rowfeed.reading.stream import Stream

keras = pytest.importorskip("keras")
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter  # noqa: E402

pytestmark = pytest.mark.keras

BACKEND = keras.backend.backend()


@pytest.fixture
def url(tmp_path):
    """The small table."""
    return write_tables(tmp_path / "k.db")


def readers_left(within_s=5.0):
    """rowfeed's threads that are still there when it should be quiet: an idle one ends after a second."""
    end = time.monotonic() + within_s
    while (left := [t for t in threading.enumerate() if t.name == "rowfeed-reader"]) and time.monotonic() < end:
        left[0].join(0.05)
    return left


@pytest.mark.parametrize("last_batch", ["keep", "drop", "pad"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_default_fit_sees_the_epochs_of_the_feed(url, shuffle, last_batch):
    """A model in its epoch e sees `feed.batches(epoch=e)`, each sample once, from the first epoch on."""
    feed = make_feed(url, shuffle=shuffle, last_batch=last_batch, value=["v"])
    model = recorder()
    model.fit(feed.to_keras(), epochs=3, verbose=0)
    steps = model.steps
    if last_batch == "pad":
        steps = [ids[:6] if i % 10 == 9 else ids for i, ids in enumerate(steps)]
    assert steps == expected(feed, range(3))
    if last_batch != "drop":
        seen = sorted(sample for ids in steps[:10] for sample in ids)
        assert seen == sorted(-1 if s == 7 else s for s in range(SAMPLES))


def test_a_second_fit_goes_on_with_the_next_epoch(url):
    """Epochs are counted over fits, as `initial_epoch` would have it."""
    feed, model = make_feed(url), recorder()
    train = feed.to_keras()
    model.fit(train, epochs=2, verbose=0)
    model.fit(train, epochs=3, initial_epoch=2, verbose=0)
    assert model.steps == expected(feed, range(3))


def test_reads_forward_whatever_keras_asks(url, monkeypatch):
    """Keras permutes its indices; the batches come in the feed's order all the same, and an epoch is read once."""
    begun = begun_epochs(monkeypatch)
    feed = make_feed(url)
    adapter = PyDatasetAdapter(feed.to_keras(), shuffle=True)
    with pytest.warns(RuntimeWarning, match="expected a Keras that has one of the methods"):  # this is no method
        epochs = [list(adapter.get_numpy_iterator()) for _ in range(2)]
    for epoch, got in enumerate(epochs):
        assert all(np.array_equal(x, y) for (x, _), (y, _) in zip(got, feed.batches(epoch), strict=True))
    assert begun == [0, 1, 0, 1]  # by the dataset, and by the feed itself


@pytest.mark.parametrize("steps", [1, 4, 10, 11, 25])
def test_steps_per_epoch_goes_on_where_it_stopped(url, steps):
    """With steps_per_epoch, be they fewer or more than the feed has, the Keras epochs are cut from the feed's epochs
    without a gap or a repeat.
    """
    feed, model = make_feed(url), recorder()
    model.fit(feed.to_keras(), epochs=3, steps_per_epoch=steps, verbose=0)
    assert model.steps == expected(feed, range(8))[: 3 * steps]


def test_a_fit_of_a_few_steps_is_followed_by_the_next_batches(url):
    """Fitting a few steps again and again does not train on the same few batches; a fit of whole epochs begins one."""
    feed, model = make_feed(url), recorder()
    train = feed.to_keras()
    for _ in range(3):
        model.fit(train, epochs=1, steps_per_epoch=2, verbose=0)
    model.fit(train, epochs=1, verbose=0)
    wanted = expected(feed, range(2))
    assert model.steps == wanted[0:6] + wanted[10:20]


def test_a_feed_of_one_batch_loses_none_to_the_probe(url):
    """Where the batch that Keras takes to learn shapes is all there is, epoch 0 is still epoch 0."""
    feed = make_feed(url, batch_size=200, memory_bytes=10**6)
    model = recorder()
    model.fit(feed.to_keras(), epochs=3, verbose=0)
    assert model.steps == expected(feed, range(3))


def test_the_probe_is_given_back_unread(url, monkeypatch):
    """The batches that Keras takes to learn shapes are kept: an epoch is read once, not twice."""
    begun = begun_epochs(monkeypatch)
    recorder().fit(make_feed(url).to_keras(), epochs=2, verbose=0)
    assert begun == [0, 1]


def begun_epochs(monkeypatch):
    """The list of epochs whose reading begins from now on."""
    begun = []
    windows = Stream._windows

    def watched(self, epoch, *place):
        begun.append(epoch)
        return windows(self, epoch, *place)

    monkeypatch.setattr(Stream, "_windows", watched)
    return begun


def test_the_next_epoch_is_read_while_one_is_used(url, monkeypatch):
    """A feed of one window has the next epoch's while a model trains on this one's; the last epoch reads no more."""
    begun = begun_epochs(monkeypatch)
    feed = make_feed(url, batch_size=75, memory_bytes=10**6)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            end = time.monotonic() + 5
            while len(begun) < 2 and time.monotonic() < end:
                threading.Event().wait(0.01)
            seen.append(len(begun))

    model = recorder()
    model.fit(feed.to_keras(), epochs=2, verbose=0, callbacks=[Watch()])
    assert seen == [2, 2, 2, 2]
    assert model.steps == expected(feed, range(2))
    begun.clear()
    model.evaluate(feed.to_keras(), verbose=0)
    assert begun == [0]
    assert not readers_left()


def test_validation_and_evaluate(url):
    """Validation runs over all batches each epoch; evaluate gives the loss of the arrays."""
    feed = make_feed(url, shuffle=False)
    train, validation = make_feed(url).split(0.7, 0.3)
    model = recorder()
    history = model.fit(train.to_keras(), validation_data=validation.to_keras(), epochs=2, verbose=0).history
    assert len(history["val_loss"]) == 2
    x, y = feed.arrays()
    got = model.evaluate(feed.to_keras(), verbose=0)
    scale = float(keras.ops.convert_to_numpy(model.scale.value))
    assert got == pytest.approx(float(np.mean((x * scale - y) ** 2)), rel=1e-4, abs=1e-9)


def test_validation_steps_are_the_same_batches_each_epoch(url):
    """`validation_steps` measures the same samples in every epoch."""
    feed = make_feed(url)
    model = recorder()
    model.optimizer.learning_rate = 0.0
    model.scale.assign(0.5)
    options = {"validation_data": make_feed(url).to_keras(), "validation_steps": 3, "epochs": 3, "verbose": 0}
    losses = model.fit(feed.to_keras(), **options).history["val_loss"]
    assert losses[0] > 0
    assert losses == [losses[0]] * 3


def test_predict_in_the_order_of_sample_ids(url):
    """Row i of the predictions belongs to `feed.sample_ids[i]`; `last_batch="pad"` puts padding behind them."""
    feed = make_feed(url, shuffle=False, y=None)
    out = recorder().predict(feed.to_keras(), verbose=0)
    assert np.array_equal(out, feed.arrays())
    padded = make_feed(url, shuffle=False, last_batch="pad")
    out = recorder().predict(padded.to_keras(), verbose=0)
    assert out.shape == (160, 3, 4)
    assert np.array_equal(out[:SAMPLES], feed.arrays())


def test_predict_refuses_a_shuffled_feed(url):
    """Nobody could tell whose prediction is whose; the message has the way out."""
    with pytest.raises(rowfeed.ArgumentError, match=r"feed\.replace\(shuffle=False\)\.to_keras\(\)"):
        recorder().predict(make_feed(url).to_keras(), verbose=0)


def test_class_weight(url):
    """Keras turns class_weight into sample weights: a weight of 0 for all classes teaches nothing."""
    feed = label_feed(url)
    model = classifier()
    losses = model.fit(feed.to_keras(), class_weight={0: 0.0, 1: 0.0, 2: 0.0}, epochs=2, verbose=0).history["loss"]
    assert losses == [0.0, 0.0]
    assert classifier().fit(feed.to_keras(), class_weight={0: 1.0, 1: 2.0, 2: 1.0}, verbose=0).history["loss"][0] > 0


def gradient(feed, loss="mse"):
    """The step that one batch makes an untrained one-layer model take."""
    model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")])
    model.compile(keras.optimizers.SGD(1e-3), loss)
    model.build((None, 3, 4, 1))
    model.fit(feed.to_keras(), epochs=1, verbose=0)
    return np.concatenate([w.ravel() for w in model.get_weights()]) - 1


def test_padding_changes_no_gradient(url):
    """A padded batch trains as the short one does, for targets of four axes, also where batch and side are equal."""
    options = {"value": ["v"], "samples": [1, 2, 5], "memory_bytes": 10**6}
    short = gradient(make_feed(url, batch_size=3, **options))
    assert np.abs(short).min() > 0
    for batch_size in (4, 16):
        padded = gradient(make_feed(url, batch_size=batch_size, last_batch="pad", **options))
        np.testing.assert_allclose(padded, short, rtol=1e-5)


def test_sample_weight_weighs_samples(url):
    """A weight per sample weighs the sample, not a row of its matrix, although Keras would broadcast it there."""
    weight = rowfeed.Columns("labels", sample="s", columns="weight")
    options = {"value": ["v"], "samples": [1, 2, 5], "memory_bytes": 10**6, "shuffle": False}
    weighted = gradient(make_feed(url, batch_size=3, sample_weight=weight, **options))
    by_hand = [gradient(make_feed(url, batch_size=3, **{**options, "samples": [s]})) for s in (1, 2, 5)]
    np.testing.assert_allclose(weighted, np.average(by_hand, axis=0) * (2 + 1 + 2) / 3, rtol=0.3)
    np.testing.assert_allclose(weighted, (2 * by_hand[0] + by_hand[1] + 2 * by_hand[2]) / 3, rtol=1e-4)


def test_sample_weight_and_padding_together(url):
    """Given weights are kept, padding weighs nothing."""
    weight = rowfeed.Columns("labels", sample="s", columns="weight")
    options = {"value": ["v"], "samples": [1, 2, 5], "memory_bytes": 10**6, "sample_weight": weight}
    short = gradient(make_feed(url, batch_size=3, **options))
    padded = gradient(make_feed(url, batch_size=8, last_batch="pad", **options))
    np.testing.assert_allclose(padded, short, rtol=1e-5)


def test_dicts_for_several_inputs_and_outputs(url):
    """x and y may be dicts; Keras gets them by name."""
    grid = rowfeed.Grid("cells", sample="s", axes=("i", "j"), value="v", shape=(3, 4))
    label = rowfeed.Columns("labels", sample="s", columns=["label"])
    feed = rowfeed.Feed(
        rowfeed.connect(url), x={"a": grid, "b": label}, y={"out": label}, samples=range(SAMPLES), batch_size=16
    )
    a, b = keras.Input((3, 4), name="a"), keras.Input((1,), name="b")
    out = keras.layers.Dense(1, name="out")(keras.layers.Concatenate()([keras.layers.Flatten()(a), b]))
    model = keras.Model({"a": a, "b": b}, {"out": out})
    model.compile("adam", {"out": "mse"})
    assert np.isfinite(model.fit(feed.to_keras(), epochs=1, verbose=0).history["loss"][0])


def test_early_stopping_leaves_no_thread(url):
    """After EarlyStopping threads and connections are gone."""
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    recorder().fit(make_feed(url).to_keras(), epochs=5, verbose=0, callbacks=[stop])
    assert not readers_left()


def test_a_failing_model_leaves_no_thread(url):
    """An exception in a training step ends the reading, although Keras tells nobody."""
    train = make_feed(url).to_keras()
    with pytest.raises(Exception, match="the model failed"):
        recorder(fail_at=2).fit(train, epochs=2, verbose=0)
    assert not readers_left()


def test_ctrl_c_leaves_no_thread(url):
    """KeyboardInterrupt in the middle of an epoch ends the reading."""

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                _thread.interrupt_main()

    train = make_feed(url).to_keras()
    with pytest.raises(KeyboardInterrupt):
        recorder().fit(train, epochs=2, verbose=0, callbacks=[Interrupt()])
        time.sleep(1)  # interrupt_main is seen at the next bytecode, which may be here
    assert not readers_left()


def test_del_leaves_no_thread(url):
    """Forgetting the dataset in the middle of an epoch ends the reading."""
    train = make_feed(url, connections=3).to_keras()
    train[0]
    del train
    gc.collect()
    assert not readers_left()


def test_a_connection_is_given_up_when_training_stops_asking(url):
    """A dataset that is kept but no longer asked holds no connection; asked again it goes on with the right batch."""
    feed = make_feed(url)
    train = feed.to_keras()
    train[0]
    assert not readers_left()
    rest = [train[i][0] for i in range(1, len(feed))]
    assert all(np.array_equal(x, y) for x, (y, _) in zip(rest, feed.batches(0, 1), strict=True))


def test_the_databases_error_is_readable(url, tmp_path):
    """A faulty row ends training with a text that names it, on every backend."""
    with sqlite3.connect(tmp_path / "k.db") as db:
        db.execute("UPDATE cells SET v = NULL WHERE s = 120 AND i = 1")
    db.close()
    wanted = r"expected a number; got NULL at cells\.v, s=120"
    kind = Exception if BACKEND == "tensorflow" else rowfeed.DataError
    train = make_feed(url).to_keras()
    with pytest.raises(kind, match=wanted):
        recorder().fit(train, epochs=1, verbose=0)
    assert isinstance(train.error, rowfeed.DataError)
    assert not readers_left()


def test_shapes_known_to_jit_compiled_models(url):
    """A plain compiled model trains on a feed with a smaller last batch."""
    model = classifier()
    losses = model.fit(label_feed(url).to_keras(), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()


def test_the_backend_is_the_one_asked_for():
    """The run really is on the backend that KERAS_BACKEND names."""
    assert os.environ["KERAS_BACKEND"] == BACKEND
