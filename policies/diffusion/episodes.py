"""Which episodes the published trainings held out, and which they used.

Equal to real-stanford/diffusion_policy (common/sampler.py). Windows of frames inside an episode
are `vla_bench.data.windows.Window.of_horizon`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def validation_mask(n_episodes: int, ratio: float, seed: int) -> NDArray[np.bool_]:
    """Episodes held out: a share of `ratio`, at least one and not all; none for ratio 0."""
    mask = np.zeros(n_episodes, dtype=bool)
    if ratio > 0:
        n_held_out = min(max(1, round(n_episodes * ratio)), n_episodes - 1)
        mask[np.random.default_rng(seed).choice(n_episodes, n_held_out, replace=False)] = True
    return mask


def limit_episodes(mask: NDArray[np.bool_], n_most: int, seed: int) -> NDArray[np.bool_]:
    """At most `n_most` of the episodes in `mask`, chosen by `seed`."""
    if mask.sum() <= n_most:
        return mask
    candidates = np.flatnonzero(mask)
    chosen = np.random.default_rng(seed).choice(len(candidates), n_most, replace=False)
    limited = np.zeros_like(mask)
    limited[candidates[chosen]] = True
    return limited
