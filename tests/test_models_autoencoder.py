"""The denoising autoencoder, on the backend that KERAS_BACKEND names; files travel to every backend installed."""

from __future__ import annotations

import doctest
import importlib.util
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import rowfeed  # noqa: E402
from rowfeed.errors import ArgumentError, DataError  # noqa: E402
from rowfeed.models import autoencoder  # noqa: E402
from rowfeed.models.autoencoder import DenoisingAutoencoder  # noqa: E402

pytestmark = pytest.mark.keras

SHAPES = [(1, 1), (1, 9), (5, 7), (28, 28), (1, 1, 1), (8, 8, 3), (4, 6, 5)]


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread():
    """On a busy machine a second thread makes torch ten times slower with so small a network."""
    if keras.backend.backend() == "torch":
        torch = pytest.importorskip("torch")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)
    else:
        yield


def samples(shape, count=3, seed=0):
    """Standard normal samples."""
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype("float32")


def stripes(count, low, high, seed=0):
    """Samples (8, 8) of smooth waves between low and high: little enough to learn in a second."""
    phase, pitch = np.random.default_rng(seed).uniform([0, 0.3], [6.28, 0.9], (count, 2)).T[:, :, None, None]
    rows, columns = np.mgrid[:8, :8]
    wave = np.sin(phase + pitch * (rows + 0.5 * columns))
    return (low + (high - low) * (wave + 1) / 2).astype("float32")


def run(model, x, **options):
    """What the model makes of x, as a numpy array."""
    return keras.ops.convert_to_numpy(model(x, **options))


def mse(a, b):
    """Mean squared error, in doubles."""
    return float(np.square(np.asarray(a, float) - b).mean())


def summary(model):
    """What the model's summary prints."""
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=100)
    return "\n".join(lines)


# Shapes and network


@pytest.mark.parametrize("shape", SHAPES)
def test_output_has_the_shape_of_the_input(shape):
    """Any sides and channels: out comes (batch, *shape), and the code is 8 numbers per started 4 x 4 cells."""
    model = DenoisingAutoencoder(shape, value_range=(-3, 3) if sum(shape) % 2 else None)
    x = samples(shape)
    height, width = math.ceil(shape[0] / 4), math.ceil(shape[1] / 4)
    code = run(model.encoder, x)
    assert code.shape == (3, height, width, 8)
    assert model.code_size == height * width * 8
    assert run(model, x).shape == (3, *shape)
    assert run(model.decoder, code).shape == (3, *shape)
    np.testing.assert_allclose(run(model.decoder, code), run(model, x), rtol=1e-6)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_every_cell_counts(shape):
    """No cell is cut off: each one, the last row and column too, changes the code and can change in the output."""
    model = DenoisingAutoencoder(shape, seed=0)
    base = samples(shape, 20)[:, None]
    one_changed = base + 5 * np.eye(math.prod(shape), dtype="float32").reshape(-1, *shape)
    codes = run(model.encoder, one_changed.reshape(-1, *shape)).reshape(20, math.prod(shape), -1)
    assert (codes != run(model.encoder, base[:, 0]).reshape(20, 1, -1)).any(axis=(0, 2)).all()
    assert (np.ptp(run(model, samples(shape, 20)), axis=0) > 0).all()


def test_odd_sides_are_padded_with_the_mean():
    """A (5, 7) sample gives what an (8, 8) one gives that holds it top left and the mean elsewhere."""
    x = 100 + 30 * samples((5, 7))
    padded = np.pad(x, [(0, 0), (0, 3), (0, 1)], constant_values=100)
    small, large = (DenoisingAutoencoder(shape, mean=100, scale=30, seed=0) for shape in [(5, 7), (8, 8)])
    np.testing.assert_allclose(run(small, x), run(large, padded)[:, :5, :7], rtol=1e-6)


