"""How much closer to the clean samples a model brings noisy ones, and how much closer a plain PCA does."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.feed.feed import Feed

Array = npt.NDArray[Any]

PCA_VALUES = 4_000_000
"""Values that the PCA is fitted on, at most: some seconds of work."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Mean squared errors per value against the clean validation samples, and some of the samples to look at.

    Args:
        samples: How many validation samples there are.
        noisy: The error of the noisy input itself.
        denoised: The error of what the model makes of it.
        pca: The error of the noisy input projected on the principal components of clean training samples.
        components: How many components: as many as the model's code has numbers, where the samples allow.
        pca_samples: How many training samples these were found in.
        examples: Noisy, denoised and clean, each (examples, *shape).
    """

    samples: int
    noisy: float
    denoised: float
    pca: float
    components: int
    pca_samples: int
    examples: tuple[Array, Array, Array]

    @property
    def share(self) -> float:
        """What is left of the noise: the denoised error as a share of the noisy input's."""
        return self.denoised / self.noisy if self.noisy else float("inf")


def compare(model: Any, train: Feed, validation: Feed, shown: npt.NDArray[np.int64]) -> Comparison:
    """Judge a model in one pass over the validation samples, a batch at a time.

    Args:
        model: A denoising autoencoder.
        train: Samples for the PCA, as x or as the first of a tuple.
        validation: (noisy, clean) batches, not shuffled.
        shown: Which validation samples to keep as examples: positions among its sample ids.
    """
    pca, pca_samples = _principal_components(train, prod(model.sample_shape), model.code_size)
    squares, values, start = np.zeros(3), 0, 0
    kept: dict[int, tuple[Array, ...]] = {}
    with validation.batches() as batches:
        for noisy, clean in batches:
            denoised = np.asarray(model.predict_on_batch(noisy))
            flat = noisy.reshape(len(noisy), -1)
            projected = pca.inverse_transform(pca.transform(flat)).reshape(noisy.shape)
            squares += [np.square(x - clean, dtype=np.float64).sum() for x in (noisy, denoised, projected)]
            values += clean.size
            for position in shown[(shown >= start) & (shown < start + len(clean))]:
                kept[position] = tuple(x[position - start] for x in (noisy, denoised, clean))
            start += len(clean)
    examples = [np.stack(arrays) for arrays in zip(*(kept[position] for position in shown), strict=True)]
    noise, left, projection = (float(error) for error in squares / values)
    return Comparison(
        samples=start,
        noisy=noise,
        denoised=left,
        pca=projection,
        components=int(pca.n_components_),
        pca_samples=pca_samples,
        examples=(examples[0], examples[1], examples[2]),
    )


def _principal_components(train: Feed, size: int, code_size: int) -> tuple[Any, int]:
    """A PCA fitted on training samples spread evenly over their ids, as many as PCA_VALUES allows."""
    from sklearn.decomposition import PCA

    step = -(-train.sample_ids.size * size // PCA_VALUES)
    clean = train.replace(samples=train.sample_ids[::step]).arrays()[0]
    flat = clean.reshape(len(clean), -1)
    return PCA(min(code_size, *flat.shape), random_state=0).fit(flat), len(flat)
