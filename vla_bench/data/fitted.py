"""A data set whose action columns are called what the policy that fits it calls them.

Other people's folders have names of their own ("gripper", "yaw"); once the columns are known to be
the policy's, what each of them means follows from its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vla_bench.actions import ActionSpec
from vla_bench.data.trajectory import (
    Indices,
    Schema,
    Trajectory,
    TrajectoryDataset,
    check_fits,
)


@dataclass(frozen=True)
class Fitted:
    """`dataset` with `action_names`; made by `fitted`."""

    dataset: TrajectoryDataset
    action_names: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.dataset.name

    @property
    def schema(self) -> Schema:
        return replace(self.dataset.schema, action_names=self.action_names)

    @property
    def lengths(self) -> Indices:
        return self.dataset.lengths

    def __getitem__(self, index: int) -> Trajectory:
        return self.dataset[index]


def fitted(
    dataset: TrajectoryDataset, action_spec: ActionSpec, cameras: Sequence[str]
) -> TrajectoryDataset:
    """`dataset` with the names of `action_spec`. Raises as `check_fits` where it does not fit."""
    check_fits(dataset, action_spec, cameras)
    if dataset.schema.action_names == action_spec.names:
        return dataset
    return Fitted(dataset, action_spec.names)