def test_network_is_the_blog_posts():
    """Kinds, filters, kernels, strides and activations of the five convolutions."""
    model = DenoisingAutoencoder((8, 8, 3))
    found = [
        (
            type(layer).__name__,
            layer.filters,
            layer.kernel_size,
            layer.strides,
            layer.activation.__name__,
            layer.padding,
        )
        for layer in model.encoder.layers + model.decoder.layers
        if "Conv" in type(layer).__name__
    ]
    assert found == [
        ("Conv2D", 16, (3, 3), (2, 2), "relu", "same"),
        ("Conv2D", 8, (3, 3), (2, 2), "relu", "same"),
        ("Conv2DTranspose", 8, (3, 3), (2, 2), "relu", "same"),
        ("Conv2DTranspose", 16, (3, 3), (2, 2), "relu", "same"),
        ("Conv2D", 3, (3, 3), (1, 1), "linear", "same"),
    ]
    assert (
        DenoisingAutoencoder((8, 8), value_range=(0, 1)).decoder.get_layer("decode_3").activation.__name__ == "sigmoid"
    )


def test_summaries_are_complete():
    """A new model's summaries name every layer with its output shape and count the parameters."""
    model = DenoisingAutoencoder((5, 7))
    parts = {
        model.encoder: ["encode_1", "encode_2", "(None, 8, 8, 1)", "(None, 4, 4, 16)", "(None, 2, 2, 8)", "1,322"],
        model.decoder: ["decode_1", "decode_2", "decode_3", "(None, 8, 8, 16)", "(None, 5, 7)", "1,899"],
        model: ["scaling", "encoder", "decoder", "(None, 2, 2, 8)", "(None, 5, 7)", "3,219"],
    }
    for part, words in parts.items():
        text = summary(part)
        assert "?" not in text
        assert "unbuilt" not in text
        assert [word for word in words if word not in text] == []


# Noise


@pytest.mark.parametrize(("options", "deviation"), [({"mean": 300, "scale": 40}, 20), ({"value_range": (-7, 17)}, 12)])
def test_noise_is_added_in_training_only(options, deviation):
    """In training the network sees x plus fresh Gaussian noise of noise * scale, or of noise * (hi - lo); else x."""
    model = DenoisingAutoencoder((10, 10), noise=0.5, seed=1, **options)
    x = samples((10, 10), 200)
    model.encoder = model.decoder = keras.layers.Identity()
    np.testing.assert_array_equal(run(model, x), x)
    first, second = run(model, x, training=True) - x, run(model, x, training=True) - x
    for noise in first, second, (first - second) / math.sqrt(2):
        assert noise.std() == pytest.approx(deviation, rel=0.03)
        assert abs(noise.mean()) < 0.03 * deviation
        assert (np.abs(noise) > 2 * deviation).mean() == pytest.approx(0.0455, rel=0.15)


def test_noise_of_zero_is_none():
    """With noise=0 training sees x itself, and corrupt gives x."""
    model, x = DenoisingAutoencoder((4, 4), noise=0), samples((4, 4))
    np.testing.assert_array_equal(run(model, x, training=True), run(model, x))
    np.testing.assert_array_equal(model.corrupt(x, np.random.default_rng(0)), x)


def test_corruption_works_in_a_feed_while_a_model_trains(tmp_path):
    """As a feed's transform it makes, during fit and evaluate, the noise that corrupt makes outside of them."""
    db = rowfeed.connect(f"sqlite:///{tmp_path}/a.db")
    grid = rowfeed.Grid("t", sample="s", axes=("y", "x"), value="v", shape=(4, 4))
    db.write(grid, np.arange(1, 161, dtype="float32").reshape(10, 4, 4))
    feed = rowfeed.Feed(db, x=grid, y=grid, batch_size=5, shuffle=False)
    model = DenoisingAutoencoder((4, 4), seed=0).adapt(feed.batches())
    model.compile("adam", "mse")
    noisy, seen = model.corruption(), []

    def transform(batch, rng):
        state = rng.bit_generator.state
        seen.append((noisy(batch[0], rng), batch[0], state))
        return seen[-1][0], batch[1]

    data = feed.replace(transform=transform).to_keras()
    model.fit(feed.to_keras(), validation_data=data, epochs=1, verbose=0)
    model.evaluate(data, verbose=0)
    got, clean, state = seen[-1]
    rng = np.random.Generator(np.random.Philox())
    rng.bit_generator.state = state
    np.testing.assert_array_equal(got, model.corrupt(clean, rng))
    assert not np.array_equal(got, clean)


