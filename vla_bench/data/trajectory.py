"""The seam to logged trajectories: what every reader offers, whatever the files look like.

A data set is a sequence of trajectories, one per episode. Reading one gives its vectors at once and
its images when asked. Knows no file format; numpy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vla_bench.actions import ActionSpec
from vla_bench.errors import VlaBenchError, unknown_name

Vectors = NDArray[np.float32]
Images = NDArray[np.uint8]
Indices = NDArray[np.int64]


class DataError(VlaBenchError):
    """A data set is damaged or does not fit; the text names the file and the index."""


@dataclass(frozen=True)
class Schema:
    """What each frame of a data set holds.

    Attributes:
        cameras: Name -> (height, width) in pixels.
        state_names: Columns of the state (proprioception); empty when there is none.
        action_names: Columns of the action.
        action_spec: Units, frames and ranges of the action; None where the files do not say.
        control_hz: Frames per second.
    """

    cameras: Mapping[str, tuple[int, int]]
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    action_spec: ActionSpec | None
    control_hz: float


class Trajectory(Protocol):
    """One episode of T frames: what was seen at control step t, and the action chosen there."""

    @property
    def id(self) -> str:
        """Unique in its data set; what errors name."""
        ...

    @property
    def instructions(self) -> Sequence[str]:
        """One per frame."""
        ...

    @property
    def states(self) -> Vectors:
        """(T, state dim)."""
        ...

    @property
    def actions(self) -> Vectors:
        """(T, action dim)."""
        ...

    def images(self, camera: str, frames: Indices) -> Images:
        """(len(frames), height, width, 3) RGB, decoded now; `frames` may repeat, in any order.

        Safe to call from several threads. Raises DataError naming the file and the frame.
        """
        ...


class TrajectoryDataset(Protocol):
    """A sequence of trajectories whose lengths are known without reading them."""

    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> Schema: ...

    @property
    def lengths(self) -> Indices:
        """Frames of each trajectory."""
        ...

    def __getitem__(self, index: int) -> Trajectory:
        """Trajectory `index`, from 0. Reads its vectors; raises DataError when they are damaged."""
        ...


def state_columns(dataset: TrajectoryDataset, names: Sequence[str], setting: str) -> list[int]:
    """Where `names`, which `setting` gave, are in the state: ``name``, or ``name.0``, ``name.1``, …

    Raises DataError for a name that is not there.
    """
    found = []
    known = dataset.schema.state_names
    for name in names:
        columns = [i for i, c in enumerate(known) if c == name or c.rpartition(".")[0] == name]
        if not columns:
            raise DataError(
                f"Data set {dataset.name}: {setting} asks for {name!r}, the state's columns are: "
                f"{', '.join(known) or 'none'}. Set {setting}."
            )
        found += columns
    return found


def check_fits(dataset: TrajectoryDataset, action_spec: ActionSpec, cameras: Sequence[str]) -> None:
    """Raise DataError with the difference when a policy cannot learn from `dataset`.

    Without an action spec in the files only the number of action columns can be compared.
    """
    schema = dataset.schema
    for camera in cameras:
        if camera not in schema.cameras:
            raise unknown_name(f"camera of data set {dataset.name}", camera, schema.cameras)
    if schema.action_spec is not None:
        lines = schema.action_spec.differences(action_spec)
        if lines:
            raise DataError(
                f"Data set {dataset.name} and the policy disagree on what an action means (data | "
                "policy):\n" + "\n".join(f"  {line}" for line in lines)
            )
    elif len(schema.action_names) != action_spec.dim:
        raise DataError(
            f"Data set {dataset.name}: expected actions with {action_spec.dim} columns "
            f"({', '.join(action_spec.names)}), got {len(schema.action_names)} "
            f"({', '.join(schema.action_names)})."
        )
