"""All that rowfeed reads of Keras' internals, in this one module: no public interface tells it.

1. *Who asks.* `fit`, `evaluate` and `predict` each make an adapter of a dataset (`PyDatasetAdapter`), `fit` another one
   for its validation data. A dataset is not told which of them asks for a batch, but the frame that asks has it as
   `self`. So uses that run at the same time, as with an `evaluate` in a callback of `fit`, are told apart.
2. *What it is for.* When an adapter is made, and when an epoch begins, the method that runs is on the call stack:
   `fit`, `evaluate`, `predict`, or `_symbolic_build`, which only learns shapes. `self` is the model.
3. *Which epoch.* The local variables `epoch` (`initial_epoch` before the first epoch) and `epochs` of `fit`.

Seen on JAX, TensorFlow and torch with Keras 3.11.3, 3.13.2 and 3.15.1. If something cannot be read, a warning says so
once; an epoch then follows each one that was taken whole, whatever number Keras gives it.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import FrameType
from typing import Any, NamedTuple

METHODS = ("_symbolic_build", "fit", "evaluate", "predict")

PERMUTED = "_finite_generator"
"""The function that asks for the batches of one epoch, each once, in an order of its own."""

GENERATORS = (PERMUTED, "_infinite_generator")
"""The functions that ask for batches to train, evaluate or predict; others only learn shapes."""

SEEN = "3.11 to 3.15"
"""The versions of Keras in which all was seen."""


class Asker(NamedTuple):
    """Who asks a dataset for something: an adapter, the function of it, and a number for this run of the function."""

    adapter: Any
    function: str
    run: int

    @property
    def generates(self) -> bool:
        """Whether batches are asked for to be used, and not only to learn shapes."""
        return self.function in GENERATORS


@dataclass(frozen=True)
class Epochs:
    """The epochs of a running `fit`: the present one (None before the first), the first, and their end."""

    present: int | None
    first: int
    end: int


def asker(dataset: Any) -> Asker | None:
    """Who called the method that calls this; None if it is not an adapter of Keras'."""
    frame: FrameType | None = sys._getframe(2)
    left = 2  # before Python 3.12, a comprehension of the adapter's has a frame of its own
    while frame is not None and left:
        caller = frame.f_locals.get("self")
        if caller is not dataset:  # else a subclass that calls super()
            if not _of_keras(frame):
                return None
            if getattr(caller, "py_dataset", None) is dataset:
                return Asker(caller, frame.f_code.co_name, id(frame))
            left -= 1
        frame = frame.f_back
    return None


def running_frames() -> set[int]:
    """The identities of all frames on the call stack."""
    return {id(frame) for frame in _callers()}


def running_methods() -> dict[str, FrameType]:
    """The running methods of a Keras model and their frames, innermost first."""
    found: dict[str, FrameType] = {}
    within_keras = False
    for frame in _callers():
        name = frame.f_code.co_name
        if _of_keras(frame):
            within_keras = within_keras or ".trainer" in frame.f_globals["__name__"]
            if name in METHODS:
                found.setdefault(name, frame)
    if within_keras and not found:
        _warn_once(f"one of the methods {', '.join(METHODS)} on the call stack", "none of them")
    return found


def epochs_of(fit: FrameType) -> Epochs | None:
    """The epochs of a running `fit`; None if they cannot be read."""
    names = fit.f_locals
    present, first, end = (names.get(name) for name in ("epoch", "initial_epoch", "epochs"))
    if not (isinstance(first, int) and isinstance(end, int) and isinstance(present, int | None)):
        _warn_once(
            "local variables initial_epoch, epoch and epochs in its fit",
            f"initial_epoch={first!r}, epoch={present!r}, epochs={end!r}",
        )
        return None
    return Epochs(present, first, end)


def steps_per_epoch() -> int | None:
    """The steps of an epoch, if the user gave them; asked while Keras makes an adapter."""
    for frame in _callers():
        if _of_keras(frame) and frame.f_globals["__name__"].endswith("epoch_iterator"):
            steps = getattr(frame.f_locals.get("self"), "steps_per_epoch", None)
            return steps if isinstance(steps, int) else None
    return None


def adapted_layer() -> Any:
    """The layer of Keras whose `adapt` runs; None if there is none."""
    for frame in _callers():
        if frame.f_code.co_name == "adapt" and _of_keras(frame):
            return frame.f_locals.get("self")
    return None


def in_a_torch_loader() -> bool:
    """Whether a DataLoader of torch asks, and not Keras, which on torch has one of its own around its adapters."""
    for frame in _callers():
        if _of_keras(frame):
            return False
        if frame.f_globals.get("__name__", "").startswith("torch.utils.data"):
            return True
    return False


def learns_shapes() -> bool:
    """Whether Keras only builds a model, and asks for the same batches again."""
    return any(frame.f_code.co_name == "_symbolic_build" and _of_keras(frame) for frame in _callers())


def needs_targets(model: Any, step: str) -> bool:
    """Whether Keras itself compares the model's output with targets, in `train_step` or `test_step`.

    A model with its own step, or its own `compute_loss`, may do without; so may one without a compiled loss.
    """
    of_keras = all(
        getattr(getattr(type(model), name, None), "__module__", "").startswith("keras.")
        for name in (step, "compute_loss")
    )
    compiled = (getattr(model, name, None) for name in ("_compile_loss", "_compile_metrics"))
    return of_keras and any(part is not None for part in compiled)


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _of_keras(frame: FrameType) -> bool:
    return bool(frame.f_globals.get("__name__", "").startswith("keras."))


@cache
def _warn_once(expected: str, got: str) -> None:
    import keras

    warnings.warn(
        f"expected a Keras that has {expected}, as {SEEN} have; got {got} in Keras {keras.__version__}. Each epoch "
        "still has every sample once, but the number of Keras' epoch no longer says which it is. "
        "Install a Keras that rowfeed was tested with.",
        RuntimeWarning,
        stacklevel=3,
    )
