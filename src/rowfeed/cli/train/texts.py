"""The findings of a study, in words: the table on the screen and the texts of the report."""

from __future__ import annotations

import datetime
import os
import platform
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from pathlib import Path

import keras

from rowfeed.access.address import DEFAULT_MAX_SCANNED_ROWS
from rowfeed.cli.backend import backend_version
from rowfeed.cli.report.page import Bar, Figure, Picture, Report
from rowfeed.cli.train.comparison import Comparison
from rowfeed.cli.train.recipe import Recipe
from rowfeed.cli.train.training import Training
from rowfeed.cli.train.verdict import Verdict
from rowfeed.database.database import Database
from rowfeed.feed.feed import DEFAULT_MEMORY_BYTES
from rowfeed.feed.samples import Samples, SamplesLike
from rowfeed.layouts.grid import Grid

BESIDE_TRAINING = (
    " TensorFlow takes batches on a thread of its own, beside the training, so training waited for this long at most."
)


@dataclass(frozen=True, eq=False)
class Findings:
    """A training, a comparison, and their inputs. See `rowfeed.cli.train.study.Study`."""

    db: Database
    grid: Grid
    recipe: Recipe
    noun: str
    training: Training
    comparison: Comparison
    samples: SamplesLike
    memory_bytes: int
    out: Path

    def table(self) -> str:
        """The errors, for the screen."""
        found = self.comparison
        rows = [
            ("noisy input", found.noisy, ""),
            (f"PCA, {_count(found.components, 'component')}", found.pca, _ratio(found.pca, found.noisy)),
            ("denoised", found.denoised, _ratio(found.denoised, found.noisy)),
        ]
        lines = [f"  {name:<22}{error:>9.4g}{ratio:>7}".rstrip() for name, error, ratio in rows]
        reasons = [line for reason in self._verdict.reasons() for line in textwrap.wrap(reason, 100)]
        title = f"Mean squared error on {_count(found.samples, 'validation sample')}:"
        return "\n".join(["", title, *lines, *([""] if reasons else []), *reasons, ""])

    def report(self, pictures: Sequence[Picture]) -> Report:
        """The report with these pictures."""
        found, model = self.comparison, self.training.model
        samples = self.training.train.sample_ids.size + found.samples
        return Report(
            title=f"{samples:,} {self.noun}, denoised",
            lead=self._lead(),
            reasons=self._verdict.reasons(),
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
            code=(
                "import keras, rowfeed.keras",
                f"model = keras.saving.load_model({str(self.out / 'model.keras')!r})",
            ),
            code_note=(
                "The import of rowfeed.keras tells Keras of the model's layers. Then model.predict(samples) gives back "
                f"float32 ({', '.join(('samples', *map(str, self.grid.sample_shape)))}), and model.encoder and "
                "model.decoder are models of their own."
            ),
            facts=self._facts(),
        )

    @property
    def _values(self) -> int:
        return prod(self.grid.sample_shape)

    @property
    def _verdict(self) -> Verdict:
        training = self.training
        return Verdict(
            errors=self.comparison,
            code_size=training.model.code_size,
            values=self._values,
            losses=training.history["loss"],
            val_losses=training.history["val_loss"],
        )

    def _lead(self) -> str:
        judged = f"On {self.comparison.samples:,} {self.noun} that it never saw, the autoencoder"
        return f"{judged} {self._verdict.result()}"

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
        recipe, training = self.recipe, self.training
        scaled = "the training samples"
        if recipe.value_range is not None:
            scaled = "a value range of {:g} to {:g}".format(*recipe.value_range)
        now = datetime.datetime.now(datetime.UTC)
        return (
            ("Database", self.db.label),
            ("Rows", self._rows()),
            (
                "Samples",
                f"{training.train.sample_ids.size:,} to train, {self.comparison.samples:,} to validate, "
                f"{recipe.validation:g} of all, told apart by a hash of their ids{self._listed()}",
            ),
            *self._limits(),
            (
                "Recipe",
                f"{_count(recipe.epochs, 'epoch')} of batches of {recipe.batch_size}, "
                f"Adam from {recipe.learning_rate:g} down a half cosine, "
                f"noise {recipe.noise:g}, scaled by {scaled}, seed {recipe.seed}",
            ),
            ("Software", f"rowfeed {version('rowfeed')}, Keras {keras.__version__} on {backend_version()}"),
            (
                "Machine",
                f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
                f"{_count(os.cpu_count() or 1, 'core')}",
            ),
            ("Date", f"{now.day} {now:%B %Y, %H:%M} UTC"),
        )

    def _rows(self) -> str:
        """The table and its columns, and each rule for rows that is not the default."""
        grid = self.grid
        said = f"{grid.source.label} ({', '.join((grid.sample, *grid.axes, *grid.values))})"
        if grid.where is not None:
            said += f" where {grid.where}"
        if grid.duplicates != "error":
            said += f"; of several rows for one cell, the {grid.duplicates}"
        if grid.out_of_range != "error":
            said += "; rows outside of the shape are dropped"
        if grid.null != "error":
            said += "; rows with a NULL are dropped" if grid.null == "drop" else f"; a NULL is {grid.fill:g}"
        return said

    def _listed(self) -> str:
        """The table that lists the samples, if it is not the table of the rows."""
        samples = self.samples
        if isinstance(samples, Samples):
            restricted = f" where {samples.where}" if samples.where is not None else ""
            return f"; listed in {samples.source.label}.{samples.column}{restricted}"
        return "" if samples is None else "; a list of ids"

    def _limits(self) -> Sequence[tuple[str, str]]:
        """The settings of the server and of memory that are not the defaults."""
        said, address = [], self.db._address
        throttle = address.throttle.limit
        if throttle is not None:
            unit = "of the server's time for each connection" if throttle <= 1 else "rows a second"
            said.append(f"throttle {throttle:,.10g} {unit}")
        if self.memory_bytes != DEFAULT_MEMORY_BYTES:
            said.append(f"memory of {self.memory_bytes:,} bytes")
        if address.max_scanned_rows not in (None, DEFAULT_MAX_SCANNED_ROWS):
            said.append(f"at most {address.max_scanned_rows:,} rows scanned in an epoch")
        return [("Limits", ", ".join(said))] if said else []


def _ratio(error: float, noisy: float) -> str:
    return f"{error / noisy:.0%}" if noisy else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
