"""The Keras front end: `feed.to_keras()` for `fit`, `evaluate` and `predict`, and the denoising autoencoder.

Importing this module imports Keras. Elsewhere in rowfeed, only models and the command do that.
"""

from __future__ import annotations

from rowfeed.errors import DependencyError

try:
    import keras as _keras  # noqa: F401
except ModuleNotFoundError as missing:
    raise DependencyError(
        f"expected Keras with a backend; {str(missing.name).split('.')[0]} is not installed. Install one, "
        'pip install "rowfeed[jax]" (or tensorflow, torch), and name it before Python starts: KERAS_BACKEND=jax. '
        "Keras takes TensorFlow where nothing is named."
    ) from missing

from rowfeed.keras.dataset import KerasFeed
from rowfeed.models.autoencoder import DenoisingAutoencoder

__all__ = ["DenoisingAutoencoder", "KerasFeed"]
