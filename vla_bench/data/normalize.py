"""Between a data set's units and a network's range, by OpenVLA's rules.

``normalize_action_and_proprio`` of openvla/openvla (prismatic/vla/datasets/rlds/utils), checked
against its outputs. Columns outside the statistics' mask pass through; only when a column is
constant does `normalize` touch it too: bounds send it to 0, masked or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_bench.data.statistics import FieldStatistics, FloatArray
from vla_bench.errors import unknown_name

_EPSILON = 1e-8  # upstream's, in `normalize` only


@dataclass(frozen=True)
class Normalizer:
    """Both ways, for arrays (..., dim).

    `kind` is one of

    - ``bounds_q99``: [q01, q99] to [-1, 1], clipped there (OpenVLA's),
    - ``bounds``: [min, max] to [-1, 1], clipped there,
    - ``normal``: mean to 0, standard deviation to 1, not clipped.
    """

    kind: str
    statistics: FieldStatistics

    def __post_init__(self) -> None:
        if self.kind not in _BOUNDS and self.kind != "normal":
            raise unknown_name("normalization", self.kind, [*_BOUNDS, "normal"])

    def normalize(self, values: NDArray[Any]) -> FloatArray:
        """Into the network's range."""
        stats = self.statistics
        if self.kind == "normal":
            return np.where(stats.mask, (values - stats.mean) / (stats.std + _EPSILON), values)
        low, high = _BOUNDS[self.kind](stats)
        scaled = np.clip(2.0 * (values - low) / (high - low + _EPSILON) - 1.0, -1.0, 1.0)
        return np.where(stats.min == stats.max, 0.0, np.where(stats.mask, scaled, values))

    def unnormalize(self, values: NDArray[Any]) -> FloatArray:
        """Into the data set's units: the inverse for what was inside the bounds.

        A constant column outside the mask does not come back: `normalize` has set it to 0.
        """
        stats = self.statistics
        if self.kind == "normal":
            return np.where(stats.mask, values * stats.std + stats.mean, values)
        low, high = _BOUNDS[self.kind](stats)
        return np.where(stats.mask, 0.5 * (values + 1.0) * (high - low) + low, values)


_BOUNDS: dict[str, Callable[[FieldStatistics], tuple[FloatArray, FloatArray]]] = {
    "bounds": lambda s: (s.min, s.max),
    "bounds_q99": lambda s: (s.q01, s.q99),
}