@pytest.mark.parametrize(("options", "deviation"), [({"mean": 300, "scale": 40}, 20), ({"value_range": (-7, 17)}, 12)])
def test_corrupt_makes_the_noise_of_training(options, deviation):
    """What corrupt gives is x plus noise of the same deviation from the given generator: float32, also for integers."""
    model, x = DenoisingAutoencoder((4, 4), noise=0.5, **options), np.arange(48).reshape(3, 4, 4)
    noisy = model.corrupt(x, np.random.default_rng(5))
    assert noisy.dtype == np.float32
    np.testing.assert_allclose(noisy, x + deviation * np.random.default_rng(5).standard_normal(x.shape), rtol=1e-5)
    with pytest.raises(ArgumentError, match=r"expected a numpy\.random\.Generator; got rng=5\. Pass numpy\.random\."):
        model.corrupt(x, 5)


def test_seed_makes_weights_and_noise_repeatable():
    """The same seed gives the same model and the same noise; another seed another one."""
    x = samples((4, 4))

    def twice(seed):
        model = DenoisingAutoencoder((4, 4), seed=seed)
        return np.stack([run(model, x, training=True), run(model, x, training=True)])

    first = twice(0)
    np.testing.assert_allclose(twice(0), first, rtol=1e-5, atol=1e-6)
    assert np.abs(twice(1) - first).max() > 0.01


# Ranges


@pytest.mark.parametrize("bounds", [(-7, 17), (0.1, 0.7), (-2.5e6, -1e6)])
def test_value_range_bounds_the_output(bounds):
    """No code whatever makes a value outside value_range, not even by rounding; it comes near both ends."""
    model = DenoisingAutoencoder((8, 8), value_range=bounds, seed=0)
    low, high = np.float32(bounds)
    out = run(model.decoder, samples((2, 2, 8), 200) * np.logspace(-3, 6, 200)[:, None, None, None])
    assert low <= out.min() <= low + 1e-6 * (high - low)
    assert high - 1e-6 * (high - low) <= out.max() <= high


def test_without_value_range_the_output_is_unbounded():
    """Large codes make values far outside of mean +- scale, on both sides."""
    out = run(DenoisingAutoencoder((8, 8), mean=100, scale=10, seed=0).decoder, 1e6 * samples((2, 2, 8), 50))
    assert out.min() < -1e4
    assert out.max() > 1e4


@pytest.mark.parametrize(
    ("plain", "scaled"),
    [({}, {"mean": -30, "scale": 250}), ({"value_range": (0, 1)}, {"value_range": (-30, 220)})],
)
def test_units_do_not_matter(plain, scaled):
    """The same network in other units maps scaled samples to scaled outputs."""
    x = samples((5, 7, 3))
    expected = -30 + 250 * run(DenoisingAutoencoder((5, 7, 3), seed=3, **plain), x)
    out = run(DenoisingAutoencoder((5, 7, 3), seed=3, **scaled), -30 + 250 * x)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_input_may_be_of_any_number_type(dtype):
    """Integers and doubles give what float32 gives."""
    model, x = DenoisingAutoencoder((4, 5), value_range=(0, 255), seed=0), np.arange(40).reshape(2, 4, 5)
    np.testing.assert_allclose(model.predict(x.astype(dtype), verbose=0), run(model, x.astype("float32")), rtol=1e-6)


