"""Which frames of a log one training example is made of.

Equal to real-stanford/diffusion_policy's sequence sampler (common/sampler.py) and its choice of
validation and training episodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """Frames [start, stop) of the log fill rows [first, last) of a sequence.

    Rows before `first` repeat frame `start`, rows from `last` on repeat frame ``stop - 1``: edges
    are repeated inside their episode.
    """

    start: int
    stop: int
    first: int
    last: int

    def frames(self, length: int) -> NDArray[np.int64]:
        """The frame of every row of a sequence of `length`."""
        rows = np.arange(length) - self.first + self.start
        return np.clip(rows, self.start, self.stop - 1)


def windows(
    episode_ends: Sequence[int], episodes: NDArray[np.bool_], length: int, pad: tuple[int, int]
) -> list[Window]:
    """Every window of `length` rows inside the chosen episodes.

    `episode_ends` are exclusive, cumulative frame counts; `episodes` says which to use. `pad` is
    how many rows may repeat an edge: (n_obs_steps - 1, n_action_steps - 1) upstream.
    """
    before, after = (min(max(rows, 0), length - 1) for rows in pad)
    found = []
    starts = [0, *episode_ends[:-1]]
    for start, end in (
        (start, end) for start, end, used in zip(starts, episode_ends, episodes) if used
    ):
        for offset in range(-before, end - start - length + after + 1):
            first_frame = max(start + offset, start)
            last_frame = min(start + offset + length, end)
            first_row = first_frame - (start + offset)
            last_row = last_frame - (start + offset)
            found.append(Window(first_frame, last_frame, first_row, last_row))
    return found


def validation_mask(n_episodes: int, ratio: float, seed: int) -> NDArray[np.bool_]:
    """Episodes held out: a share of `ratio`, at least one and not all; none for ratio 0."""
    mask = np.zeros(n_episodes, dtype=bool)
    if ratio > 0:
        n_held_out = min(max(1, round(n_episodes * ratio)), n_episodes - 1)
        chosen = np.random.default_rng(seed).choice(n_episodes, size=n_held_out, replace=False)
        mask[chosen] = True
    return mask


def limit_episodes(mask: NDArray[np.bool_], n_most: int, seed: int) -> NDArray[np.bool_]:
    """At most `n_most` of the episodes in `mask`, chosen by `seed`."""
    if mask.sum() <= n_most:
        return mask
    candidates = np.flatnonzero(mask)
    chosen = np.random.default_rng(seed).choice(len(candidates), size=n_most, replace=False)
    limited = np.zeros_like(mask)
    limited[candidates[chosen]] = True
    return limited
