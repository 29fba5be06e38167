"""All that rowfeed reads of Keras' internals, in this one module: no public interface tells it.

1. *The running method of a model.* A dataset is not told who asks for its batches, so the call stack is searched for
   functions called `fit`, `evaluate`, `predict` and `_symbolic_build` (which only learns shapes) in a module of Keras.
   The method matters: `predict` needs the order of the ids, and batches that only teach shapes come again in training.
2. *Whether another epoch of `fit` follows.* This is read from its local variables `epoch` (`initial_epoch` before the
   first epoch) and `epochs`. If they cannot be found, the first window of a next epoch is always read.

Seen on JAX with Keras 3.11.3, 3.13.2 and 3.15.1, on TensorFlow and torch with 3.15.1. If one of the two cannot be read,
a warning says so once, and training goes on: more may be read ahead than is used, but all batches are the same.
"""

from __future__ import annotations

import sys
import warnings
from functools import cache
from types import FrameType

METHODS = ("_symbolic_build", "fit", "evaluate", "predict")

SEEN = "3.11 to 3.15"
"""The versions of Keras in which both were seen."""


def running_methods() -> dict[str, FrameType]:
    """The running methods of a Keras model and their frames, innermost first."""
    found: dict[str, FrameType] = {}
    frame: FrameType | None = sys._getframe(1)
    within_keras = False
    while frame is not None:
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        within_keras = within_keras or (module.startswith("keras.") and ".trainer" in module)
        if name in METHODS and "keras" in module:
            found.setdefault(name, frame)
        frame = frame.f_back
    if within_keras and not found:
        _warn_once(f"one of the methods {', '.join(METHODS)} on the call stack", "none of them")
    return found


def has_more_epochs(fit: FrameType) -> bool:
    """Whether another epoch follows the one that `fit` is in; True if that is unknown."""
    names = fit.f_locals
    epoch, epochs = names.get("epoch", names.get("initial_epoch")), names.get("epochs")
    if not (isinstance(epoch, int) and isinstance(epochs, int)):
        _warn_once("local variables epoch and epochs in its fit", f"epoch={epoch!r}, epochs={epochs!r}")
        return True
    return epoch + 1 < epochs


@cache
def _warn_once(expected: str, got: str) -> None:
    import keras

    warnings.warn(
        f"expected a Keras that has {expected}, as {SEEN} have; got {got} in Keras {keras.__version__}. Batches are "
        "the same, but more may be read ahead than is used. Install a Keras that rowfeed was tested with.",
        RuntimeWarning,
        stacklevel=3,
    )
