"""Where an episode turns: the control steps at which its gripper is told something else.

What comes between two of them is the way to the next grasp or release. Knows no file format.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_bench.data.trajectory import (
    DataError,
    Indices,
    Schema,
    TrajectoryDataset,
    Vectors,
)

GRIPPER = "gripper_open"
_CHANGE = 0.5  # of a command in [0, 1]: less is trembling


def gripper_column(schema: Schema) -> int:
    """Which column of the action commands the gripper. Raises DataError when none is so called."""
    if GRIPPER not in schema.action_names:
        raise DataError(
            f"Keyframes need an action column {GRIPPER!r}; there are: "
            f"{', '.join(schema.action_names)}."
        )
    return schema.action_names.index(GRIPPER)


def keyframes(actions: Vectors, column: int) -> Indices:
    """Frames of (T, dim) `actions` whose gripper command differs from the frame's before."""
    changes = np.abs(np.diff(actions[:, column])) > _CHANGE
    return np.flatnonzero(changes).astype(np.int64) + 1


def next_keyframes(actions: Vectors, column: int) -> Indices:
    """For each frame, the first later keyframe; the episode's last frame where there is none."""
    frames = np.append(keyframes(actions, column), len(actions) - 1)
    upcoming = np.searchsorted(frames, np.arange(len(actions)), side="right")
    return frames[np.minimum(upcoming, len(frames) - 1)]


def values_at_keyframes(dataset: TrajectoryDataset, columns: Sequence[int]) -> list[Vectors]:
    """Per episode, what `columns` of the state are at each frame's next keyframe: (T, n)."""
    column = gripper_column(dataset.schema)
    found = []
    for index in range(len(dataset.lengths)):
        trajectory = dataset[index]
        frames = next_keyframes(trajectory.actions, column)
        found.append(trajectory.states[frames][:, list(columns)])
    return found


def n_until_idle(dataset: TrajectoryDataset, n_idle: int) -> Indices:
    """Of each episode, the frames up to `n_idle` after its last keyframe; all where it has none."""
    column = gripper_column(dataset.schema)
    found = []
    for index, length in enumerate(dataset.lengths):
        frames = keyframes(dataset[index].actions, column)
        found.append(int(frames[-1]) + n_idle if len(frames) else int(length))
    return np.minimum(np.array(found, dtype=np.int64), dataset.lengths)
