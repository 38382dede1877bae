"""A data set with its actions as an OpenVLA is to predict them."""

from __future__ import annotations

from dataclasses import dataclass

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data.fitted import fitted
from vla_bench.data.frames import Relabelled, without_noops
from vla_bench.data.trajectory import Indices, Schema, Trajectory, TrajectoryDataset
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
        """Rotations are still called as in `DELTA_TCP_POSE`, whatever is predicted."""
        return self.dataset.schema

    @property
    def lengths(self) -> Indices:
        return self.dataset.lengths

    def __getitem__(self, index: int) -> Trajectory:
        whole = self.dataset[index]
        return Relabelled(whole, self.convention.to_predict(whole.actions))


def demonstrations(
    dataset: TrajectoryDataset, convention: RobotConvention, camera: str, drop_noops: bool
) -> Demonstrations:
    """What an OpenVLA learns from. Raises DataError or ConfigError where `dataset` does not fit."""
    named = fitted(dataset, DELTA_TCP_POSE, [camera])
    kept = without_noops(named) if drop_noops else named
    return Demonstrations(kept, convention)
