"""A sample as coloured cells."""

from __future__ import annotations

import numpy as np

from rowfeed.cli.report.look import Array, Theme, rgb


def cells(sample: Array, original: Array, theme: Theme, planes: int | None = None) -> Array:
    """One sample as colours 0 to 1, (height, width, 3), in the range of the original samples.

    Three channels are red, green and blue. Any other number of channels are planes, with a cell of the card between
    two.

    Args:
        sample: (height, width) or (height, width, channels).
        original: All original samples.
        theme: The colours.
        planes: The number of planes next to each other, a divisor of their number; further ones follow below. None:
            all.
    """
    channels = sample.shape[2] if sample.ndim == 3 else 1
    low, high = float(min(original.min(), 0)), float(max(original.max(), 0))
    if channels == 3:
        low = float(original.min())
        return np.clip((sample - low) / ((high - low) or 1), 0, 1)
    coloured = [_coloured(plane, low, high, theme) for plane in np.moveaxis(np.atleast_3d(sample), 2, 0)]
    across = planes or channels
    rows = [_joined(coloured[first : first + across], 1, theme) for first in range(0, channels, across)]
    return _joined(rows, 0, theme)


def _joined(parts: list[Array], axis: int, theme: Theme) -> Array:
    shape = list(parts[0].shape)
    shape[axis] = 1
    gap = np.broadcast_to(rgb(theme.card), shape)
    return np.concatenate([part for each in parts for part in (each, gap)][:-1], axis=axis)


def _coloured(plane: Array, low: float, high: float, theme: Theme) -> Array:
    """0 has the colour of an empty cell. The largest value is ink; with two signs, each sign has a colour."""
    reach = max(-low, high) or 1.0
    strength = np.clip(np.abs(plane) / reach, 0, 1)[..., None]
    two_signs = low < 0 < high
    above, below = (theme.denoised, theme.noisy) if two_signs else (theme.ink, theme.ink)
    if not two_signs:
        right_sign = plane > 0 if high > 0 else plane < 0
        strength = strength * right_sign[..., None]
    strong = np.where((plane > 0)[..., None], rgb(above), rgb(below))
    return np.asarray(rgb(theme.empty) * (1 - strength) + strong * strength)
