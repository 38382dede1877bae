"""A scripted expert for picking and placing: closed loop, through the public 7-D action only.

It sees the simulator's state, never moves it. Each phase has a goal for the tool and a test for
having got there; a lost grasp, or a phase that takes too long, starts over.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vla_bench.envs.tabletop.geometry import (
    Vector,
    about_axis,
    matrix,
    rotation_vector,
)
from vla_bench.envs.tabletop.servo import FAST, SLOW, UP, action_towards
from vla_bench.envs.tabletop.tasks.put_on import MAX_GRASP_ANGLE
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

CLEARANCE = 0.07  # m above the grasp, before descending and after
PASS_OVER = 0.04  # m above the place of release, while carrying
LOST = 0.025  # m that an object may shift in the hand
PATIENCE = 22  # control steps in one phase
FINGERTIP = 0.0180  # m above the support: the fingers reach 15.6 mm beyond the tool
MAX_TILT = 0.12  # rad off the wanted orientation


class Phase(enum.Enum):
    APPROACH = enum.auto()
    DESCEND = enum.auto()
    CLOSE = enum.auto()
    LIFT = enum.auto()
    CARRY = enum.auto()
    LOWER = enum.auto()
    RELEASE = enum.auto()
    RETREAT = enum.auto()


TOLERANCE = {  # m from the phase's goal
    Phase.APPROACH: 0.015,
    Phase.DESCEND: 0.005,
    Phase.LIFT: 0.025,
    Phase.CARRY: 0.010,
    Phase.LOWER: 0.005,
}
HOLDING = {Phase.LIFT, Phase.CARRY, Phase.LOWER}
CLOSED = {Phase.CLOSE, *HOLDING}


@dataclass(frozen=True)
class Grasp:
    """How to hold an object from above and let it go.

    Attributes:
        point: Where the tool goes, x and y in the object's frame, m.
        height: Tool above the object's frame, m.
        along: The object's axis that the fingers close across, in its frame.
        quarter_turns: Whether turning the hand by 90 degrees holds it as well.
        drop: How far above the target to let go, m.
        turn: Of the hand about the vertical from its home, rad, to which the grasp is as near as
            the object's symmetry allows: the middle of the object's turns, so that objects turned
            almost alike are never grasped half a turn apart.
    """

    point: tuple[float, float]
    height: float
    along: Vector
    quarter_turns: bool = False
    drop: float = 0.003
    turn: float = 0.0


class PlacementJudge(Protocol):
    """Knows when there is nothing left to do."""

    def is_placed(self) -> bool: ...


class Placement(Protocol):
    """A goal that is reached by putting the object `source` somewhere, or by holding it up."""

    @property
    def source(self) -> str: ...
    def spot(self, world: World) -> FloatArray | None:
        """World point (3,) m for the object's underside; None: hold it up."""
        ...

    def start(self, world: World) -> PlacementJudge: ...


@dataclass(frozen=True)
class PickAndPlace:
    """Makes the expert of a task whose goal is a placement."""

    goal: Placement
    grasp: Grasp

    def start(self, world: World) -> PickAndPlaceExpert:
        """An expert for the episode that `world` has just been reset to."""
        return PickAndPlaceExpert(self, world)

    def about(self, goal: Placement, hold: Grasp) -> PickAndPlace:
        return PickAndPlace(goal, hold)


