"""A data set with its actions as an OpenVLA is to predict them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data.frames import without_noops
from vla_bench.data.trajectory import (
    Images,
    Indices,
    Schema,
    Trajectory,
    TrajectoryDataset,
    Vectors,
    check_fits,
)
from vla_bench.policies.openvla.robots import RobotConvention


@dataclass(frozen=True)
class Demonstrations:
    """`dataset`, converted by `convention`; made by `demonstrations`."""

    dataset: TrajectoryDataset
    convention: RobotConvention

    @property
    def name(self) -> str:
        return self.dataset.name

    @property
    def schema(self) -> Schema:
        """Of the files: rotations are still called by their columns there."""
        return self.dataset.schema

    @property
    def lengths(self) -> Indices:
        return self.dataset.lengths

    def __getitem__(self, index: int) -> Trajectory:
        return _Converted(self.dataset[index], self.convention)


@dataclass(frozen=True)
class _Converted:
    whole: Trajectory
    convention: RobotConvention

    @property
    def id(self) -> str:
        return self.whole.id

    @property
    def instructions(self) -> Sequence[str]:
        return self.whole.instructions

    @property
    def states(self) -> Vectors:
        return self.whole.states

    @property
    def actions(self) -> Vectors:
        return self.convention.to_predict(self.whole.actions)

    def images(self, camera: str, frames: Indices) -> Images:
        return self.whole.images(camera, frames)


def demonstrations(
    dataset: TrajectoryDataset, convention: RobotConvention, camera: str, drop_noops: bool
) -> Demonstrations:
    """What an OpenVLA learns from. Raises DataError or ConfigError where `dataset` does not fit."""
    check_fits(dataset, DELTA_TCP_POSE, [camera])
    kept = without_noops(dataset) if drop_noops else dataset
    return Demonstrations(kept, convention)
