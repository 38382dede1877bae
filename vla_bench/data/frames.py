"""A data set with some frames left out, and OpenVLA's rule for which: steps that do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vla_bench.data.trajectory import (
    Images,
    Indices,
    Schema,
    Trajectory,
    TrajectoryDataset,
    Vectors,
)
from vla_bench.errors import ConfigError

_NOOP_NORM = 1e-4  # openvla/openvla, experiments/robot/libero/regenerate_libero_dataset.py


@dataclass(frozen=True)
class FrameSubset:
    """`dataset` with only the frames ``kept[i]`` (ascending) of trajectory i; may be none."""

    dataset: TrajectoryDataset
    kept: Sequence[Indices]

    @property
    def name(self) -> str:
        return self.dataset.name

    @property
    def schema(self) -> Schema:
        return self.dataset.schema

    @cached_property
    def lengths(self) -> Indices:
        return np.array([len(frames) for frames in self.kept], dtype=np.int64)

    def __getitem__(self, index: int) -> Trajectory:
        return _Subset(self.dataset[index], self.kept[index])


@dataclass(frozen=True)
class _Subset:
    """Some frames of a trajectory."""

    whole: Trajectory
    kept: Indices

    @property
    def id(self) -> str:
        return self.whole.id

    @property
    def instructions(self) -> Sequence[str]:
        return [self.whole.instructions[frame] for frame in self.kept]

    @property
    def states(self) -> Vectors:
        return self.whole.states[self.kept]

    @property
    def actions(self) -> Vectors:
        return self.whole.actions[self.kept]

    def images(self, camera: str, frames: Indices) -> Images:
        return self.whole.images(camera, self.kept[frames])


@dataclass(frozen=True)
class Relabelled:
    """`whole` with other actions, (T, dim)."""

    whole: Trajectory
    actions: Vectors

    @property
    def id(self) -> str:
        return self.whole.id

    @property
    def instructions(self) -> Sequence[str]:
        return self.whole.instructions

    @property
    def states(self) -> Vectors:
        return self.whole.states

    def images(self, camera: str, frames: Indices) -> Images:
        return self.whole.images(camera, frames)


def without_noops(dataset: TrajectoryDataset) -> FrameSubset:
    """`dataset` without the steps that OpenVLA's LIBERO data leave out; reads every action.

    The last action column must be an absolute gripper command. Raises ConfigError otherwise.
    """
    last = dataset.schema.action_names[-1]
    if last != "gripper_open":
        raise ConfigError(
            f"{dataset.name}: the no-op rule needs 'gripper_open' as the last action column, got "
            f"{last!r} ({', '.join(dataset.schema.action_names)})."
        )
    episodes = range(len(dataset.lengths))
    return FrameSubset(dataset, [acting_frames(dataset[i].actions) for i in episodes])


def acting_frames(actions: Vectors) -> Indices:
    """Frames whose motion has a norm of at least 1e-4 or whose gripper command differs from that
    of the last frame kept before; at first only the motion counts. `actions` (T, motion + 1).
    """
    moves = np.linalg.norm(actions[:, :-1], axis=1) >= _NOOP_NORM
    kept: list[int] = []
    for frame, (moving, gripper) in enumerate(zip(moves, actions[:, -1])):
        if moving or (kept and gripper != actions[kept[-1], -1]):
            kept.append(frame)
    return np.array(kept, dtype=np.int64)
