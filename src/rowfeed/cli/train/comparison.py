"""The comparison of a model with a plain PCA: how much closer to the clean samples each brings noisy samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from rowfeed.feed.feed import Feed

Array = npt.NDArray[Any]

PCA_VALUES = 4_000_000
"""The most values for fitting the PCA: some seconds of work."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Mean squared errors per value against the clean validation samples, and some of the samples to look at.

    Args:
        samples: The number of validation samples.
        noisy: The error of the noisy input itself.
        denoised: The error of the model's output for this input.
        pca: The error of the noisy input projected on the principal components of clean training samples.
        components: The number of components: as many as the model's code has numbers, if the samples allow it.
        pca_samples: The number of training samples that these were found in.
        pca_loss: The error of clean input projected on them: their loss without any noise.
        values_loss: The error of clean input with only as many single values kept, those that vary most among the
            training samples, and the other values replaced by their means.
        examples: Noisy, denoised and clean, each (examples, *shape).
    """

    samples: int
    noisy: float
    denoised: float
    pca: float
    components: int
    pca_samples: int
    pca_loss: float
    values_loss: float
    examples: tuple[Array, Array, Array]


def compare(model: Any, train: Feed, validation: Feed, shown: npt.NDArray[np.int64]) -> Comparison:
    """Judge a model in one pass over the validation samples, a batch at a time.

    Args:
        model: A denoising autoencoder.
        train: Samples for the PCA, as x or as the first of a tuple.
        validation: (noisy, clean) batches, not shuffled.
        shown: The validation samples to keep as examples: positions among its sample ids.
    """
    pca, flat = _principal_components(train, prod(model.sample_shape), model.code_size)
    left_out = np.argsort(-flat.var(axis=0), kind="stable")[int(pca.n_components_) :]
    squares, values, start = np.zeros(5), 0, 0

    def projected(x: Array) -> Array:
        return np.asarray(pca.inverse_transform(pca.transform(x.reshape(len(x), -1))).reshape(x.shape))

    kept: dict[int, tuple[Array, ...]] = {}
    with validation.batches() as batches:
        for noisy, clean in batches:
            denoised = np.asarray(model.predict_on_batch(noisy))
            kept_values = clean.reshape(len(clean), -1).copy()
            kept_values[:, left_out] = pca.mean_[left_out]
            inputs = noisy, denoised, projected(noisy), projected(clean), kept_values.reshape(clean.shape)
            squares += [np.square(x - clean, dtype=np.float64).sum() for x in inputs]
            values += clean.size
            for position in shown[(shown >= start) & (shown < start + len(clean))]:
                kept[position] = tuple(x[position - start] for x in (noisy, denoised, clean))
            start += len(clean)
    examples = [np.stack(arrays) for arrays in zip(*(kept[position] for position in shown), strict=True)]
    noise, left, projection, pca_loss, values_loss = (float(error) for error in squares / values)
    return Comparison(
        samples=start,
        noisy=noise,
        denoised=left,
        pca=projection,
        components=int(pca.n_components_),
        pca_samples=len(flat),
        pca_loss=pca_loss,
        values_loss=values_loss,
        examples=(examples[0], examples[1], examples[2]),
    )


def _principal_components(train: Feed, size: int, code_size: int) -> tuple[Any, Array]:
    """A PCA, and the training samples that it was fitted on: spread evenly over their ids, limited by PCA_VALUES."""
    from sklearn.decomposition import PCA

    step = -(-train.sample_ids.size * size // PCA_VALUES)
    clean = train.replace(samples=train.sample_ids[::step]).arrays()[0]
    flat = clean.reshape(len(clean), -1)
    return PCA(min(code_size, *flat.shape), random_state=0).fit(flat), flat
