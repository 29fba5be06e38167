"""A KerasFeed used in other ways than by one `fit`: each use sees its own batches, or an error says why not."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from keras_feeds import SAMPLES, expected, make_feed, recorder, write_tables

import rowfeed
import rowfeed.keras
from rowfeed.keras.internals import Asker
from rowfeed.keras.use import Use

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.keras


@pytest.fixture
def url(tmp_path):
    """The small table."""
    return write_tables(tmp_path / "k.db")


def ids_of(batch):
    """The sample ids that a batch's cells hold."""
    return (batch[0].reshape(-1, 12)[:, 6] - 1).astype(int).tolist()


class Evaluates(keras.callbacks.Callback):
    """Evaluates a dataset within an epoch, between two epochs, and before one."""

    def __init__(self, data, when):
        super().__init__()
        self.data, self.when, self.losses = data, when, []

    def _evaluate(self):
        self.losses.append(self.model.evaluate(self.data, verbose=0))

    def on_epoch_begin(self, epoch, logs=None):
        if self.when == "begin":
            self._evaluate()

    def on_train_batch_end(self, batch, logs=None):
        if self.when == "batch" and batch in (3, 6):
            self._evaluate()

    def on_epoch_end(self, epoch, logs=None):
        if self.when == "end":
            self._evaluate()


@pytest.mark.parametrize("when", ["begin", "batch", "end"])
def test_a_callback_that_evaluates_the_training_data(url, when):
    """An `evaluate` inside of `fit`, of the same KerasFeed, sees all samples; training goes on undisturbed."""
    feed, model = make_feed(url), recorder()
    model.optimizer.learning_rate = 0.0
    model.scale.assign(0.5)
    train = feed.to_keras()
    callback = Evaluates(train, when)
    model.fit(train, epochs=2, verbose=0, callbacks=[callback])
    assert model.steps == expected(feed, range(2))
    x, y = feed.arrays()
    assert callback.losses == pytest.approx([float(np.mean((x * 0.5 - y) ** 2))] * len(callback.losses), rel=1e-5)
    assert len(callback.losses) == (4 if when == "batch" else 2)


def test_the_same_dataset_to_train_and_to_validate(url):
    """Training sees epochs 0, 1 and 2, and validation the same batches each time."""
    feed, model = make_feed(url), recorder()
    model.optimizer.learning_rate = 0.0
    model.scale.assign(0.5)
    data = feed.to_keras()
    losses = model.fit(data, validation_data=data, validation_freq=2, epochs=4, verbose=0).history["val_loss"]
    assert model.steps == expected(feed, range(4))
    assert losses == [losses[0]] * 2


@pytest.mark.parametrize("steps", [None, 13])
def test_initial_epoch_is_where_an_uninterrupted_fit_would_be(url, steps):
    """A fit that begins with epoch 2, in a new process say, has the batches of epoch 2, also with steps_per_epoch."""
    feed, whole, rest = make_feed(url), recorder(), recorder()
    options = {"steps_per_epoch": steps, "verbose": 0}
    whole.fit(feed.to_keras(), epochs=4, **options)
    rest.fit(feed.to_keras(), epochs=4, initial_epoch=2, **options)
    assert rest.steps == whole.steps[2 * (steps or 10) :]


def test_an_interrupted_fit_is_taken_up_in_its_epoch(url):
    """After an error in epoch 1, `initial_epoch=1` begins it again, and a fit from 0 on goes on with the next one."""
    feed, model = make_feed(url), recorder(fail_at=14)
    train = feed.to_keras()
    with pytest.raises(Exception, match="the model failed"):
        model.fit(train, epochs=2, verbose=0)
    model.fail_at = None
    for options, epoch in (({"epochs": 2, "initial_epoch": 1}, 1), ({"epochs": 1}, 2)):
        model.steps.clear()
        model.fit(train, verbose=0, **options)
        assert model.steps == expected(feed, [epoch])


def test_backup_and_restore_goes_on_with_its_epoch(url, tmp_path):
    """Keras' BackupAndRestore sets the first epoch when training has begun; the batches are those of that epoch."""
    feed = make_feed(url)
    for fail_at, seen in ((14, expected(feed, range(2))[:14]), (None, expected(feed, [1]))):
        model = recorder(fail_at=fail_at)
        model.build((None, 3, 4))
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        if fail_at:
            with pytest.raises(Exception, match="the model failed"):
                model.fit(feed.to_keras(), epochs=2, verbose=0, callbacks=[backup])
        else:
            model.fit(feed.to_keras(), epochs=2, verbose=0, callbacks=[backup])
        assert model.steps == seen


def test_two_models_in_turns(url):
    """Each model goes through the epochs by itself."""
    feed = make_feed(url)
    train, one, two = feed.to_keras(), recorder(), recorder()
    for _ in range(2):
        one.fit(train, epochs=1, verbose=0)
        two.fit(train, epochs=1, verbose=0)
    assert one.steps == two.steps == expected(feed, range(2))


