"""From a network's rows to an env's action spec and back; a config chooses one of these.

Poses are of the tool centre point in the robot's base frame; rotations turn about base axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from scipy.spatial.transform import Rotation

from vla_bench.actions import DELTA_TCP_POSE, ActionSpec, named_spec
from vla_bench.data.trajectory import DataError
from vla_bench.errors import ConfigError, PolicyError, unknown_name
from vla_bench.protocols import FloatArray, Request

_LAYOUTS = ("rows", "columns")


class ActionConverter(Protocol):
    """Says what the network's columns are.

    Attributes:
        action_spec: What `convert` returns.
        column_names: What the network predicts.
    """

    action_spec: ActionSpec
    column_names: Sequence[str]

    def convert(self, rows: FloatArray, request: Request) -> FloatArray:
        """Rows (h, columns) in the network's units -> chunk (h, action_spec.dim)."""
        ...

    def rows(
        self, actions: FloatArray, states: FloatArray, state_names: Sequence[str]
    ) -> FloatArray:
        """What the network is to predict at each of T logged steps: (T, columns).

        `actions` (T, action_spec.dim) and `states` (T, len(state_names)), before each action.
        Raises DataError where the states lack something.
        """
        ...


class AsTrained:
    """The network's columns are the action spec's own, in its units."""

    def __init__(self, action_spec: str) -> None:
        """`action_spec` is a name in `vla_bench.actions.NAMED_SPECS`."""
        self.action_spec = named_spec(action_spec)
        self.column_names: Sequence[str] = self.action_spec.names

    def convert(self, rows: FloatArray, request: Request) -> FloatArray:  # noqa: ARG002 - Protocol
        return rows

    def rows(
        self,
        actions: FloatArray,
        states: FloatArray,  # noqa: ARG002 - Protocol
        state_names: Sequence[str],  # noqa: ARG002 - Protocol
    ) -> FloatArray:
        return actions


class AbsolutePose:
    """Absolute tool poses, as Diffusion Policy and DROID predict them, to changes of pose.

    Columns: x y z (m), the 6-D rotation of Zhou et al. 2019 (two rows or columns of the matrix),
    and the gripper. A chunk's first change starts from the measured pose, every further one from
    the pose before it, so a lagging arm is caught up with once per chunk: the tabletop WidowX
    follows a path at 5 mm and 0.04 rad per step within 3 mm RMS in chunks of 8, and 1 mm in
    chunks of 1. To start from the last commanded pose drifts, by 9 mm in 64 steps, since SIMPLER's
    controller turns its target about the measured tool.
    """

    action_spec = DELTA_TCP_POSE
    column_names: Sequence[str] = (*"xyz", *(f"rotation.{i}" for i in range(6)), "gripper")

    def __init__(self, rotation_6d: str, gripper_closed: float, gripper_open: float) -> None:
        """The layout, and the gripper column's values when closed and when open.

        `rotation_6d` is ``rows`` (pytorch3d, as in the published code) or ``columns``.
        """
        if rotation_6d not in _LAYOUTS:
            raise unknown_name("layout of rotation_6d", rotation_6d, _LAYOUTS)
        if gripper_closed == gripper_open:
            raise ConfigError(f"gripper_closed and gripper_open are both {gripper_open}.")
        self._layout = rotation_6d
        self._closed, self._opened = gripper_closed, gripper_open

    def convert(self, rows: FloatArray, request: Request) -> FloatArray:
        position, rotation = _measured_pose(request)
        targets = rotation_from_6d(rows[:, 3:9], self._layout)
        positions = np.concatenate((position[None], rows[:, :3]))
        rotations = Rotation.concatenate((rotation, targets))
        turns = (rotations[1:] * rotations[:-1].inv()).as_rotvec()
        opened = (rows[:, 9:] - self._closed) / (self._opened - self._closed)
        return np.concatenate((np.diff(positions, axis=0), turns, np.clip(opened, 0, 1)), axis=1)

    def rows(
        self, actions: FloatArray, states: FloatArray, state_names: Sequence[str]
    ) -> FloatArray:
        """The commanded poses: each action applied to the pose measured before it.

        So the first change of a chunk is the logged action, and so is every further one where the
        arm followed the one before. The pose that the arm reached a step later lags the command
        (docs/decisions.md).
        """
        wanted = [f"tcp_pose.{i}" for i in range(7)]
        absent = [name for name in wanted if name not in state_names]
        if absent:
            raise DataError(
                f"Absolute poses are derived from the state's {wanted[0]} to {wanted[-1]}; it has "
                f"no {', '.join(absent)}, only: {', '.join(state_names) or 'nothing'}."
            )
        poses = states[:, [list(state_names).index(name) for name in wanted]]
        measured = Rotation.from_quat(poses[:, 3:], scalar_first=True)
        targets = Rotation.from_rotvec(actions[:, 3:6]) * measured
        gripper = self._closed + actions[:, 6:] * (self._opened - self._closed)
        six = rotation_to_6d(targets, self._layout)
        return np.concatenate((poses[:, :3] + actions[:, :3], six, gripper), axis=1)


def _measured_pose(request: Request) -> tuple[FloatArray, Rotation]:
    proprio = request.observations[-1].proprio
    if "tcp_pose" not in proprio:
        raise PolicyError(
            "Absolute poses need the proprio 'tcp_pose' (x y z m, quaternion w x y z); this env "
            f"offers: {', '.join(sorted(proprio)) or 'nothing'}."
        )
    pose = proprio["tcp_pose"]
    return pose[:3], Rotation.from_quat(pose[3:], scalar_first=True)


def rotation_from_6d(six: FloatArray, layout: str) -> Rotation:
    """(n, 6), two rows or columns of each matrix, made orthonormal -> n rotations."""
    first, second = six[:, :3], six[:, 3:]
    first = first / np.linalg.norm(first, axis=1, keepdims=True)
    second = second - np.sum(first * second, axis=1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=1, keepdims=True)
    axis = 1 if layout == "rows" else 2
    return Rotation.from_matrix(np.stack((first, second, np.cross(first, second)), axis=axis))


def rotation_to_6d(rotations: Rotation, layout: str) -> FloatArray:
    """Inverse of `rotation_from_6d`: (n, 6)."""
    matrices: Any = rotations.as_matrix()
    two = matrices[:, :2, :] if layout == "rows" else matrices[:, :, :2].swapaxes(1, 2)
    six: FloatArray = two.reshape(len(matrices), 6)
    return six
