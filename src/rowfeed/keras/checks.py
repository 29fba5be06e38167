"""What Keras could not train with, or would use in another way than meant: refused before training starts."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from rowfeed.errors import ArgumentError
from rowfeed.keras.batches import jax_narrows, named_places, refuse_dates, way_out
from rowfeed.keras.internals import needs_targets
from rowfeed.messages import brief
from rowfeed.reading.stream import Stream


def check_method(stream: Stream, model: Any, method: str) -> None:
    """Check a feed for a method of a model: `fit`, `evaluate` or `predict`."""
    if method == "predict" and stream.shuffled:
        raise ArgumentError(
            "expected a feed in the order of its sample ids for predict; got shuffle=True, with which nobody could "
            "tell whose prediction is whose. Pass feed.replace(shuffle=False).to_keras()."
        )
    step = {"fit": "train_step", "evaluate": "test_step"}.get(method)
    if step is not None and _has_x_alone(stream) and needs_targets(model, step):
        raise ArgumentError(
            "expected a feed with y for a model that is compiled with a loss or metrics; got y=None. Pass y= to Feed "
            "(an autoencoder's target is its input: y=x), or compile the model without them and use add_loss."
        )


def check_class_weight(stream: Stream, class_weight: Any) -> None:
    """Check that `class_weight` is the only weight: Keras takes either it or weights of the data."""
    if class_weight is None:
        return
    if _has_x_alone(stream):
        raise ArgumentError(
            "expected a feed with y for class_weight; got y=None, with which Keras would ignore it. Pass y= to Feed."
        )
    if stream.transform is None and isinstance(stream.structure.places[1], dict):
        raise ArgumentError(
            "expected one y for class_weight; got a dict, and Keras does not say whose classes are meant. Pass "
            "sample_weight= to Feed, a dict with the names of y."
        )
    by_hand = "or weigh the classes in transform, which gets (x, y, sample_weight)"
    if len(stream.structure.places) == 3:
        raise ArgumentError(
            "expected either class_weight or a feed with sample_weight, since Keras takes one of them; got both. "
            f"Leave one out, {by_hand}."
        )
    if stream.plan.last_batch == "pad":
        raise ArgumentError(
            "expected a feed without weights for class_weight, since Keras takes one of them; got "
            'last_batch="pad", whose padding weighs 0. '
            f'Pass feed.replace(last_batch="keep").to_keras(), {by_hand}.'
        )


def check_validation(data: Any) -> None:
    """Check that validation data are no plain feed: Keras would refuse it after the first epoch."""
    if hasattr(data, "to_keras"):
        raise ArgumentError(
            f"expected a Keras dataset; got validation_data={brief(data)}. Pass validation_data=feed.to_keras()."
        )


def check_adapt(stream: Stream, layer: Any) -> None:
    """Check that a preprocessing layer learns from x alone. Of those of Keras, Normalization leaves out y by itself."""
    if layer is not None and len(stream.structure.places) > 1 and type(layer).__name__ != "Normalization":
        raise ArgumentError(
            f"expected a feed of x alone for adapt of {type(layer).__name__}, which would learn from y too; got y. "
            "Pass feed.replace(y=None, sample_weight=None).to_keras()."
        )


def check_dtypes(stream: Stream) -> None:
    """Check the dtypes of layouts, unless a transform may change them."""
    if stream.transform is not None:
        return
    for name, layout in named_places(stream):
        dtype = np.dtype(layout.dtype)
        refuse_dates(dtype, f"{name}, {layout.source.label}")
        if dtype == np.float64 and jax_narrows():
            warnings.warn(
                f"expected float32, which JAX computes in; got dtype=float64 at {name}, {layout.source.label}: JAX "
                f"rounds its values to float32. {way_out('f')}",
                RuntimeWarning,
                stacklevel=2,
            )


def _has_x_alone(stream: Stream) -> bool:
    """Whether batches are x alone; a transform may add to them."""
    return len(stream.structure.places) == 1 and stream.transform is None
