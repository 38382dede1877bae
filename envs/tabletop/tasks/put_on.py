"""SIMPLER's success rule for putting one object on another, and its sub-goals.

Source: simpler.md §2.10, from ManiSkill2_real2sim@ef7a4d4 put_on_in_scene.py, kept literally: the
bounding boxes are turned by the settled rotation *with their signs*, so a tilt changes the vertical
term by millimetres; the gripper need not be open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.tasks.task import Verdict
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

XY_SLACK = 0.003  # m
MAX_GRASP_ANGLE = np.deg2rad(60.0)  # between a finger's impulse and its opening direction
CONSECUTIVE = 5  # control steps
MOVED = 0.03  # m, horizontally
REACHED = 0.04  # m from the tool to the object's centre of mass; this project's
LIFTED = 0.01  # m; this project's, SIMPLER's put-on tasks do not report it
PARTIAL_CREDIT = (("grasped", 0.25), ("lifted", 0.5), ("over_target", 0.75))


@dataclass(frozen=True)
class PutOn:
    """`source` must rest on `target`, its underside at most `max_gap` metres above it.

    `only_touching`: the source may touch nothing but the target and the robot.
    """

    source: str
    target: str
    max_gap: float
    only_touching: bool

    @property
    def events(self) -> tuple[str, ...]:
        return ("reached", "grasped", "lifted", "over_target", "placed")

    @property
    def text(self) -> str:
        contact = f" and touches only the {self.target} and the robot" if self.only_touching else ""
        return (
            f"at the last step, the {self.source}'s centre is horizontally within the "
            f"{self.target}'s half diagonal + {XY_SLACK * 1e3:.0f} mm, its underside at most "
            f"{self.max_gap * 1e3:.0f} mm above the {self.target}{contact}"
        )

    def start(self, world: World) -> PutOnJudge:
        return PutOnJudge(self, world)

    def spot(self, world: World) -> FloatArray:
        """World point (3,) m in the middle of the target's top: where an expert lets go."""
        spot = world.centre_of_mass(self.target)
        spot[2] += abs(half_extents(world, self.target)[2])
        return spot


class PutOnJudge:
    """One episode of `PutOn`. The score is the furthest sub-goal so far; 1 only while it holds."""

    def __init__(self, goal: PutOn, world: World) -> None:
        self._goal, self._world = goal, world
        self._half_source = half_extents(world, goal.source)
        self._half_target = half_extents(world, goal.target)
        self._settled = {name: world.centre_of_mass(name) for name in world.objects}
        self._n_grasped = 0
        self._credit = 0.0

    def judge(self) -> Verdict:
        events = self._events()
        for name, credit in PARTIAL_CREDIT:
            if name in events:
                self._credit = max(self._credit, credit)
        success = "placed" in events
        return Verdict(success, 1.0 if success else self._credit, frozenset(events))

    def is_placed(self) -> bool:
        """Whether the episode would be a success if it ended now."""
        goal, offset = self._goal, self._offset()
        on = is_on(offset, self._half_source, self._half_target, goal.max_gap)
        return on and (not goal.only_touching or self._world.touches_only(goal.source, goal.target))

    def _events(self) -> set[str]:
        world, source = self._world, self._goal.source
        centre = world.centre_of_mass(source)
        tool, _ = world.tcp_in_base()
        grasped = world.is_grasped(source, MAX_GRASP_ANGLE)
        lifted = grasped and centre[2] - self._settled[source][2] > LIFTED
        self._n_grasped = self._n_grasped + 1 if grasped else 0
        over = is_over(self._offset(), self._half_target)
        correct, wrong = self._moved()
        held = {
            "reached": bool(np.linalg.norm(world.in_base(centre) - tool) < REACHED),
            "grasped": grasped,
            "consecutive_grasp": self._n_grasped >= CONSECUTIVE,
            "lifted": lifted,
            "moved_correct_object": correct,
            "moved_wrong_object": wrong,
            "over_target": lifted and over,
            "placed": self.is_placed(),
        }
        return {name for name, holds in held.items() if holds}

    def _offset(self) -> FloatArray:
        """(3,) m from the target's to the source's centre of mass."""
        world = self._world
        return world.centre_of_mass(self._goal.source) - world.centre_of_mass(self._goal.target)

    def _moved(self) -> tuple[bool, bool]:
        """Whether the source, or else another object, has been moved furthest."""
        moved = {
            name: float(np.linalg.norm((self._world.centre_of_mass(name) - start)[:2]))
            for name, start in self._settled.items()
        }
        source = moved.pop(self._goal.source)
        other = max(moved.values())
        return source > MOVED and source > other, other > MOVED and other > source


def half_extents(world: World, name: str) -> FloatArray:
    """(3,) m: half of SIMPLER's box, turned by the object's present rotation, signs kept."""
    _, rotation = world.frame(name)
    half: FloatArray = rotation @ np.array(world.objects[name].extents) / 2
    return half


def is_over(offset: FloatArray, half_target: FloatArray) -> bool:
    """Whether the source's centre is horizontally within reach of the target's."""
    return bool(np.linalg.norm(offset[:2]) <= np.linalg.norm(half_target[:2]) + XY_SLACK)


def is_on(
    offset: FloatArray, half_source: FloatArray, half_target: FloatArray, max_gap: float
) -> bool:
    """The geometric part of the rule; `offset` from target to source, all (3,) m, world frame."""
    gap = offset[2] - half_target[2] - half_source[2]
    return is_over(offset, half_target) and bool(offset[2] > 0.0) and bool(gap <= max_gap)
