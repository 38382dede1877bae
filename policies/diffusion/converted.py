"""A data set as a network with other columns than the env's is to predict it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vla_bench.data.frames import Relabelled
from vla_bench.data.trajectory import Indices, Schema, Trajectory, TrajectoryDataset, Vectors
from vla_bench.policies.diffusion.actions import ActionConverter, AsTrained


def converted(dataset: TrajectoryDataset, converter: ActionConverter) -> TrajectoryDataset:
    """`dataset` with the actions that `converter` would turn back into its own."""
    return dataset if isinstance(converter, AsTrained) else Converted(dataset, converter)


class Converted:
    """See `converted`."""

    def __init__(self, dataset: TrajectoryDataset, converter: ActionConverter) -> None:
        self._dataset, self._converter = dataset, converter
        self._rows: dict[int, Vectors] = {}  # of every episode seen: samples ask again and again

    @property
    def name(self) -> str:
        return self._dataset.name

    @property
    def schema(self) -> Schema:
        names = tuple(self._converter.column_names)
        return replace(self._dataset.schema, action_names=names, action_spec=None)

    @property
    def lengths(self) -> Indices:
        return self._dataset.lengths

    def __getitem__(self, index: int) -> Trajectory:
        """Raises DataError where the state lacks what the converter needs."""
        trajectory = self._dataset[index]
        if index not in self._rows:
            rows = self._converter.rows(
                trajectory.actions.astype(np.float64),
                trajectory.states.astype(np.float64),
                self._dataset.schema.state_names,
            )
            self._rows[index] = rows.astype(np.float32)
        return Relabelled(trajectory, self._rows[index])
