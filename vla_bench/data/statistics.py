"""Statistics of a data set's actions and states, as OpenVLA stores them beside a checkpoint.

Computed by plain numpy over all frames: only vectors are held, never images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vla_bench.data.trajectory import DataError, Indices, TrajectoryDataset
from vla_bench.store import write_json

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class FieldStatistics:
    """Of one vector field, per column, each (dim,).

    Attributes:
        mean, std: Population standard deviation (divided by n, not n - 1).
        min, max: Extremes.
        q01, q99: Quantiles, linearly interpolated.
        mask: Columns that a normalizer scales; False for those that are left as they are.
    """

    mean: FloatArray
    std: FloatArray
    min: FloatArray
    max: FloatArray
    q01: FloatArray
    q99: FloatArray
    mask: BoolArray

    @classmethod
    def of(cls, values: NDArray[Any], mask: Sequence[bool]) -> FieldStatistics:
        """Of (n, dim) values, n >= 1."""
        rows = np.asarray(values, dtype=np.float64)
        q01, q99 = np.quantile(rows, [0.01, 0.99], axis=0)
        mean, std = rows.mean(axis=0), rows.std(axis=0)
        return cls(mean, std, rows.min(axis=0), rows.max(axis=0), q01, q99, np.array(mask, bool))

    def to_dict(self) -> dict[str, list[Any]]:
        """OpenVLA's block: one list per statistic."""
        names = ("mean", "std", "max", "min", "q01", "q99", "mask")
        return {name: getattr(self, name).tolist() for name in names}

    @classmethod
    def from_dict(cls, block: Mapping[str, Any]) -> FieldStatistics:
        """Inverse of `to_dict`; a missing mask scales every column, as in OpenVLA."""
        arrays = {k: np.asarray(v, dtype=np.float64) for k, v in block.items() if k != "mask"}
        mask = np.asarray(block.get("mask", np.ones(len(arrays["mean"]))), dtype=bool)
        return cls(**arrays, mask=mask)


@dataclass(frozen=True)
class DatasetStatistics:
    """Of one data set; `state` is None when it has none."""

    action: FieldStatistics
    state: FieldStatistics | None
    n_frames: int
    n_episodes: int

    def to_dict(self) -> dict[str, Any]:
        """OpenVLA's keys: action, proprio, num_transitions, num_trajectories."""
        proprio = {} if self.state is None else {"proprio": self.state.to_dict()}
        return {
            "action": self.action.to_dict(),
            **proprio,
            "num_transitions": self.n_frames,
            "num_trajectories": self.n_episodes,
        }


def action_mask(action_names: Sequence[str]) -> tuple[bool, ...]:
    """OpenVLA's choice for delta actions: all but the absolute gripper, already in [0, 1]."""
    return tuple(name != "gripper_open" for name in action_names)


def statistics_of(dataset: TrajectoryDataset, episodes: Indices) -> DatasetStatistics:
    """Over all frames of `episodes`. Raises DataError for an empty episode or a NaN."""
    actions, states = [], []
    for index in episodes:
        trajectory = dataset[int(index)]
        for name, rows in (("action", trajectory.actions), ("state", trajectory.states)):
            _check(rows, f"{dataset.name}, episode {index} ({trajectory.id}), {name}")
        actions.append(trajectory.actions)
        states.append(trajectory.states)
    if not actions:
        raise DataError(f"{dataset.name}: expected at least one episode for statistics, got none.")
    schema = dataset.schema
    all_actions, all_states = np.concatenate(actions), np.concatenate(states)
    every = [True] * len(schema.state_names)
    return DatasetStatistics(
        FieldStatistics.of(all_actions, action_mask(schema.action_names)),
        FieldStatistics.of(all_states, every) if schema.state_names else None,
        len(all_actions),
        len(actions),
    )


def write_statistics(path: Path, statistics: Mapping[str, DatasetStatistics]) -> None:
    """OpenVLA's ``dataset_statistics.json``: data set name -> its block."""
    write_json(path, {name: block.to_dict() for name, block in statistics.items()})


def _check(rows: NDArray[Any], where: str) -> None:
    if len(rows) == 0:
        raise DataError(f"{where}: the episode is empty. Delete it from the data set.")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        frame = int(np.flatnonzero(~finite)[0])
        raise DataError(f"{where}: frame {frame} is not finite: {rows[frame].tolist()}.")
