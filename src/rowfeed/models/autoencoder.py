"""The denoising autoencoder: a small convolutional network that learns to take the noise out of grids."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from numbers import Integral, Real
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from rowfeed.errors import ArgumentError, DataError
from rowfeed.layouts.base import Array
from rowfeed.messages import brief

_FLOAT32 = np.finfo(np.float32)


@keras.saving.register_keras_serializable(package="rowfeed")
class Scaling(layers.Layer):  # type: ignore[misc, unused-ignore]
    """`(x - mean) / scale`, or the inverse with `invert=True`.

    Both numbers are weights. They are saved like the others, and a step that was compiled before a change sees it.
    """

    def __init__(self, mean: float = 0.0, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean = self._weight("mean", mean)
        self.scale = self._weight("scale", scale)

    def _weight(self, name: str, value: float) -> Any:
        start = keras.initializers.Constant(value)
        return self.add_weight(name=name, shape=(), initializer=start, trainable=False, autocast=False)

    def call(self, x: Any, invert: bool = False) -> Any:
        return x * self.scale + self.mean if invert else (x - self.mean) / self.scale

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": float(self.mean), "scale": float(self.scale)}


@keras.saving.register_keras_serializable(package="rowfeed")
class DenoisingAutoencoder(keras.Model):  # type: ignore[misc, unused-ignore]
    """A Keras model that gives a cleaned copy of every sample: same shape, same units, any range of values.

    1. In training, Gaussian noise is added to the input; the target that you give is the clean sample. `evaluate` and
       `predict` add no noise: give them noisy samples, for example from `corrupt`.
    2. The encoder brings values to about -1..1 (or 0..1), pads the sides to multiples of 4 and halves them
       twice (3x3 convolutions, 16 and 8 filters) to a code of `code_size` numbers:
       8 * ceil(height / 4) * ceil(width / 4), for one channel half the size of the sample.
    3. The decoder mirrors it (8 and 16 filters), crops the padding and brings the values back to your units.

    `encoder` (samples to codes) and `decoder` (codes to samples) are Keras models of their own. Loss and
    metrics are in your units, and a plain `compile("adam", loss="mse")` suffices: the unit does not matter to Adam if
    the values' standard deviation is 0.01 to 1e8 (beyond that, use another unit).

    Args:
        shape: One sample's (height, width) or (height, width, channels), each 1 or more. Input and output are
            (batch, *shape): (height, width) has no channel axis.
        noise: Standard deviation of the noise in training, in units of `scale`: after `adapt`, that is the data's own
            standard deviation. With `value_range`, a fraction of `hi - lo`. 0: no noise.
        value_range: (lo, hi), the bounds of every value. The output then always stays within them (a sigmoid). None,
            the default, leaves the output unbounded, for values without a natural limit.
        mean: Without `value_range`, the network sees `(x - mean) / scale`. For learning, that must be near -1..1. So
            give the data's mean and standard deviation, or let `adapt` find them.
        scale: See `mean`; above 0.
        seed: The seed of the first weights and of the noise. None: as set by `keras.utils.set_random_seed`.
        **kwargs: `name`, `dtype` and `trainable`, as for any Keras model.

    Raises:
        ArgumentError: An argument is of the wrong kind or out of its range. (This is a ValueError, like DataError.)

    Example:
        >>> import keras
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> clean = 100 + 30 * rng.choice([-1, 1], (640, 1, 1)) * np.ones((5, 7))
        >>> model = DenoisingAutoencoder((5, 7), noise=0.5, seed=0).adapt(clean)
        >>> model.compile(keras.optimizers.Adam(0.01), loss="mse")
        >>> _ = model.fit(clean, clean, epochs=5, verbose=0)
        >>> noisy = model.corrupt(clean, rng)
        >>> cleaned = model.predict(noisy, verbose=0)
        >>> cleaned.shape, bool(np.square(cleaned - clean).mean() < 0.5 * np.square(noisy - clean).mean())
        ((640, 5, 7), True)
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        noise: float = 0.4,
        value_range: tuple[float, float] | None = None,
        mean: float = 0.0,
        scale: float = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # call() casts: float16 cannot hold values like 1e6
        self.sample_shape = _shape(shape)
        self.noise = _number("noise", noise, least=0.0)
        self.value_range = None if value_range is None else _value_range(value_range)
        if self.value_range:
            if (mean, scale) != (0.0, 1.0):
                raise ArgumentError(
                    f"expected either value_range or mean and scale; got value_range={brief(value_range)} with "
                    f"mean={brief(mean)}, scale={brief(scale)}. Leave value_range out for an unbounded output."
                )
            mean, scale = self.value_range[0], self.value_range[1] - self.value_range[0]
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.scaling = Scaling(*_mean_and_scale(mean, scale), name="scaling", dtype=self.variable_dtype)
        self.encoder = self._build_encoder()
        self.decoder = self._build_decoder()
        self.built = True

    @property
    def code_size(self) -> int:
        """The length of a code: numbers that the encoder makes of one sample."""
        return math.prod(self.encoder.output_shape[1:])

    def call(self, x: Any, training: bool = False) -> Any:
        got = tuple(x.shape)[1:]  # None stands for a side that TensorFlow does not know yet
        if any(g not in (None, s) for g, s in zip_longest(got, self.sample_shape, fillvalue=-1)):
            raise ArgumentError(
                f"expected samples of shape {self.sample_shape}; got shape={got}. "
                "Pass (batch, *shape), or make the model with the shape of your samples."
            )
        x = ops.cast(x, self.variable_dtype)
        if training and self.noise:
            noise = keras.random.normal(ops.shape(x), dtype=x.dtype, seed=self.seed_generator)
            x = x + self.noise * self.scaling.scale * noise
        return self.decoder(self.encoder(x))

    def corrupt(self, x: Any, rng: np.random.Generator) -> Array:
        """`x` with the noise of training added, for `evaluate` and `predict`: float32, same shape.

        Args:
            x: Array of any shape, in your units. The result may lie outside `value_range`.
            rng: The source of the noise; the same state gives the same noise on every backend.
        """
        return self.corruption()(x, rng)

    def corruption(self) -> Callable[[Any, np.random.Generator], Array]:
        """`corrupt` with the present scale, for a feed's `transform`.

        While a step runs on JAX, a model's weights cannot be read. The scale is one of them, so it is read before.

            noisy = model.corruption()
            validation.replace(transform=lambda batch, rng: (noisy(batch[0], rng), batch[1]))
        """
        deviation = self.noise * float(self.scaling.scale)

        def corrupt(x: Any, rng: np.random.Generator) -> Array:
            if not isinstance(rng, np.random.Generator):
                raise ArgumentError(
                    f"expected a numpy.random.Generator; got rng={brief(rng)}. Pass numpy.random.default_rng(0)."
                )
            return np.asarray(x + deviation * rng.standard_normal(np.shape(x)), dtype=np.float32)

        return corrupt

    def adapt(self, data: Any) -> DenoisingAutoencoder:
        """Set mean and scale to the mean and standard deviation of all values in `data`, and return the model.

        One pass in float64 that holds one batch at a time. May be called at any time, between two `fit`s too.
        If all values are equal (within the precision of float32), the scale is 1.

        Args:
            data: One batch or a finite iterable of batches, such as a feed (`feed.batches()` does not change its
                epoch). A batch is an array `x` of (batch, *shape), or a tuple `(x, y)` or `(x, y, w)`; rows of weight 0
                (padding) do not count.

        Raises:
            DataError: NaN or infinite values, no values, or another shape.
            ArgumentError: The model has a `value_range`, which is its scaling.

        Source:
            Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
        """
        if self.value_range:
            raise ArgumentError(
                f"expected a model without value_range for adapt; got value_range={brief(self.value_range)}. "
                "Leave adapt out (the range is the scaling), or leave value_range out."
            )
        count, mean, squares = 0, 0.0, 0.0
        for number, batch in enumerate([data] if isinstance(data, np.ndarray | tuple) else data):
            x = self._counted(batch, number)
            if x.size:
                delta, share = x.mean(dtype=np.float64) - mean, x.size / (count + x.size)
                squares += x.size * x.var(dtype=np.float64) + delta**2 * count * share
                mean += delta * share
                count += x.size
        if not count:
            raise DataError("expected at least one sample to adapt to; got data with none. Check what it selects.")
        deviation = math.sqrt(squares / count)
        constant = deviation <= _FLOAT32.eps * abs(mean)
        mean, scale = _mean_and_scale(float(mean), 1.0 if constant else deviation)
        self.scaling.mean.assign(mean)
        self.scaling.scale.assign(scale)
        return self

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"shape": self.sample_shape, "noise": self.noise, "seed": self.seed}
        if self.value_range:
            config["value_range"] = self.value_range
        else:
            config |= {"mean": float(self.scaling.mean), "scale": float(self.scaling.scale)}
        return {**super().get_config(), **config}

    def _counted(self, batch: Any, number: int) -> np.ndarray[Any, Any]:
        """The samples of a batch that count, after checks."""
        x, weights = (batch[0], batch[2:]) if isinstance(batch, tuple | list) else (batch, ())
        x = np.asarray(x)
        if x.shape[1:] != self.sample_shape or not x.ndim:
            raise DataError(
                f"expected batches of shape (batch, {', '.join(map(str, self.sample_shape))}); "
                f"got shape={x.shape} in batch {number}. Pass one batch or an iterable of batches."
            )
        for weight in map(np.asarray, weights):
            x = x[weight.any(axis=tuple(range(1, weight.ndim)))]
        if bad := int(np.count_nonzero(~np.isfinite(x))):
            raise DataError(
                f"expected finite values; got {bad} NaN or infinite of {x.size} in batch {number}. "
                "Fix these rows or leave their samples out."
            )
        return x

    def _build_encoder(self) -> Any:
        height, width, channels = (*self.sample_shape, 1)[:3]
        x = sample = keras.Input(self.sample_shape, dtype=self.variable_dtype, name="sample")
        x = self.scaling(x)
        x = layers.Reshape((height, width, channels), name="with_channels")(x)
        x = layers.ZeroPadding2D(((0, -height % 4), (0, -width % 4)), name="pad")(x)
        x = self._convolution(layers.Conv2D, 16, "encode_1")(x)
        x = self._convolution(layers.Conv2D, 8, "encode_2")(x)
        return keras.Model(sample, x, name="encoder")

    def _build_decoder(self) -> Any:
        height, width, channels = (*self.sample_shape, 1)[:3]
        last = "sigmoid" if self.value_range else "linear"
        x = code = keras.Input(self.encoder.output_shape[1:], dtype=self.variable_dtype, name="code")
        x = self._convolution(layers.Conv2DTranspose, 8, "decode_1")(x)
        x = self._convolution(layers.Conv2DTranspose, 16, "decode_2")(x)
        x = self._convolution(layers.Conv2D, channels, "decode_3", activation=last, strides=1)(x)
        x = layers.Cropping2D(((0, -height % 4), (0, -width % 4)), name="crop")(x)
        x = layers.Reshape(self.sample_shape, name="as_sample")(x)
        x = self.scaling(x, invert=True)
        if self.value_range:
            x = ops.clip(x, *self.value_range)  # rounding can exceed the range by the last bit
        return keras.Model(code, x, name="decoder")

    def _convolution(self, kind: Any, filters: int, name: str, activation: str = "relu", strides: int = 2) -> Any:
        start = keras.initializers.GlorotUniform(self.seed_generator)
        options = {"padding": "same", "kernel_initializer": start, "dtype": self.dtype_policy}
        return kind(filters, 3, strides, activation=activation, name=name, **options)


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    whole = isinstance(shape, tuple | list) and all(_is_a(Integral, side) and side >= 1 for side in shape)
    if not whole or len(shape) not in (2, 3):
        raise ArgumentError(
            "expected (height, width) or (height, width, channels), each a whole number of 1 or more; "
            f"got shape={brief(shape)}. Name the axes of one sample, without the batch."
        )
    return tuple(int(side) for side in shape)


def _value_range(value_range: Sequence[float]) -> tuple[float, float]:
    if not isinstance(value_range, tuple | list) or len(value_range) != 2:
        raise ArgumentError(
            f"expected two numbers (lo, hi); got value_range={brief(value_range)}. Pass both, or None for no bounds."
        )
    low, high = (_number("value_range", value) for value in value_range)
    if np.float32(low) >= np.float32(high):
        raise ArgumentError(
            f"expected lo below hi, as float32 too; got value_range={brief(value_range)}. "
            "Pass the lowest and the highest value there can be."
        )
    return low, high


def _mean_and_scale(mean: float, scale: float) -> tuple[float, float]:
    return _number("mean", mean), _number("scale", scale, least=float(_FLOAT32.tiny))


def _number(name: str, value: float, least: float = -float(_FLOAT32.max)) -> float:
    if not _is_a(Real, value) or not least <= value <= _FLOAT32.max:
        raise ArgumentError(
            f"expected a number from {least:.4g} to {_FLOAT32.max:.4g}; got {name}={brief(value)}. "
            "Pass a finite int or float in this range."
        )
    return float(value)


def _is_a(kind: type, value: object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
