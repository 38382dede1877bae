"""The numbers in ``meta/stats.json`` and in the ``stats/…`` columns of LeRobot's episodes tables.

Exact, over every frame and pixel; LeRobot's own quantiles come from 5000 bins and its image
statistics from a sample of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_bench.protocols import Image

Statistics = dict[str, NDArray[Any]]

_QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def histogram(images: Sequence[Image]) -> NDArray[np.int64]:
    """(3, 256): how often each level occurs in each channel."""
    pixels = np.concatenate([image.reshape(-1, 3) for image in images])
    return np.stack([np.bincount(pixels[:, c], minlength=256) for c in range(3)])


def describe(rows: NDArray[Any]) -> Statistics:
    """LeRobot's statistics of (n, dim), each (dim,); exact, where LeRobot's own are binned."""
    values = rows.astype(np.float64)
    quantiles = np.quantile(values, list(_QUANTILES.values()), axis=0)
    return {
        "min": values.min(axis=0),
        "max": values.max(axis=0),
        "mean": values.mean(axis=0),
        "std": values.std(axis=0),
        "count": np.array([len(values)]),
        **dict(zip(_QUANTILES, quantiles)),
    }


def describe_pixels(counts: NDArray[np.int64], n_frames: int) -> Statistics:
    """The same of images, by channel, from a (3, 256) histogram: shape (3, 1, 1), in [0, 1]."""
    levels = np.arange(256) / 255.0
    n = counts.sum(axis=1)
    mean = counts @ levels / n
    std = np.sqrt(np.maximum(counts @ levels**2 / n - mean**2, 0.0))
    cumulative = np.cumsum(counts, axis=1)
    found = {"min": _level(cumulative, 0.0), "max": _level(cumulative, 1.0)}
    found |= {"mean": mean, "std": std}
    found |= {name: _level(cumulative, share) for name, share in _QUANTILES.items()}
    shaped = {name: value.reshape(3, 1, 1) for name, value in found.items()}
    return {**shaped, "count": np.array([n_frames])}


def _level(cumulative: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """The quantile of every channel, interpolated between neighbours as numpy's."""
    position = share * (cumulative[:, -1] - 1)
    below = np.floor(position).astype(np.int64)
    ranks = np.stack([below, np.ceil(position).astype(np.int64)], axis=1)
    pairs = np.stack([np.searchsorted(c, r, side="right") for c, r in zip(cumulative, ranks)])
    low, high = pairs.T / 255.0
    levels: NDArray[np.float64] = low + (high - low) * (position - below)
    return levels
