"""The Franka's control law: a kept target pose whose joint targets move evenly to the next one.

The real setups' controllers interpolate between the few targets a second that a policy gives; a
jump of 5 cm would shake what the hand holds. The target is kept, so lag does not add up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vla_bench.envs.tabletop.controllers import TargetPoseController
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.protocols import FloatArray


class InterpolatedPoseController:
    """`TargetPoseController` whose arm drives follow a ramp over the control step."""

    def __init__(self, model: Any, robot: Robot) -> None:
        self._law = TargetPoseController(model, robot)
        self._arm = np.array([model.actuator(name).id for name in robot.arm])
        self._limits = np.array([model.joint(name).range for name in robot.arm]).T

    @property
    def position(self) -> FloatArray:
        return self._law.position

    @property
    def rotation(self) -> FloatArray:
        return self._law.rotation

    def reset(self, data: Any) -> None:
        """Take the present pose as the target, the gripper open."""
        self._law.reset(data)

    def command(self, data: Any, action: FloatArray, n_substeps: int) -> FloatArray:
        """Targets (n_substeps, nu) from dx dy dz m, rotation vector rad, gripper_open.

        Joint targets stop at the joints' limits. A pose out of reach brings the arm to rest.
        """
        start = data.ctrl[self._arm].copy()
        last = self._law.command(data, action, n_substeps)[-1]
        goal = np.clip(last[self._arm], *self._limits)
        targets = np.repeat(last[None], n_substeps, axis=0)
        share = np.linspace(0.0, 1.0, n_substeps + 1)[1:, None]
        targets[:, self._arm] = start + share * (goal - start)
        return targets
