"""Inverse kinematics by damped least squares, in the robot's base frame. Knows no physics."""

from __future__ import annotations

import functools
from typing import Any

import mujoco
import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, rotation_vector
from vla_bench.envs.tabletop.robots.build import add_robot
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.protocols import FloatArray

DAMPING = 1e-6  # SIMPLER's, on J J^T (simpler.md §2.3)
TOLERANCE = 1e-4  # SIMPLER's, on the norm of (metres, radians)
MAX_ITERATIONS = 30
POSTURE_GAIN = 0.2  # share of the way to the posture, in the arm's spare freedom, per iteration
MAX_JOINT_STEP = 0.3  # rad per iteration: stay on the branch that SIMPLER's small steps stay on


class InverseKinematics:
    """Joint angles that bring the TCP to a pose; joint limits are not respected, as in SIMPLER.

    SIMPLER takes at most 100 steps of a tenth of the Newton step; full steps end at the same
    angles in a tenth of the time.
    """

    def __init__(self, robot: Robot) -> None:
        self._model = _model(robot)
        self._data = mujoco.MjData(self._model)
        joints = [self._model.joint(name) for name in robot.arm]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dofs = np.array([joint.dofadr[0] for joint in joints])
        self._tcp = self._model.site("tcp").id
        self._jacobian = np.zeros((6, self._model.nv))
        self._posture = None if robot.posture is None else np.array(robot.posture)

    def forward(self, angles: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Arm angles (n,) rad -> TCP position (3,) m and rotation (3, 3) in the base frame."""
        self._data.qpos[self._qpos] = angles
        mujoco.mj_kinematics(self._model, self._data)
        position = self._data.site_xpos[self._tcp].copy()
        return position, self._data.site_xmat[self._tcp].reshape(3, 3).copy()

    def solve(
        self, position: FloatArray, rotation: FloatArray, start: FloatArray
    ) -> FloatArray | None:
        """Arm angles (n,) near `start` that reach the pose; None when it is out of reach."""
        angles = start.copy()
        for _ in range(MAX_ITERATIONS):
            reached_position, reached_rotation = self.forward(angles)
            turn = rotation_vector(rotation @ reached_rotation.T)
            error = np.concatenate([position - reached_position, turn])
            if np.linalg.norm(error) < TOLERANCE:
                return angles
            angles = angles + self._newton_step(error, angles)
        return None

    def _newton_step(self, error: FloatArray, angles: FloatArray) -> FloatArray:
        mujoco.mj_comPos(self._model, self._data)
        upper, lower = self._jacobian[:3], self._jacobian[3:]
        mujoco.mj_jacSite(self._model, self._data, upper, lower, self._tcp)
        jacobian = self._jacobian[:, self._dofs]
        gram = jacobian @ jacobian.T + DAMPING * np.eye(6)
        step: FloatArray = jacobian.T @ np.linalg.solve(gram, error)
        if self._posture is not None:
            drift = POSTURE_GAIN * (self._posture - angles)
            step = step + drift - jacobian.T @ np.linalg.solve(gram, jacobian @ drift)
        largest = np.abs(step).max()
        return step * (MAX_JOINT_STEP / largest) if largest > MAX_JOINT_STEP else step


@functools.lru_cache(maxsize=8)
def _model(robot: Robot) -> Any:
    """The robot alone, its base at the origin."""
    spec = mujoco.MjSpec()
    add_robot(spec, robot, Pose((0.0, 0.0, 0.0)))
    return spec.compile()
