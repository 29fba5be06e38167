"""A study: train on a table, compare, and leave the model, the pictures and the report in a directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rowfeed.cli import backend
from rowfeed.cli.backend import quiet_stderr
from rowfeed.cli.report.denoised import denoised
from rowfeed.cli.report.history import history
from rowfeed.cli.report.look import LIGHT, WIDE, Theme
from rowfeed.cli.report.page import Picture
from rowfeed.cli.train.comparison import Comparison, compare
from rowfeed.cli.train.recipe import Recipe
from rowfeed.cli.train.texts import Findings
from rowfeed.cli.train.training import Interrupted, Say, Training, train
from rowfeed.database.database import Database
from rowfeed.feed.feed import DEFAULT_MEMORY_BYTES, Feed
from rowfeed.feed.samples import SamplesLike
from rowfeed.keras import DenoisingAutoencoder
from rowfeed.layouts.columns import Columns
from rowfeed.layouts.grid import Grid

EXAMPLES = 10
"""Validation samples in the picture."""


@dataclass(frozen=True, eq=False)
class Study:
    """The data, the recipe and the results' directory of a study.

    Args:
        db: The database of the tables.
        grid: The layout of the samples, with two axes.
        samples: The samples; see `Feed`.
        recipe: The recipe of the training.
        out: The directory for the results; made if it is missing.
        noun: A name of the samples, for people: `handwritten digits`.
        labels: A label for each sample: the picture then shows a sample of each label. None: it shows the first ids.
        memory_bytes: The memory of the feed.
    """

    db: Database
    grid: Grid
    samples: SamplesLike
    recipe: Recipe
    out: Path
    noun: str
    labels: Columns | None = None
    memory_bytes: int = DEFAULT_MEMORY_BYTES

    def run(self, say: Say, terminal: bool) -> Comparison:
        """Train, compare, write all results, and report progress.

        Args:
            say: A function that gets the lines.
            terminal: Whether Keras may draw on the standard output.

        Raises:
            DependencyError: A package is not installed; this is checked before any work is done.
        """
        check_packages()
        self.out.mkdir(parents=True, exist_ok=True)
        recipe = self.recipe
        feed = Feed(
            self.db,
            self.grid,
            self.grid,
            samples=self.samples,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            memory_bytes=self.memory_bytes,
        )
        try:
            training = train(feed, self.grid.sample_shape, recipe, say, terminal)
        except Interrupted as stop:
            if terminal:
                say("")  # Keras's bar has not ended its line
            say(f"Interrupted after {stop.epochs} of {recipe.epochs} epochs.")
            self._save(stop.model, say)
            raise
        self._save(training.model, say)
        positions, captions = self._shown(training.validation)
        comparison = compare(training.model, training.train, training.validation, positions)
        findings = Findings(
            self.db, self.grid, recipe, self.noun, training, comparison, self.samples, self.memory_bytes, self.out
        )
        say(findings.table())
        self._write(training, findings, captions)
        for name in ("history.png", "denoised.png", "report.html"):
            say(f"Wrote {self.out / name}")
        return comparison

    def _shown(self, validation: Feed) -> tuple[npt.NDArray[np.int64], Sequence[str]]:
        """Positions of the samples to show among the validation samples, and their captions."""
        ids = validation.sample_ids
        if self.labels is None:
            return np.arange(min(EXAMPLES, ids.size)), [str(name) for name in ids[:EXAMPLES].tolist()]
        labels = Feed(self.db, self.labels, samples=ids, shuffle=False).arrays()
        found, first = np.unique(labels, return_index=True)
        return first[:EXAMPLES], [str(label) for label in found[:EXAMPLES].tolist()]

    def _save(self, model: DenoisingAutoencoder, say: Say) -> None:
        path = self.out / "model.keras"
        with quiet_stderr():
            model.save(path)
        say(f"Wrote {path}: after import rowfeed.keras, keras.saving.load_model({str(path)!r}) loads it.")

    def _write(self, training: Training, findings: Findings, captions: Sequence[str]) -> None:
        comparison = findings.comparison
        errors = {"noisy": comparison.noisy, "pca": comparison.pca}

        @cache
        def samples(theme: Theme, inches: float) -> bytes:
            return denoised(comparison.examples, captions, theme, inches)

        @cache
        def losses(theme: Theme, inches: float) -> bytes:
            return history(training.history, errors, theme, inches)

        (self.out / "denoised.png").write_bytes(samples(LIGHT, WIDE))
        (self.out / "history.png").write_bytes(losses(LIGHT, WIDE))
        which = f"one for each {self.labels.values[0]}" if self.labels else f"the first by {self.grid.sample}"
        channels = len(self.grid.values) if len(self.grid.sample_shape) == 3 else 1
        of_many = f", each as {channels} channels" if channels not in (1, 3) else ""
        shown = (
            Picture(
                "Noisy, denoised, original",
                f"Validation samples, {which}{of_many}. The model is given the noisy picture and makes the denoised "
                f"one. Axis {self.grid.axes[0]} runs down, {self.grid.axes[1]} to the right.",
                samples,
            ),
            Picture(
                "The error by epoch",
                "Mean squared error by epoch, on training and on validation samples, both with new noise in each "
                "epoch. Dashed: the noisy validation samples themselves, and the PCA.",
                losses,
            ),
        )
        (self.out / "report.html").write_text(findings.report(shown).html(), encoding="utf-8")


def check_packages() -> None:
    """Raise DependencyError if a package that a study needs beside Keras is not installed."""
    backend.check_packages("the pictures and the comparison", matplotlib="matplotlib", sklearn="scikit-learn")
