"""A report says of a training what its numbers bear out, and no more."""

from __future__ import annotations

from math import inf, nan

import pytest

from rowfeed.cli.train.comparison import Comparison
from rowfeed.cli.train.verdict import Verdict

LEVEL = [9.0, 5.0, 3.1, 3.0, 3.0, 3.0]
FALLING = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]
RISING = [9.0, 4.0, 5.0, 6.0, 7.0, 8.0]
FLAT = "Training had levelled off: the second half of its 6 epochs brought the error down by no more than 10%."
STILL = (
    "It trained for only 6 epochs, and the error was still falling: the second half of them brought it down by 43%. "
    "More epochs should bring it further down."
)
RANDOM = (
    "As far as a PCA tells, these 16 values have little to do with each other, as in random matrices. If so, no model "
    "can do more than pull each value toward its mean."
)


def verdict(denoised=3.0, val_losses=LEVEL, **changes):
    """A noise of 10, a PCA that leaves 4 of it and loses 1 of clean samples: the code is large enough."""
    fields = {
        "noisy": 10.0,
        "denoised": denoised,
        "pca": 4.0,
        "components": 8,
        "pca_samples": 1000,
        "pca_loss": 1.0,
        "values_loss": 5.0,
        "code_size": 8,
        "values": 16,
        "losses": [9.5, *val_losses[1:]],
        "val_losses": val_losses,
    }
    given = {**fields, **changes}
    errors = {name: given.pop(name) for name in list(given) if name in Comparison.__dataclass_fields__}
    return Verdict(errors=Comparison(samples=0, examples=(), **errors), **given)


@pytest.mark.parametrize(
    ("losses", "val_losses", "trend", "fall"),
    [
        ([10.0], [8.0], "falling", 0.2),
        ([10.0], [9.1], "short", 0.09),
        ([10.0], [12.0], "short", -0.2),
        ([9.0, 6.0], [8.0, 6.0], "falling", 0.25),
        ([9.0, 6.0], [8.0, 7.9], "short", 0.0125),
        ([9.0, 6.0], [8.0, 9.0], "rising", -0.125),
        ([9.0] * 4, [8.0, 6.0, 5.9, 5.8], "short", 1 / 30),
        ([9.0] * 5, [8.0, 6.0, 5.9, 5.9, 5.8], "level", 1 / 30),
        ([9.5], FALLING, "falling", 1 - 4 / 7),
        ([9.5], RISING, "rising", -1.0),
        ([9.5], LEVEL, "level", 1 - 3 / 3.1),
        ([0.0], [0.0], "short", 0.0),
    ],
)
def test_the_rule_for_the_trend(losses, val_losses, trend, fall):
    """The end against the lowest of the first half; a rise against the lowest of all; few epochs tell nothing."""
    found = verdict(losses=losses, val_losses=val_losses)
    assert found.trend == trend
    assert found.fall == pytest.approx(fall)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"denoised": 3.0}, "down to 30% of the noisy input's own; a PCA with 8 components leaves 40%."),
        (
            {"denoised": 5.0},
            "down to 50% of the noisy input's own; a PCA with 8 components does better and leaves 40%.",
        ),
        ({"denoised": 5.0, "pca": 12.0, "components": 1}, "a PCA with 1 component leaves 120%."),
        ({"denoised": 10.0}, "its mean squared error is 1.00 times the noisy input's own; that of a PCA with 8"),
        ({"denoised": 34.5, "pca": 25.7}, "is 3.45 times the noisy input's own; that of a PCA with 8 components, 2.57"),
        ({"noisy": 0.0}, "gives back clean input with a mean squared error of 3; a PCA with 8 components, with 4."),
        ({"denoised": nan}, "gives no finite error."),
        ({"denoised": inf}, "gives no finite error."),
        ({"noisy": inf}, "gives no finite error."),
    ],
)
def test_the_result(changes, expected):
    """Better than a PCA, worse than it, worse than the noise, without noise, and not a number: each says so."""
    assert expected in verdict(**changes).result()


SMALL = "Of clean samples, 8 principal components lose 11; the noise adds 10. A code of 8 numbers is small for these 16"
LARGE = "lose 1; the noise adds 10. So the size of the code, 8 numbers, is not what limits it."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"denoised": 3.0}, []),
        ({"denoised": 3.0, "val_losses": RISING}, []),
        ({"denoised": 3.0, "val_losses": [9.0, 9.0]}, []),
        ({"denoised": 3.0, "val_losses": FALLING}, [STILL]),
        ({"denoised": 5.0, "val_losses": FALLING}, [STILL]),
        ({"denoised": 50.0, "val_losses": FALLING}, [STILL]),
        ({"denoised": 50.0, "val_losses": FALLING, "pca_loss": 11.0, "values_loss": 40.0}, [STILL]),
        ({"denoised": 5.0}, [FLAT, LARGE]),
        ({"denoised": 50.0}, [FLAT, LARGE]),
        ({"denoised": 50.0, "pca_loss": 11.0, "values_loss": 40.0}, [FLAT, SMALL]),
        ({"denoised": 50.0, "code_size": 16}, [FLAT]),
        ({"denoised": 50.0, "code_size": 32, "components": 16, "pca_loss": 0.0, "values_loss": 0.0}, [FLAT]),
        ({"denoised": 50.0, "pca_loss": 11.0, "values_loss": 11.0}, [FLAT, RANDOM, SMALL]),
        ({"denoised": 3.0, "pca_loss": 11.0, "values_loss": 11.0}, [RANDOM]),
        ({"denoised": 50.0, "pca_loss": 11.0, "values_loss": 11.0, "val_losses": FALLING}, [STILL, RANDOM]),
        ({"denoised": 50.0, "pca_loss": 11.0, "values_loss": 11.0, "pca_samples": 79}, [FLAT, SMALL]),
        ({"denoised": 50.0, "val_losses": RISING}, ["The error was lowest after epoch 2 of 6 and has risen by 100%"]),
        ({"denoised": 50.0, "val_losses": [9.5]}, ["It trained for only 1 epoch, too few to tell how far it can"]),
        ({"denoised": 50.0, "val_losses": [9.5, 9.5]}, ["It trained for only 2 epochs, too few to tell"]),
        ({"denoised": 5.0, "val_losses": [7.6]}, ["It trained for only 1 epoch, and the error was still falling: at"]),
        ({"noisy": 0.0}, []),
        ({"noisy": 0.0, "val_losses": FALLING}, [STILL]),
        ({"noisy": 0.0, "val_losses": RISING}, ["The error was lowest after epoch 2 of 6"]),
        ({"noisy": 0.0, "pca_loss": 0.0, "values_loss": 0.0}, []),
        ({"denoised": nan}, ["Noise or values are too large for float32"]),
    ],
)
def test_the_reasons(changes, expected):
    """The size of the code is spoken of only where training had levelled off, and blamed only where a PCA shows it."""
    said = verdict(**changes).reasons()
    assert len(said) == len(expected)
    for sentence, start in zip(said, expected, strict=True):
        assert start in sentence
