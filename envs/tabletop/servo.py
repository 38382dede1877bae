"""One control step of a scripted hand: the 7-D action that brings the tool nearer to a pose."""

from __future__ import annotations

import numpy as np

from vla_bench.envs.tabletop.geometry import rotation_from_vector, rotation_vector
from vla_bench.envs.tabletop.hand import shorten
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

UP = np.array([0.0, 0.0, 1.0])
MAX_STEP = 0.05  # m per control step, the action's nominal range
MAX_TURN = 0.25  # rad per control step
FAST, SLOW = 0.10, 0.05  # m that the target may run ahead of the tool
LEAD = 0.6  # of the remaining error: the arm makes up about 60 % of it in one control step


def action_towards(
    world: World, pose: tuple[FloatArray, FloatArray], speed: float, gripper_open: float
) -> FloatArray:
    """Action (7,) towards `pose`, position (3,) m and rotation (3, 3) in the base frame.

    The controller's target is led beyond the goal, since the arm makes up only part of an error
    in one control step; it is never further than `speed` metres ahead of the tool.
    """
    goal, rotation = pose
    controller = world.controller
    tool, _ = world.tcp_in_base()
    ahead = tool + shorten((1.0 + LEAD) * (goal - tool), speed)
    turn = shorten(rotation_vector(rotation @ controller.rotation.T), MAX_TURN)
    pivoted = tool + rotation_from_vector(turn) @ (controller.position - tool)
    move = shorten(ahead - pivoted, MAX_STEP)
    return np.array([*move, *turn, gripper_open])