def test_half_precision_keeps_large_values():
    """Under mixed_float16 values that float16 cannot hold pass, with noise too, and the output is float32."""
    model = DenoisingAutoencoder((4, 4), mean=1e6, scale=1e6, dtype="mixed_float16")
    assert {layer.compute_dtype for layer in model.encoder.layers if "encode" in layer.name} == {"float16"}
    out = run(model, 1e6 + 1e6 * samples((4, 4)), training=True)
    assert out.dtype == np.float32
    assert (np.abs(out - 1e6) < 1e7).all()


# adapt


@pytest.fixture(scope="module")
def grid_model():
    """A model of (3, 4) samples, to be adapted."""
    return DenoisingAutoencoder((3, 4))


X = np.random.default_rng(7).gamma(2.0, 3.0, (100, 3, 4)) * 50 - 70


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(X, id="array"),
        pytest.param((X, np.zeros(100)), id="one batch"),
        pytest.param([X[:1], X[1:60], X[60:60], X[60:]], id="uneven batches"),
        pytest.param(iter([(X[:30], X[:30]), (X[30:], X[30:])]), id="x, y"),
        pytest.param([[X[:30], X[:30]], [X[30:], X[30:]]], id="x, y in lists"),
        pytest.param(
            [(np.pad(X, [(0, 9), (0, 0), (0, 0)], constant_values=np.nan), 0, np.arange(109) < 100)], id="x, y, w"
        ),
        pytest.param(
            [(np.tile(X, (2, 1, 1)), 0, np.ones((200, 3, 4)) * (np.arange(200) < 100)[:, None, None])], id="w of y"
        ),
    ],
)
def test_adapt_learns_mean_and_deviation(grid_model, data):
    """Whatever the batches are, mean and scale are those of all values; padding, of weight 0, does not count."""
    assert grid_model.adapt(data) is grid_model
    config = grid_model.get_config()
    assert config["mean"] == pytest.approx(X.mean(), rel=1e-6)
    assert config["scale"] == pytest.approx(X.std(), rel=1e-6)


def test_adapt_is_numerically_sound(grid_model):
    """A large mean does not drown a small deviation, as it would in a sum of squares or in float32."""
    x = (1e6 + np.random.default_rng(0).standard_normal((1000, 3, 4))).astype("float32")
    scale = grid_model.adapt(np.array_split(x, 37)).get_config()["scale"]
    assert scale == pytest.approx(x.astype("float64").std(), rel=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e7])
def test_adapt_to_a_constant_gives_scale_1(grid_model, value):
    """Values that do not differ do not divide by 0 or by rounding noise."""
    config = grid_model.adapt([np.full((n, 3, 4), value) for n in (3, 5, 9)]).get_config()
    assert config["mean"] == pytest.approx(value)
    assert config["scale"] == 1.0


def test_adapt_reaches_compiled_steps():
    """After fit and predict were compiled, adapt still changes what they do."""
    x = stripes(64, 0, 1)
    model = DenoisingAutoencoder((8, 8), noise=0, seed=0)
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    before = [model.fit(x, x, verbose=0).history["loss"][0], model.evaluate(x, x, verbose=0)]
    model.predict(x, verbose=0)
    model.adapt(1000 + x)
    after = [model.fit(x, x, verbose=0).history["loss"][0], model.evaluate(x, x, verbose=0)]
    assert max(before) < 10
    assert min(after) > 1000
    np.testing.assert_allclose(model.predict(x, verbose=0), run(model, x), rtol=1e-4)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            [X, np.where(np.arange(100)[:, None, None] == 7, np.nan, X)],
            "expected finite values; got 12 NaN or infinite of 1200 in batch 1. Fix",
        ),
        (np.full((2, 3, 4), -np.inf), "expected finite values; got 24 NaN or infinite of 24 in batch 0. Fix"),
        ([], "expected at least one sample to adapt to; got data with none. Check"),
        (X[:0], "expected at least one sample to adapt to; got data with none. Check"),
        (X[0], "expected batches of shape (batch, 3, 4); got shape=(3, 4) in batch 0. Pass"),
        ([1.0], "expected batches of shape (batch, 3, 4); got shape=() in batch 0. Pass"),
    ],
)
def test_adapt_refuses_data_it_cannot_learn_from(grid_model, data, text):
    """NaN, infinity, nothing at all and other shapes are errors that say where, and leave the scaling alone."""
    before = grid_model.get_config()
    with pytest.raises(DataError, match=re.escape(text)):
        grid_model.adapt(data)
    assert grid_model.get_config() == before


