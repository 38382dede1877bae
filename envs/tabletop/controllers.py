"""From one 7-D action to drive targets: SIMPLER's WidowX law, and what every law is.

A controller is asked once per control step. Knows no task. The Google Robot's law is in
`measured_pose.py`.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from vla_bench.envs.tabletop.geometry import rotation_from_vector
from vla_bench.envs.tabletop.ik import InverseKinematics
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.protocols import FloatArray


class Controller(Protocol):
    """One control law. `position` (3,) m and `rotation` (3, 3): its present target, base frame."""

    @property
    def position(self) -> FloatArray: ...
    @property
    def rotation(self) -> FloatArray: ...

    def reset(self, data: Any) -> None:
        """Take the present pose as the target, the gripper open."""
        ...

    def command(self, data: Any, action: FloatArray, n_substeps: int) -> FloatArray:
        """Drive targets (rows, nu) for one control step of `n_substeps`, from an action (7,).

        Each row holds for n_substeps / rows of the physics' steps.
        """
        ...


class TargetPoseController:
    """SIMPLER's WidowX law ``ee_target_delta_pose_align2`` (simpler.md §2.3).

    A target pose of the TCP is kept, in the base frame. Translations accumulate on it; rotations
    turn it about base axes through the *measured* TCP. So an arm that lags behind its target is
    still caught up with, and a target inside the table keeps pressing.
    """

    def __init__(self, model: Any, robot: Robot) -> None:
        self._gripper = robot.gripper
        self._ik = InverseKinematics(robot)
        self._qpos = np.array([model.joint(name).qposadr[0] for name in robot.arm])
        self._arm = np.array([model.actuator(name).id for name in robot.arm])
        names = [finger.joint for finger in robot.gripper.fingers]
        self._fingers = np.array([model.actuator(name).id for name in names])
        self.position = np.zeros(3)
        self.rotation = np.eye(3)

    def reset(self, data: Any) -> None:
        """Take the present pose as the target, the gripper open."""
        angles = data.qpos[self._qpos].copy()
        self.position, self.rotation = self._ik.forward(angles)
        data.ctrl[self._arm] = angles
        data.ctrl[self._fingers] = self._finger_target(1.0)

    def command(self, data: Any, action: FloatArray, n_substeps: int) -> FloatArray:  # noqa: ARG002
        """Constant targets (1, nu) from dx dy dz m, rotation vector rad, gripper_open.

        A pose out of reach moves the target but not the arm: it holds where it is.
        """
        angles = data.qpos[self._qpos].copy()
        pivot, _ = self._ik.forward(angles)
        turn = rotation_from_vector(action[3:6])
        self.position = pivot + turn @ (self.position - pivot) + action[:3]
        self.rotation = turn @ self.rotation
        solution = self._ik.solve(self.position, self.rotation, angles)
        targets = np.zeros((1, data.ctrl.size))
        targets[:, self._arm] = angles if solution is None else solution
        targets[:, self._fingers] = self._finger_target(float(action[6]))
        return targets

    def _finger_target(self, gripper_open: float) -> float:
        """Metres. Drives stop at the joint's limits, as SIMPLER's do."""
        gripper = self._gripper
        opened = min(max(gripper_open, 0.0), 1.0)
        target = gripper.closed + opened * (gripper.opened - gripper.closed)
        return min(max(target, gripper.travel[0]), gripper.travel[1])
