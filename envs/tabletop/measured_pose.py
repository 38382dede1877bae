"""SIMPLER's Google Robot law: from the *measured* pose, along a planned joint path.

``arm_pd_ee_delta_pose_align_interpolate_by_planner`` with
``gripper_pd_joint_target_delta_pos_interpolate_by_planner`` (simpler.md §2.4;
ManiSkill2_real2sim@ef7a4d4, agents/controllers). An arm that lags behind is not caught up with:
the lag is part of the benchmark.

SIMPLER's gripper command is relative: it adds up to a whole stroke, closing, to the last waypoint
of the fingers. Here it is the absolute ``gripper_open``, as everywhere; a policy that emits
relative commands sums them itself. Whole strokes, and holding still, are the same motion either
way; a fraction of a stroke repeated while the fingers still move closes further here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vla_bench.envs.tabletop.geometry import rotation_from_vector
from vla_bench.envs.tabletop.ik import InverseKinematics
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.envs.tabletop.trajectory import Limits, plan
from vla_bench.protocols import FloatArray

ARM_LIMITS = Limits(1.5, 2.0, 50.0)
FINGER_LIMITS = Limits(1.0, 7.0, 50.0)


class MeasuredPoseController:
    """Each action moves the tool from where it is measured to be.

    The arm's path starts where the last one had got to in its control step, not where the arm
    is; the fingers' path starts where the fingers are.
    """

    def __init__(self, model: Any, robot: Robot) -> None:
        self._gripper = robot.gripper
        self._ik = InverseKinematics(robot)
        self._period = 1.0 / robot.control_hz
        names = [finger.joint for finger in robot.gripper.fingers]
        self._arm_at = _addresses(model, robot.arm)
        self._fingers_at = _addresses(model, names)
        drive = next(x.joint.drive for x in robot.links if x.joint and x.joint.name == names[0])
        self._lead = drive.damping / drive.stiffness  # s: a position target worth a velocity one
        self._limits = np.array([model.joint(name).range for name in robot.arm]).T
        self.position = np.zeros(3)
        self.rotation = np.eye(3)
        self._waypoint: tuple[FloatArray, FloatArray] | None = None

    def reset(self, data: Any) -> None:
        """Take the present pose as the target, the gripper open."""
        arm, fingers = self._arm_at, self._fingers_at
        angles = data.qpos[arm["qpos"]].copy()
        self.position, self.rotation = self._ik.forward(angles)
        self._waypoint = None
        data.ctrl[arm["ctrl"]] = angles
        data.ctrl[fingers["ctrl"]] = data.qpos[fingers["qpos"]]

    def command(self, data: Any, action: FloatArray, n_substeps: int) -> FloatArray:
        """Targets (n_substeps, nu) from dx dy dz m, rotation vector rad, gripper_open.

        A pose out of reach does not move the arm: it heads for where it is.
        """
        times = np.linspace(0.0, self._period, n_substeps + 1)[1:]
        targets = np.zeros((n_substeps, data.ctrl.size))
        targets[:, self._arm_at["ctrl"]] = self._arm_path(data, action, times)
        targets[:, self._fingers_at["ctrl"]] = self._finger_path(data, float(action[6]), times)
        return targets

    def _arm_path(self, data: Any, action: FloatArray, times: FloatArray) -> FloatArray:
        angles = data.qpos[self._arm_at["qpos"]].copy()
        position, rotation = self._ik.forward(angles)
        self.position = position + action[:3]
        self.rotation = rotation_from_vector(action[3:6]) @ rotation
        solution = self._ik.solve(self.position, self.rotation, angles)
        goal = angles if solution is None else solution
        if self._waypoint is None:
            start, velocity = angles, data.qvel[self._arm_at["dof"]].copy()
        else:
            start, velocity = self._waypoint
        positions, velocities = _limited_plan(start, velocity, goal, ARM_LIMITS, times)
        self._waypoint = positions[-1], velocities[-1]
        low, high = self._limits
        return np.clip(positions, low, high)  # so a drive creeps up to a joint's limit

    def _finger_path(self, data: Any, gripper_open: float, times: FloatArray) -> FloatArray:
        opened, closed = self._gripper.opened, self._gripper.closed
        goal = closed + float(np.clip(gripper_open, 0.0, 1.0)) * (opened - closed)
        start = data.qpos[self._fingers_at["qpos"]].copy()
        velocity = data.qvel[self._fingers_at["dof"]].copy()
        goals = np.full_like(start, goal)
        positions, velocities = _limited_plan(start, velocity, goals, FINGER_LIMITS, times)
        return positions + self._lead * velocities


def _limited_plan(
    start: FloatArray, velocity: FloatArray, goal: FloatArray, limits: Limits, times: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Positions and velocities (len(times), n); a measured velocity is clipped to its limit."""
    clipped = np.clip(velocity, -limits.velocity, limits.velocity)
    return plan(start, clipped, goal, limits).at(times)


def _addresses(model: Any, joints: tuple[str, ...] | list[str]) -> dict[str, list[int]]:
    """Where each joint's position, velocity and drive target are in MuJoCo's arrays."""
    return {
        "qpos": [int(model.joint(name).qposadr[0]) for name in joints],
        "dof": [int(model.joint(name).dofadr[0]) for name in joints],
        "ctrl": [int(model.actuator(name).id) for name in joints],
    }