def test_adapt_refuses_a_value_range():
    """A range is a scaling already."""
    with pytest.raises(ArgumentError, match=r"without value_range for adapt; got value_range=\(0\.0, 1\.0\)\. Leave"):
        DenoisingAutoencoder((3, 4), value_range=(0, 1)).adapt(X)


# Saving


@pytest.fixture(scope="module")
def models():
    """Models of several kinds and an input for each; the first is adapted and trained. Not to be changed."""
    x = stripes(64, -7, 17)
    trained = DenoisingAutoencoder((8, 8), noise=0.7, seed=4).adapt(x)
    trained.compile("adam", loss="mse")
    trained.fit(x, x, verbose=0)
    return [
        (trained, x[:5]),
        (DenoisingAutoencoder((5, 7), value_range=(-7, 17)), 5 + 5 * samples((5, 7))),
        (DenoisingAutoencoder((9, 2, 3), mean=1e6, scale=1e5), 1e6 + 1e5 * samples((9, 2, 3))),
    ]


def test_saved_model_is_the_same_model(models, tmp_path):
    """A .keras file brings back predictions, configuration, optimizer and the ability to go on."""
    for model, x in models:
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert type(loaded) is DenoisingAutoencoder
        assert loaded.get_config() == model.get_config()
        np.testing.assert_allclose(run(loaded, x), run(model, x), rtol=1e-6)
        if model.compiled:
            assert int(loaded.optimizer.iterations) == 2
            assert loaded.fit(x, x, verbose=0).history["loss"][0] > 0


def test_config_and_weights_make_the_model_again(models, tmp_path):
    """from_config gives the same model but for the weights; a weights file carries the rest, adapted scaling too."""
    for model, x in models:
        again = DenoisingAutoencoder.from_config(model.get_config())
        assert again.get_config() == model.get_config()
        fresh = DenoisingAutoencoder(model.sample_shape, value_range=model.value_range)
        model.save_weights(tmp_path / "model.weights.h5")
        for other in again, fresh:
            other.load_weights(tmp_path / "model.weights.h5")
            np.testing.assert_allclose(run(other, x), run(model, x), rtol=1e-6)


