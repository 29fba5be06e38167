"""The user's function that runs on each batch, whose mistakes are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from rowfeed.errors import ArgumentError
from rowfeed.layouts.structure import Batch

Transform: TypeAlias = Callable[[Batch, np.random.Generator], Batch]

FORM = "an array or a dict of arrays, or a tuple of them: (x, y, sample_weight)"


def transformed(transform: Transform, batch: Batch, rng: np.random.Generator, epoch: int, number: int) -> Batch:
    """A batch after the transform.

    Args:
        transform: The function.
        batch: Its batch.
        rng: Its random numbers.
        epoch: The number of the epoch.
        number: The number of the batch.

    Raises:
        ArgumentError: It returns no batch, or raises what would end the epoch as if all batches had been given out.
    """
    try:
        result = transform(batch, rng)
    except (StopIteration, GeneratorExit) as error:
        raise ArgumentError(
            f"expected a batch of transform; got {type(error).__name__} from {_name(transform)}, epoch={epoch}, "
            f"batch={number}. It would end the epoch in silence: give next() a default, or catch it there."
        ) from error
    wrong = _fault(result)
    if wrong:
        raise ArgumentError(
            f"expected a batch of transform, {FORM}; got {wrong} from {_name(transform)}, epoch={epoch}, "
            f"batch={number}. Return the batch, in this form."
        )
    return result


def _fault(result: Any) -> str:
    """What makes a result no batch; empty if it may be one. Only x must be there: Keras takes (x, None, weight)."""
    if isinstance(result, tuple) and not result:
        return "an empty tuple"
    places = result if isinstance(result, tuple) else (result,)
    for number, place in enumerate(places):
        for leaf in place.values() if isinstance(place, Mapping) else (place,):
            if (leaf is None and not number) or not (leaf is None or _is_array(leaf)):
                kind = "None" if leaf is None else f"a {type(leaf).__name__}"
                return kind if leaf is result else f"{kind} in it"
    return ""


def _is_array(leaf: Any) -> bool:
    """Whether it may be an array or a tensor of some library, or several of them."""
    return hasattr(leaf, "shape") or (hasattr(leaf, "__len__") and not isinstance(leaf, (str, bytes)))


def _name(transform: Transform) -> str:
    return str(getattr(transform, "__qualname__", None) or type(transform).__qualname__)
