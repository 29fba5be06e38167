"""What is read of Keras' insides, and what is said when a Keras does not have it."""

from __future__ import annotations

import sys
import warnings

import pytest

pytest.importorskip("keras")

from rowfeed.keras import internals as keras_internals
from rowfeed.keras.internals import Epochs, epochs_of, running_methods


@pytest.fixture(autouse=True)
def nothing_said_before():
    """Each test is the first to be warned."""
    keras_internals._warn_once.cache_clear()


def within(module, function, body, **names):
    """What a body returns inside of a function of a module."""
    code = f"def {function}():\n    {body}"
    space = {"__name__": module, **names}
    exec(code, space)
    return space[function]()


def test_the_methods_that_run():
    """A method is known by its name in a module of Keras; the user's own function of that name is none."""
    inner = within("keras.src.backend.jax.trainer", "evaluate", "return ask()", ask=running_methods)
    assert list(inner) == ["evaluate"]
    assert within("my.training", "fit", "return ask()", ask=running_methods) == {}
    outer = within(
        "keras.src.backend.jax.trainer",
        "fit",
        "return inside('keras.src.backend.jax.trainer', 'evaluate', 'return ask()', ask=ask)",
        ask=running_methods,
        inside=within,
    )
    assert list(outer) == ["evaluate", "fit"]


@pytest.mark.parametrize(
    ("body", "present"),
    [
        ("epochs = 3; initial_epoch = 0; epoch = 1; return ask(frame())", 1),
        ("epochs = 3; initial_epoch = 0; return ask(frame())", None),
    ],
)
def test_the_epochs_of_a_fit(body, present):
    """The variables of `fit` tell; before its first epoch there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = within("keras.trainer", "fit", body, ask=epochs_of, frame=lambda: sys._getframe(1))
    assert found == Epochs(present, 0, 3)


def test_a_keras_without_these_variables():
    """A warning says once what was expected, and of which versions; the epochs are unknown."""
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            body = "return ask(frame())"
            assert within("keras.trainer", "fit", body, ask=epochs_of, frame=lambda: sys._getframe(1)) is None
            said = [str(warning.message) for warning in caught]
        if said:
            (text,) = said
            assert "local variables initial_epoch, epoch and epochs in its fit, as 3.11 to 3.15 have; got " in text
    assert not said


def test_a_keras_with_other_methods():
    """A trainer whose methods have other names is warned of; a dataset that is used without Keras is not."""
    with pytest.warns(RuntimeWarning, match="one of the methods _symbolic_build, fit, evaluate, predict on the call"):
        assert within("keras.src.trainers.trainer", "train", "return ask()", ask=running_methods) == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keras_internals._warn_once.cache_clear()
        assert running_methods() == {}