def test_two_models_in_threads(url):
    """Two fits of one KerasFeed at the same time both see each batch."""
    feed = make_feed(url)
    train, models = feed.to_keras(), [recorder(), recorder()]
    threads = [threading.Thread(target=m.fit, args=(train,), kwargs={"epochs": 2, "verbose": 0}) for m in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [model.steps for model in models] == [expected(feed, range(2))] * 2


def test_evaluate_before_fit_takes_no_epoch(url):
    """`evaluate` gives the same number each time, bit for bit, and training begins with epoch 0 after it."""
    feed, model = make_feed(url), recorder()
    model.scale.assign(0.5)
    data = feed.to_keras()
    first, second = (model.evaluate(data, verbose=0) for _ in range(2))
    assert first == second > 0
    model.fit(data, epochs=1, verbose=0)
    assert model.steps == expected(feed, [0])


def test_a_method_that_is_over_holds_no_window(url):
    """However often `evaluate` stops early, what it had read is let go when the next method begins, on TensorFlow too,
    which keeps all of its adapters.
    """
    data, model = make_feed(url).to_keras(), recorder()
    for _ in range(4):
        model.evaluate(data, steps=2, verbose=0)
    model.fit(data, steps_per_epoch=2, validation_data=data, validation_steps=2, epochs=2, verbose=0)
    open_readers = [use for use in data._uses.values() if use._reader._batches is not None]
    assert len(open_readers) <= 2  # of this fit


def test_predict_with_fewer_steps_first(url):
    """A `predict` of some steps does not shift the rows of the next one."""
    feed, model = make_feed(url, shuffle=False, y=None), recorder()
    data, x = feed.to_keras(), feed.arrays()
    assert np.array_equal(model.predict(data, steps=3, verbose=0), x[:48])
    assert np.array_equal(model.predict(data, verbose=0), x)


def test_a_subclass_sees_what_keras_asks(url):
    """A class of the user's that changes each batch trains on the same epochs."""

    class Doubled(rowfeed.keras.KerasFeed):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x, 2 * y

    feed, model = make_feed(url), recorder()
    losses = model.fit(Doubled(feed._stream), epochs=2, verbose=0).history["loss"]
    assert model.steps == expected(feed, range(2))
    assert min(losses) > 0


def test_a_loop_sees_one_epoch_after_another(url):
    """`for batch in dataset` is the next epoch each time, and two loops at once do not share theirs."""
    feed = make_feed(url)
    data = feed.to_keras()
    assert [ids_of(batch) for _ in range(2) for batch in data] == expected(feed, range(2))
    pairs = [(ids_of(one), ids_of(two)) for one, two in zip(data, data, strict=True)]
    assert pairs == list(zip(expected(feed, [2]), expected(feed, [3]), strict=True))


def test_by_number_a_dataset_is_epoch_0(url):
    """`dataset[i]` is batch i of epoch 0, in any order, with a warning where each costs a window."""
    feed = make_feed(url)
    data, wanted = feed.to_keras(), expected(feed, [0])
    assert [ids_of(data[i]) for i in range(10)] == wanted
    with pytest.warns(RuntimeWarning, match="got a question for batch 4 after batch 9, so that a window is read"):
        assert ids_of(data[4]) == wanted[4]
    with pytest.raises(IndexError, match=r"expected a batch in 0\.\.9; got 10"):
        data[10]


@pytest.mark.filterwarnings("ignore:expected batches in turn")
def test_a_dataset_of_the_users_around_it(url):
    """A PyDataset of the user's own asks by number: each sample comes once, whatever Keras permutes."""

    class Around(keras.utils.PyDataset):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __len__(self):
            return len(self.inner)

        def __getitem__(self, index):
            return self.inner[index]

    feed, model = make_feed(url), recorder()
    model.fit(Around(feed.to_keras()), verbose=0)
    assert sorted(model.steps) == sorted(expected(feed, [0]))


@pytest.mark.parametrize("options", [{}, {"batch_size": None}, {"batch_size": None, "shuffle": True}])
def test_a_loader_of_torch_is_refused(url, options):
    """A DataLoader would have epoch 0 again and again; the message says what to write."""
    loader = pytest.importorskip("torch.utils.data").DataLoader(make_feed(url).to_keras(), **options)
    with pytest.raises(rowfeed.ArgumentError, match=r"got a DataLoader of torch.*for x, y in feed: x = torch"):
        next(iter(loader))


@pytest.mark.parametrize(("name", "value"), [("workers", 4), ("use_multiprocessing", True)])
def test_workers_of_keras_are_refused(url, name, value):
    """Threads or processes of Keras' would take batches out of order."""
    data = make_feed(url).to_keras()
    with pytest.raises(rowfeed.ArgumentError, match=f"got {name}={value}.*pass connections= to Feed"):
        setattr(data, name, value)
    assert (data.workers, data.use_multiprocessing) == (1, False)


def test_an_iterator_that_was_left_takes_no_batch_of_the_next_one(url):
    """TensorFlow may still ask for an epoch that ended early: that is refused, and the running pass has all batches."""
    feed = make_feed(url)
    use = Use(feed._stream, trains=False)
    left, running = (Asker(None, "_finite_generator", run) for run in (1, 2))
    use.begin_pass(left)
    assert ids_of(use.batch(left, 5, permuted=True)) == expected(feed, [0])[0]
    use.begin_pass(running)
    with pytest.raises(rowfeed.ArgumentError, match="expected Keras to ask for the epoch that began last"):
        use.batch(left, 3, permuted=True)
    got = [ids_of(use.batch(running, index, permuted=True)) for index in range(10)]
    assert got == expected(feed, [0])
    use.close()
    assert sum(map(len, got)) == SAMPLES
