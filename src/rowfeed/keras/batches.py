"""A batch as Keras takes it: weights in the shape of losses, and no number that a backend would change in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn, cast

import keras
import numpy as np

from rowfeed.errors import ArgumentError, DataError
from rowfeed.layouts.base import Array, Layout
from rowfeed.layouts.structure import Batch
from rowfeed.reading.stream import Stream

PLACES = ("x", "y", "sample_weight")

NARROW = frozenset(np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4)) | {
    np.dtype(name) for name in ("bool", "float16", "float32")
}
"""The dtypes that every backend takes as they are."""


def for_keras(stream: Stream, position: int, batch: Batch) -> Batch:
    """A checked batch, with weights of as many axes as Keras gives the losses.

    Keras reduces the last axis of y to one loss, so its losses have the shape `y.shape[:-1]`, and it broadcasts
    weights of shape (batch,) along the last of these axes, not the first.
    """
    for name, array in _named(batch):
        if isinstance(array, np.ndarray) and array.dtype not in NARROW:
            _check_wide(stream, position, name, array)
    if not isinstance(batch, tuple) or len(batch) < 3:
        return batch
    x, y, weight = batch
    if isinstance(weight, dict):
        weight = {name: _like_losses(w, y[name] if isinstance(y, dict) else y) for name, w in weight.items()}
    elif not isinstance(y, dict):
        weight = _like_losses(weight, y)
    return x, y, weight


def named_places(stream: Stream) -> Iterator[tuple[str, Layout]]:
    """The layouts of a feed with the names of their places: x, or x['a'] if x is a dict."""
    return _named(stream.structure.places)


def jax_narrows() -> bool:
    """Whether Keras runs on a JAX that makes 32 bits of 64: int64 wraps in silence."""
    if keras.backend.backend() != "jax":
        return False
    import jax

    return not cast(Any, jax.config).jax_enable_x64


def refuse_dates(dtype: np.dtype[Any], place: str) -> None:
    """Refuse dates and times, which no backend takes.

    Raises:
        ArgumentError: The dtype is one of them.
    """
    if dtype.kind in "mM":
        raise ArgumentError(
            f"expected numbers, which Keras computes with; got dtype={dtype} at {place}. Make numbers of dates in the "
            "feed's transform, for example days: (x - np.datetime64('2026-01-01')) / np.timedelta64(1, 'D')."
        )


def way_out(kind: str) -> str:
    """What to do about 64 bits of a kind of number, "i", "u" or "f", on JAX."""
    smaller = 'Pass dtype="float32" to the layout' if kind == "f" else "Make smaller numbers in the feed's transform"
    return f'{smaller}, or let JAX have 64 bits: jax.config.update("jax_enable_x64", True).'


def _check_wide(stream: Stream, position: int, name: str, array: Array) -> None:
    """Check an array of a dtype that a backend may change."""
    refuse_dates(array.dtype, name)
    if array.dtype == np.uint64 and keras.backend.backend() == "torch":
        raise ArgumentError(f'expected a dtype of torch; got uint64 at {name}. Pass dtype="int64" to the layout.')
    if array.dtype.kind not in "iuf" or array.dtype.itemsize < 8 or not jax_narrows() or not array.size:
        return
    limit = np.finfo(np.float32) if array.dtype.kind == "f" else np.iinfo(f"{array.dtype.kind}4")
    with np.errstate(invalid="ignore"):
        if limit.min <= array.min() and array.max() <= limit.max:
            return
        beyond = ((array < limit.min) | (array > limit.max)) & (np.abs(array) < np.inf)
    if beyond.any():
        _refuse_wide(stream, position, name, array, beyond)


def _refuse_wide(stream: Stream, position: int, name: str, array: Array, beyond: Array) -> NoReturn:
    kind = {"i": "int32", "u": "uint32", "f": "float32"}[array.dtype.kind]
    row = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
    place = name
    layout = dict(named_places(stream)).get(name)
    if stream.transform is None and layout is not None:
        epoch, number = divmod(position, len(stream))
        sample = stream.ids[stream.plan.epoch(epoch).batch(number)][row[0]]
        columns = ", ".join(f"{layout.source.label}.{column}" for column in layout.values)
        place = f"{name}, {columns}, {layout.sample}={sample}"
    raise DataError(
        f"expected numbers that {kind} holds, since JAX has no wider ones; got {array[row]} of {array.dtype} "
        f"at {place}. {way_out(array.dtype.kind)}"
    )


def _named(parts: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of a batch, or of its places, with their names."""
    for name, part in zip(PLACES, parts if isinstance(parts, tuple) else (parts,), strict=False):
        if isinstance(part, dict):
            yield from ((f"{name}[{key!r}]", value) for key, value in part.items())
        else:
            yield name, part


def _like_losses(weight: Any, y: Any) -> Any:
    shape = y.shape[:-1]
    if weight.ndim != 1 or len(shape) < 2:
        return weight
    return np.ascontiguousarray(np.broadcast_to(weight.reshape(-1, *(1,) * (len(shape) - 1)), shape))
