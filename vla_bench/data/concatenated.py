"""Several data sets one after the other, as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_bench.data.trajectory import DataError, Indices, Schema, Trajectory, TrajectoryDataset


class Concatenated:
    """The trajectories of `parts`, in their order; a part with more frames weighs more."""

    def __init__(self, parts: Sequence[TrajectoryDataset]) -> None:
        """Raises DataError for none, and with the difference where two are not alike."""
        if not parts:
            raise DataError("Expected at least one data set, got none.")
        for part in parts[1:]:
            _check_alike(parts[0], part)
        self.parts = tuple(parts)
        self.name = "+".join(part.name for part in parts)
        self.schema: Schema = parts[0].schema
        self.lengths: Indices = np.concatenate([part.lengths for part in parts])
        self._firsts = np.cumsum([0, *(len(part.lengths) for part in parts)])

    def __getitem__(self, index: int) -> Trajectory:
        part = int(np.searchsorted(self._firsts, index, side="right")) - 1
        return self.parts[part][index - int(self._firsts[part])]


def _check_alike(first: TrajectoryDataset, other: TrajectoryDataset) -> None:
    for name in ("cameras", "state_names", "action_names", "action_spec", "control_hz"):
        ours, theirs = getattr(first.schema, name), getattr(other.schema, name)
        if ours != theirs:
            raise DataError(
                f"{first.name} and {other.name} cannot be learned as one, their {name} differ: "
                f"{ours} and {theirs}."
            )
