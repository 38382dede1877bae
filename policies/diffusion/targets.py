"""What of a demonstration a Diffusion Policy is to learn, frame by frame.

Vectors alone, computed once for the whole data set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vla_bench.data.trajectory import Indices, TrajectoryDataset

BoolArray = NDArray[np.bool_]
_SAME = 1e-6  # of one action: float32 of the same number


def mishaps(labels: TrajectoryDataset, executed: TrajectoryDataset) -> list[BoolArray]:
    """Per episode, the frames (T,) at which something else than the label was executed.

    Later labels answer to that, which nobody could foresee: a sequence of labels is one that an
    expert would follow only up to the first of them.
    """
    return [
        (np.abs(labels[i].actions - executed[i].actions) > _SAME).any(axis=1)
        for i in range(len(labels.lengths))
    ]


def beyond_mishap(mishap: BoolArray, frames: Indices, current: int) -> BoolArray:
    """Which of `frames`, ascending, come after one with a mishap at row `current` or later.

    What went wrong before the current row can be seen there: its labels are how to recover.
    """
    hit = mishap[frames]
    hit[:current] = False
    return np.concatenate([[False], np.logical_or.accumulate(hit)[:-1]])
