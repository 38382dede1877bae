"""Which frames of an episode one training sample is made of; which episodes are held out.

A window is two lists of offsets from the current frame. Offsets that leave the episode repeat its
first or last frame, and the sample says which rows are such padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vla_bench.data.trajectory import Indices
from vla_bench.errors import ConfigError


@dataclass(frozen=True)
class Window:
    """Offsets, in control steps from the current frame.

    Attributes:
        observations: Which observations a sample holds, e.g. (-1, 0).
        actions: Which actions, e.g. (0, 1, 2, 3).
        n_last_unused: So many frames at the end of each episode are nobody's current frame.
    """

    observations: tuple[int, ...]
    actions: tuple[int, ...]
    n_last_unused: int = 0

    @classmethod
    def of_chunk(cls, n_observations: int, n_actions: int) -> Window:
        """The last observations up to now and the actions from now on; every frame is used."""
        if n_observations < 1 or n_actions < 1:
            raise ConfigError(
                "A window needs at least one observation and one action, got "
                f"{n_observations} and {n_actions}."
            )
        return cls(tuple(range(1 - n_observations, 1)), tuple(range(n_actions)))

    @classmethod
    def of_horizon(cls, horizon: int, n_observations: int, n_executed: int) -> Window:
        """Diffusion Policy's: `horizon` actions that begin with the oldest observation.

        Windows start at most ``n_observations - 1`` frames before an episode and end at most
        ``n_executed - 1`` after it (real-stanford/diffusion_policy, common/sampler.py).
        """
        first = 1 - n_observations
        unused = horizon - (n_executed - 1) - n_observations
        if n_observations < 1 or n_executed < 1 or unused < 0:
            raise ConfigError(
                f"A horizon of {horizon} cannot hold {n_observations} observations and "
                f"{n_executed} executed actions, which share one step."
            )
        return cls(tuple(range(first, 1)), tuple(range(first, first + horizon)), unused)

    def observed(self, frame: int, length: int) -> Indices:
        """Frames of the observations in an episode of `length` frames."""
        return np.clip(frame + np.array(self.observations, dtype=np.int64), 0, length - 1)

    def acted(self, frame: int, length: int) -> tuple[Indices, NDArray[np.bool_]]:
        """Frames of the actions, and where they are padding."""
        wanted = frame + np.array(self.actions, dtype=np.int64)
        frames = np.clip(wanted, 0, length - 1)
        return frames, frames != wanted


class WindowIndex:
    """Numbers the windows of some episodes: 0, 1, … over their frames, episode after episode."""

    def __init__(
        self, lengths: Indices, episodes: Indices, window: Window, n_used: Indices | None = None
    ) -> None:
        """`lengths` are those of all episodes; `episodes` says which are used, in this order.

        `n_used` says how many of each episode's first frames may be the current one; None: all.
        """
        self._episodes = np.asarray(episodes, dtype=np.int64)
        counts = lengths - window.n_last_unused
        if n_used is not None:
            counts = np.minimum(counts, n_used)
        self._ends = np.cumsum(np.maximum(counts[self._episodes], 0))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def locate(self, index: int) -> tuple[int, int]:
        """(episode, current frame) of window `index`."""
        if not 0 <= index < len(self):
            raise IndexError(f"expected a window in 0..{len(self) - 1}, got {index}")
        position = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[position - 1]) if position else 0
        return int(self._episodes[position]), index - before


Split = tuple[Indices, Indices]
"""Training and validation episodes; see `split_episodes`."""


def split_episodes(n_episodes: int, held_out: float, seed: int) -> Split:
    """Training and validation episodes, each ascending; whole episodes, never single frames.

    A share `held_out` in [0, 1) is held out: at least one episode and not all; none for 0.
    """
    if not 0.0 <= held_out < 1.0:
        raise ConfigError(f"held_out: expected a share in [0, 1), got {held_out}.")
    n_held_out = min(max(1, round(n_episodes * held_out)), n_episodes - 1) if held_out else 0
    if n_held_out < 0 or (held_out and n_held_out == 0):
        raise ConfigError(f"Cannot hold out a share of {held_out} of {n_episodes} episode(s).")
    shuffled = np.random.default_rng(seed).permutation(n_episodes).astype(np.int64)
    return np.sort(shuffled[n_held_out:]), np.sort(shuffled[:n_held_out])
