"""The result of a training and the reasons, in sentences that its numbers support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rowfeed.cli.train.comparison import Comparison

FALL = 0.1
"""The error was still falling if the second half of the epochs brought it down by more than this fraction.

Some of a fall in the second half is the learning rate's, which goes down to 0: the digits lose 7 % in epochs 31 to 60.
"""

RISE = 0.05
"""The error has risen again if it ended by more than this fraction above its lowest value."""

FEW_EPOCHS = 5
"""With fewer epochs, an error that does not fall may fall later."""

UNRELATED = 0.95
"""Values are nearly unrelated if components lose more than this fraction of the loss of single values."""

SAMPLES_A_VALUE = 5
"""With fewer samples for each of their values, a PCA does not show this."""


@dataclass(frozen=True)
class Verdict:
    """The numbers of a training, judged. All errors are mean squared errors per value of validation samples.

    Args:
        errors: Those of the comparison on validation samples.
        code_size: Numbers in the model's code of a sample.
        values: Values of a sample.
        losses: The errors on training samples by epoch, each the mean over its epoch.
        val_losses: The errors at the end of each epoch.
    """

    errors: Comparison
    code_size: int
    values: int
    losses: Sequence[float]
    val_losses: Sequence[float]

    @property
    def fall(self) -> float:
        """The fraction of the error that the second half of the epochs removed: its last, against the first's lowest.

        The mean of the first epoch stands for the error before it, so that a single epoch has two halves as well.
        """
        first_half = [self.losses[0], *self.val_losses][: len(self.val_losses) // 2 + 1]
        lowest = min(first_half)
        return 1 - self.val_losses[-1] / lowest if lowest else 0.0

    @property
    def trend(self) -> str:
        """`falling`, `rising`, `short` (too few epochs to tell) or `level`."""
        if self.fall > FALL:
            return "falling"
        if self.val_losses[-1] > (1 + RISE) * min(self.val_losses):
            return "rising"
        return "short" if len(self.val_losses) < FEW_EPOCHS else "level"

    @property
    def unrelated(self) -> bool:
        """Whether single values keep as much of clean samples as principal components do, as in random matrices."""
        enough = self.errors.pca_samples >= SAMPLES_A_VALUE * self.values and self.errors.components < self.values
        return enough and 0 < UNRELATED * self.errors.values_loss <= self.errors.pca_loss

    def result(self) -> str:
        """The change of the error, as words that follow `the autoencoder`."""
        if not math.isfinite(self.errors.denoised + self.errors.noisy):
            return "gives no finite error."
        if not self.errors.noisy:
            return (
                f"gives back clean input with a mean squared error of {self.errors.denoised:.3g}; a PCA with "
                f"{_count(self.errors.components, 'component')}, with {self.errors.pca:.3g}."
            )
        ratio, pca = self.errors.denoised / self.errors.noisy, self.errors.pca / self.errors.noisy
        if ratio >= 1:
            return (
                f"adds at least as much error as it takes away: its mean squared error is {ratio:.2f} times the noisy "
                f"input's own; that of a PCA with {_count(self.errors.components, 'component')}, {pca:.2f} times."
            )
        better = " does better and" if pca < ratio else ""
        return (
            f"brings the mean squared error down to {ratio:.0%} of the noisy input's own; a PCA with "
            f"{_count(self.errors.components, 'component')}{better} leaves {pca:.0%}."
        )

    def reasons(self) -> Sequence[str]:
        """The reasons why it is not better, as far as the numbers tell, in whole sentences; may be none."""
        if not math.isfinite(self.errors.denoised + self.errors.noisy):
            return ["Noise or values are too large for float32: pass less noise, or store values in another unit."]
        said = []
        poor = self.errors.noisy > 0 and self.errors.denoised >= min(self.errors.noisy, self.errors.pca)
        trend, epochs = self.trend, len(self.val_losses)
        if trend == "falling":
            said.append(self._falling())
        elif trend == "rising" and (poor or not self.errors.noisy):
            best = min(range(epochs), key=self.val_losses.__getitem__)
            more = self.val_losses[-1] / self.val_losses[best] - 1 if self.val_losses[best] else math.inf
            said.append(
                f"The error was lowest after epoch {best + 1} of {epochs} and has risen by {more:.0%} since: fewer "
                "epochs or more samples may help."
            )
        elif trend == "short" and poor:
            said.append(f"It trained for only {_count(epochs, 'epoch')}, too few to tell how far it can come.")
        elif trend == "level" and poor:
            said.append(
                f"Training had levelled off: the second half of its {epochs} epochs brought the error down by no more "
                f"than {FALL:.0%}."
            )
        if self.errors.noisy and self.unrelated:
            said.append(
                f"As far as a PCA tells, these {self.values:,} values have little to do with each other, as in random "
                "matrices. If so, no model can do more than pull each value toward its mean."
            )
        if poor and trend == "level" and self.code_size < self.values:
            said.append(self._size())
        return said

    def _falling(self) -> str:
        if len(self.val_losses) == 1:
            return (
                f"It trained for only 1 epoch, and the error was still falling: at its end it was {self.fall:.0%} "
                "lower than on average during it. More epochs should bring it further down."
            )
        return (
            f"It trained for only {len(self.val_losses)} epochs, and the error was still falling: the second half of "
            f"them brought it down by {self.fall:.0%}. More epochs should bring it further down."
        )

    def _size(self) -> str:
        """The effect of the code's size: measured on clean samples, by a PCA that is nearly as large."""
        components, lost = _count(self.errors.components, "principal component"), self.errors.pca_loss
        loses = f"Of clean samples, {components} lose {lost:.3g}; the noise adds {self.errors.noisy:.3g}. "
        if self.errors.pca_loss >= self.errors.noisy:
            return f"{loses}A code of {_count(self.code_size, 'number')} is small for these {self.values:,} values."
        return f"{loses}So the size of the code, {_count(self.code_size, 'number')}, is not what limits it."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