def test_encoder_can_be_saved_alone(models, tmp_path):
    """The encoder of a trained model is a model to keep for itself."""
    model, x = models[0]
    model.encoder.save(tmp_path / "encoder.keras")
    np.testing.assert_allclose(
        run(keras.saving.load_model(tmp_path / "encoder.keras"), x), run(model.encoder, x), rtol=1e-6
    )


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_saved_model_loads_on_every_backend(models, backend, tmp_path):
    """A file saved here predicts the same there, with nothing imported but rowfeed.keras."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    expected = []
    for number, (model, x) in enumerate(models):
        model.save(tmp_path / f"{number}.keras")
        np.save(tmp_path / f"{number}.npy", x)
        expected.append(run(model, x))
    code = (
        "import keras, numpy as np, rowfeed.keras\n"
        "for number in range(3):\n"
        "    model = keras.saving.load_model(f'{number}.keras')\n"
        "    y = keras.ops.convert_to_numpy(model(np.load(f'{number}.npy')))\n"
        "    np.save(f'{keras.backend.backend()}{number}.npy', y)\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for number, y in enumerate(expected):
        found = np.load(tmp_path / f"{backend}{number}.npy")
        np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-5 * np.abs(y).max())


# Training


@pytest.mark.parametrize(("bounds", "bounded"), [((-7, 17), False), ((0, 1e6), True)])
def test_training_learns_to_denoise(bounds, bounded):
    """In any range, a plain compile and fit halves the error of noisy samples it never saw; evaluate is in units."""
    train, test = stripes(1024, *bounds), stripes(128, *bounds, seed=1)
    if bounded:
        model = DenoisingAutoencoder((8, 8), noise=0.3, value_range=bounds, seed=0)
    else:
        model = DenoisingAutoencoder((8, 8), noise=0.8, seed=0).adapt(train)
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    model.fit(train, train, batch_size=32, epochs=4, verbose=0)
    noisy = model.corrupt(test, np.random.default_rng(0))
    cleaned = model.predict(noisy, verbose=0)
    assert mse(cleaned, test) < 0.5 * mse(noisy, test)
    assert model.evaluate(noisy, test, verbose=0) == pytest.approx(mse(cleaned, test), rel=1e-3)


def test_docstring_example_runs():
    """What the class says, it does."""
    result = doctest.testmod(autoencoder)
    assert (result.failed, result.attempted) == (0, 10)


# Errors


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"shape": (8,)}, "or more; got shape=(8,). Name the axes of one sample, without the batch."),
        ({"shape": (1, 8, 8, 3)}, "got shape=(1, 8, 8, 3)."),
        ({"shape": (8, 0)}, "each a whole number of 1 or more; got shape=(8, 0)."),
        ({"shape": (8, 8.0)}, "got shape=(8, 8.0)."),
        ({"shape": (8, True)}, "got shape=(8, True)."),
        ({"shape": 8}, "expected (height, width) or (height, width, channels), each a whole number"),
        ({"noise": -0.1}, "expected a number from 0 to 3.403e+38; got noise=-0.1. Pass a finite int or float"),
        ({"noise": math.nan}, "got noise=nan."),
        ({"noise": "0.5"}, "got noise='0.5'."),
        ({"mean": math.inf}, "expected a number from -3.403e+38 to 3.403e+38; got mean=inf."),
        ({"scale": 0}, "expected a number from 1.175e-38 to 3.403e+38; got scale=0."),
        ({"scale": -1.0}, "got scale=-1.0."),
        ({"scale": None}, "got scale=None."),
        ({"value_range": (1, 1)}, "expected lo below hi, as float32 too; got value_range=(1, 1). Pass the lowest"),
        ({"value_range": (17, -7)}, "got value_range=(17, -7)."),
        ({"value_range": (1e8, 1e8 + 1)}, "got value_range=(100000000.0, 100000001.0)."),
        ({"value_range": (0, math.inf)}, "got value_range=inf."),
        ({"value_range": 255}, "expected two numbers (lo, hi); got value_range=255. Pass both, or None for no bounds."),
        (
            {"value_range": (0, 1), "mean": 3},
            "expected either value_range or mean and scale; got value_range=(0, 1) with",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments, text):
    """The error says what was expected, what came and what to do."""
    with pytest.raises(ArgumentError, match=re.escape(text)):
        DenoisingAutoencoder(**{"shape": (8, 8), **arguments})


def test_misspelt_option_is_refused():
    """No option is swallowed."""
    with pytest.raises(ValueError, match="nose"):
        DenoisingAutoencoder((8, 8), nose=0.5)


@pytest.mark.parametrize("got", [(5, 7, 1), (5, 8), (7, 5), (35,)])
def test_samples_of_another_shape_are_refused(got):
    """An extra channel axis is not dropped silently, and no other side is taken."""
    model = DenoisingAutoencoder((5, 7))
    text = f"expected samples of shape (5, 7); got shape={got}. Pass (batch, *shape)"
    with pytest.raises(ValueError, match=re.escape(text)):
        model(np.zeros((2, *got), "float32"))
    model.compile("adam", loss="mse")
    with pytest.raises(ValueError, match=re.escape(text)):
        model.fit(np.zeros((2, *got), "float32"), np.zeros((2, *got), "float32"), verbose=0)