class PickAndPlaceExpert:
    """One episode's expert. Positions are in the robot's base frame."""

    def __init__(self, plan: PickAndPlace, world: World) -> None:
        self._plan, self._world = plan, world
        self._judge = plan.goal.start(world)
        _, self._home = world.tcp_in_base()
        frame, _ = world.frame(plan.goal.source)
        rest = world.objects[plan.goal.source].rest.position[2]
        self._support = float(world.in_base(frame)[2]) - rest
        self._source_height = float(self._centre(plan.goal.source)[2]) - self._support
        self._held = np.zeros(3)  # from the object's centre to the tool
        self._enter(Phase.APPROACH)

    def act(self) -> FloatArray:
        """The next action (7,)."""
        self._n_steps += 1
        following = self._following()
        if following is not None:
            self._enter(following)
        goal, speed = self._goal()
        if self._phase in (Phase.APPROACH, Phase.CARRY):
            goal = self._rising(goal)
        gripper_open = 0.0 if self._phase in CLOSED else 1.0
        return action_towards(self._world, (goal, self._rotation), speed, gripper_open)

    def _enter(self, phase: Phase) -> None:
        tool, _ = self._world.tcp_in_base()
        self._phase, self._n_steps, self._entered_at = phase, 0, tool
        if phase is Phase.APPROACH:
            self._rotation = self._grasp_rotation()
        if phase is Phase.LIFT:
            self._held = tool - self._centre(self._plan.goal.source)

    def _following(self) -> Phase | None:
        """The phase to change to, or None to stay in this one."""
        phase, n_steps = self._phase, self._n_steps
        if phase is Phase.CLOSE and n_steps > 2:
            if self._world.is_grasped(self._plan.goal.source, MAX_GRASP_ANGLE):
                return Phase.LIFT
            return Phase.APPROACH if n_steps > 6 else None
        if phase is Phase.RELEASE:
            return Phase.RETREAT if n_steps > 2 else None
        if phase in HOLDING and self._has_slipped():
            return Phase.APPROACH
        if phase is Phase.LIFT and self._plan.goal.spot(self._world) is None:
            return None
        if phase is Phase.RETREAT:
            return Phase.APPROACH if n_steps > 6 and not self._judge.is_placed() else None
        if phase is not Phase.CLOSE and self._has_arrived():
            return Phase(phase.value + 1)
        return Phase.APPROACH if n_steps > PATIENCE else None

    def _has_arrived(self) -> bool:
        """Within the phase's tolerance, which grows with the steps spent in it."""
        tool, rotation = self._world.tcp_in_base()
        error = np.linalg.norm(self._goal()[0] - tool)
        turn = np.linalg.norm(rotation_vector(self._rotation @ rotation.T))
        patience = 1.0 + self._n_steps / 6
        return bool(error < TOLERANCE[self._phase] * patience and turn < MAX_TILT * patience)

    def _has_slipped(self) -> bool:
        tool, _ = self._world.tcp_in_base()
        held = tool - self._centre(self._plan.goal.source)
        return bool(np.linalg.norm(held - self._held) > LOST)

    def _goal(self) -> tuple[FloatArray, float]:
        """Where the tool should be in this phase, and how fast it may go there: m per step."""
        if self._phase in (Phase.APPROACH, Phase.DESCEND, Phase.CLOSE):
            above = CLEARANCE if self._phase is Phase.APPROACH else 0.0
            return self._grasp_point() + above * UP, FAST if above else SLOW
        if self._phase is Phase.LIFT:
            return self._entered_at + CLEARANCE * UP, FAST
        if self._phase is Phase.RETREAT:
            return self._entered_at + CLEARANCE * UP, SLOW
        if self._phase is Phase.CARRY:
            return self._place_point() + PASS_OVER * UP, FAST
        return self._place_point(), SLOW

    def _grasp_point(self) -> FloatArray:
        grasp = self._plan.grasp
        position, rotation = self._world.frame(self._plan.goal.source)
        offset = rotation[:, :2] @ np.array(grasp.point)
        offset[2] = grasp.height
        point = self._world.in_base(position + offset)
        point[2] = max(point[2], self._support + FINGERTIP)
        return point

    def _place_point(self) -> FloatArray:
        """Where the tool lets go: the object then hangs `drop` above the spot."""
        spot = self._plan.goal.spot(self._world)
        assert spot is not None, "an object that is held up is not carried"
        height = self._source_height + self._plan.grasp.drop
        place: FloatArray = self._world.in_base(spot) + height * UP + self._held
        return place

    def _grasp_rotation(self) -> FloatArray:
        """Tool pointing down, fingers closing across the object, as near to `turn` as possible."""
        grasp = self._plan.grasp
        _, rotation = self._world.frame(self._plan.goal.source)
        along = self._world.turned_to_base(rotation) @ np.array(grasp.along)
        across = np.array([-along[1], along[0], 0.0]) / np.linalg.norm(along[:2])
        closing = [across, -across]
        length, width, _ = self._world.objects[self._plan.goal.source].specimen.stretch
        if grasp.quarter_turns and length == width:
            closing += [np.cross(UP, across), -np.cross(UP, across)]
        choices = [np.stack([-UP, axis, np.cross(-UP, axis)], axis=1) for axis in closing]
        middle = matrix(about_axis("z", grasp.turn)) @ self._home
        turns = [float(np.linalg.norm(rotation_vector(c @ middle.T))) for c in choices]
        return choices[int(np.argmin(turns))]

    def _centre(self, name: str) -> FloatArray:
        return self._world.in_base(self._world.centre_of_mass(name))

    def _rising(self, goal: FloatArray) -> FloatArray:
        """`goal`, or first straight up when it is across and above."""
        tool, _ = self._world.tcp_in_base()
        across = np.linalg.norm((goal - tool)[:2])
        if goal[2] - tool[2] > 0.02 < across:
            return np.array([tool[0], tool[1], goal[2]])
        return goal
