"""What a study found, in words: the table on the screen and the texts of the report."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import prod

import keras

from rowfeed.cli.backend import backend_version
from rowfeed.cli.report.page import Bar, Figure, Picture, Report
from rowfeed.cli.train.comparison import Comparison
from rowfeed.cli.train.recipe import Recipe
from rowfeed.cli.train.training import Training
from rowfeed.database.database import Database
from rowfeed.layouts.grid import Grid

BESIDE_TRAINING = (
    " TensorFlow takes batches on a thread of its own, beside the training, so training waited for this long at most."
)


@dataclass(frozen=True, eq=False)
class Findings:
    """A training and a comparison, and what they were made of. See `rowfeed.cli.train.study.Study`."""

    db: Database
    grid: Grid
    recipe: Recipe
    noun: str
    training: Training
    comparison: Comparison

    def table(self) -> str:
        """The errors, for the screen."""
        found = self.comparison
        rows = [
            ("noisy input", found.noisy, ""),
            (f"PCA, {_count(found.components, 'component')}", found.pca, _share(found.pca, found.noisy)),
            ("denoised", found.denoised, _share(found.denoised, found.noisy)),
        ]
        lines = [f"  {name:<22}{error:>9.4g}{share:>7}".rstrip() for name, error, share in rows]
        return "\n".join(["", f"Mean squared error on {_count(found.samples, 'validation sample')}:", *lines, ""])

    def report(self, pictures: Sequence[Picture]) -> Report:
        """The report with these pictures."""
        found, model = self.comparison, self.training.model
        samples = self.training.train.sample_ids.size + found.samples
        return Report(
            title=f"{samples:,} {self.noun}, denoised",
            lead=self._lead(),
            bars=(
                Bar("Noisy input itself", found.noisy, "noisy"),
                Bar(f"PCA, {_count(found.components, 'component')}", found.pca, "pca"),
                Bar(f"Autoencoder, code of {model.code_size:,}", found.denoised, "denoised"),
            ),
            measured=(
                f"Mean squared error against the clean sample, over the {_count(self._values, 'value')} of each of "
                f"{_count(found.samples, 'validation sample')}. The noise is Gaussian with a standard deviation of "
                f"{self.recipe.noise * float(model.scaling.scale):.3g}. The PCA was fitted on "
                f"{_count(found.pca_samples, 'clean training sample')}."
            ),
            figures=self._figures(),
            pictures=pictures,
            facts=self._facts(),
        )

    @property
    def _values(self) -> int:
        return prod(self.grid.sample_shape)

    def _lead(self) -> str:
        found = self.comparison
        judged = f"On {found.samples:,} {self.noun} that it never saw, the autoencoder"
        if not found.noisy:
            return f"{judged} gives back clean input with a mean squared error of {found.denoised:.3g}."
        denoised, pca = found.denoised / found.noisy, found.pca / found.noisy
        if denoised >= 1:
            return (
                f"{judged} adds more error than the noise: its mean squared error is {denoised:.1f} times the noisy "
                f"input's own, that of a PCA of the same code size {pca:.1f} times. A code of "
                f"{_count(self.training.model.code_size, 'number')} cannot hold these {_count(self._values, 'value')} "
                "where they have little to do with each other."
            )
        return (
            f"{judged} brings the mean squared error down to {denoised:.0%} of the noisy input's own; a PCA of the "
            f"same code size, to {pca:.0%}."
        )

    def _figures(self) -> Sequence[Figure]:
        training, model = self.training, self.training.model
        laps = training.stopwatch.steady
        which = "all epochs but the first, which compiles" if self.recipe.epochs > 1 else "the only epoch"
        beside = BESIDE_TRAINING if keras.backend.backend() == "tensorflow" else ""
        return (
            Figure(
                f"{training.rows:,}",
                "rows read",
                f"Rows of {self.grid.source.label} that the queries of fit returned, for training and for validation, "
                f"in {_count(self.recipe.epochs, 'epoch')}. Counted as they arrive.",
            ),
            Figure(
                f"{training.samples_per_second:,.0f}",
                "training samples a second",
                f"{training.train.sample_ids.size:,} training samples ÷ the seconds of an epoch without its "
                f"validation; the median of {which}.",
            ),
            Figure(
                f"{training.stopwatch.waiting_share:.1%}",
                "of the time waited for data",
                f"Seconds that a window of training samples was waited for, because it was not read yet ÷ all "
                f"{sum(lap.seconds for lap in laps):.1f} seconds of training, without validation, in {which}." + beside,
            ),
            Figure(f"{training.seconds:.1f} s", "in fit", "From call to return, compiling and validation included."),
            Figure(f"{model.count_params():,}", "numbers in the model", "Weights, and the two numbers that scale."),
            Figure(
                f"{model.code_size} for {self._values}",
                "code size",
                "Numbers that the encoder makes of one sample, for the values that a sample has.",
            ),
        )

    def _facts(self) -> Sequence[tuple[str, str]]:
        recipe, grid, training = self.recipe, self.grid, self.training
        restricted = f" where {grid.where}" if grid.where is not None else ""
        limits = "the training samples"
        if recipe.value_range is not None:
            limits = "a value range of {:g} to {:g}".format(*recipe.value_range)
        now = datetime.datetime.now(datetime.UTC)
        return (
            ("Database", self.db.label),
            ("Rows", f"{grid.source.label} ({', '.join((grid.sample, *grid.axes, *grid.values))}){restricted}"),
            (
                "Samples",
                f"{training.train.sample_ids.size:,} to train, {self.comparison.samples:,} to validate, told apart by "
                "a hash of their ids",
            ),
            (
                "Recipe",
                f"{_count(recipe.epochs, 'epoch')} of batches of {recipe.batch_size}, "
                f"Adam from {recipe.learning_rate:g} down a half cosine, "
                f"noise {recipe.noise:g}, scaled by {limits}, seed {recipe.seed}",
            ),
            ("Software", f"rowfeed {version('rowfeed')}, Keras {keras.__version__} on {backend_version()}"),
            (
                "Machine",
                f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
                f"{_count(os.cpu_count() or 1, 'core')}",
            ),
            ("Date", f"{now.day} {now:%B %Y, %H:%M} UTC"),
        )


def _share(error: float, noisy: float) -> str:
    return f"{error / noisy:.0%}" if noisy else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
