"""The recipe of a training: the numbers that `rowfeed train` takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The recipe of a training. The ranges are checked where the command line is read.

    Args:
        epochs: Passes over the training samples, 1 or more.
        batch_size: Samples in a batch, 1 or more.
        learning_rate: Adam's learning rate at the start; it falls to 0 along a half cosine.
        noise: See `rowfeed.keras.DenoisingAutoencoder`.
        value_range: See `noise`. None: mean and standard deviation are taken from the training samples.
        validation: The fraction of the samples for judging the model, never trained on, between 0 and 1.
        seed: The seed of the order, of the noise and of the first weights.
    """

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 0.005
    noise: float = 0.5
    value_range: tuple[float, float] | None = None
    validation: float = 0.2
    seed: int = 0


DIGITS = Recipe(epochs=60, learning_rate=0.01, noise=0.25, value_range=(0, 16))
"""The recipe for the digits of `rowfeed demo`. The noise is 4 of their 16 grey levels."""
