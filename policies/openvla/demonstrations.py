"""A data set with its actions as an OpenVLA is to predict them, and what of it is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data.fitted import fitted
from vla_bench.data.frames import Relabelled, without_noops
from vla_bench.data.image_ops import Box
from vla_bench.data.loader import Samples
from vla_bench.data.trajectory import Indices, Schema, Trajectory, TrajectoryDataset
from vla_bench.data.view import WHOLE
from vla_bench.data.windows import Split, Window, split_episodes
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


@dataclass(frozen=True)
class Selection:
    """What of a data set is learned from.

    Attributes:
        camera: Whose images.
        box: The part of what it sees that those images are.
        n_used: How many of each episode's first frames; None: all.
        split: Which episodes are learned from, and which are held out; None: none are.
        owners: The data set of each episode, where there are several: each has its own metrics.
    """

    camera: str
    box: Box = WHOLE
    n_used: Indices | None = None
    split: Split | None = None
    owners: Sequence[str] = ()

    def samples(self, data: TrajectoryDataset) -> tuple[Samples, Samples]:
        """Single frames of `data`: those to learn from, and those held out."""
        learned, held_out = self.split or split_episodes(len(data.lengths), 0.0, 0)
        window = Window.of_chunk(1, 1)
        return (
            Samples(data, learned, window, [self.camera], self.n_used),
            Samples(data, held_out, window, [self.camera], self.n_used),
        )
