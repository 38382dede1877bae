"""SIMPLER's success rule for moving one object near another, and its sub-goals (simpler.md §2.10).

Source: ManiSkill2_real2sim@ef7a4d4 move_near_in_scene.py. SIMPLER's statistics are the present
step's; nothing is latched.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.hand import MAX_GRASP_ANGLE
from vla_bench.envs.tabletop.tasks.put_on import half_extents
from vla_bench.envs.tabletop.tasks.task import Verdict
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

GAP = 0.10  # m between the two half diagonals
CLOSEST_SLACK = 0.01
MOVED = 0.03  # m, horizontally
DROP_OTHER, DROP_PAIR = 0.02, 0.15  # m that an object may end up lower
REACHED = 0.08  # m from the tool to the source's centre of mass; this project's
AROUND = sorted(range(-150, 151, 15), key=abs)  # degrees, in order of preference
TIGHT = 0.105  # m between the middles of two objects that are side by side
CLEAR = 0.07  # m that distractors keep from objects: there must be a place near the target alone
FREE = 0.06  # m that another object must be further away than the target
PARTIAL_CREDIT = (("grasped", 0.25), ("moved_correct_object", 0.5), ("near_target", 0.75))


@dataclass(frozen=True)
class Near:
    """`source` must come to be near `target`, and nearer to it than to anything else."""

    source: str
    target: str

    @property
    def events(self) -> tuple[str, ...]:
        return ("reached", "grasped", "moved_correct_object", "near_target", "moved_near")

    @property
    def text(self) -> str:
        return (
            f"at the last step, nothing has been knocked over or off ({DROP_OTHER * 1e2:.0f} cm "
            f"lower, of source and target {DROP_PAIR * 1e2:.0f} cm), the source has moved more "
            f"than {MOVED * 1e2:.0f} cm and more than anything else, its horizontal distance to "
            f"the target is below the sum of their half diagonals + {GAP * 1e2:.0f} cm and not "
            f"over {CLOSEST_SLACK * 1e2:.0f} cm more than to any other object"
        )

    def start(self, world: World) -> NearJudge:
        return NearJudge(self, world)


class NearJudge:
    """One episode of `Near`. The score is the furthest sub-goal so far; 1 only while it holds."""

    def __init__(self, goal: Near, world: World) -> None:
        self._goal, self._world = goal, world
        self._settled = {name: world.frame(name)[0] for name in world.objects}
        radii = [half_extents(world, name)[:2] for name in (goal.source, goal.target)]
        self._near = sum(float(np.linalg.norm(radius)) for radius in radii) + GAP
        self._credit = 0.0

    def judge(self) -> Verdict:
        events = self._events()
        for name, credit in PARTIAL_CREDIT:
            if name in events:
                self._credit = max(self._credit, credit)
        success = "moved_near" in events
        return Verdict(success, 1.0 if success else self._credit, frozenset(events))

    def _events(self) -> set[str]:
        world, goal = self._world, self._goal
        tool, _ = world.tcp_in_base()
        centre = world.in_base(world.centre_of_mass(goal.source))
        correct, wrong = self._moved()
        held = {
            "reached": bool(np.linalg.norm(centre - tool) < REACHED),
            "grasped": world.is_grasped(goal.source, MAX_GRASP_ANGLE),
            "all_objects_keep_height": self._all_keep_height(),
            "moved_correct_object": correct,
            "moved_wrong_object": wrong,
            "near_target": self._distance(goal.target) < self._near,
            "closest_to_target": self._is_closest(),
        }
        events = {name for name, holds in held.items() if holds}
        required = {"all_objects_keep_height", "moved_correct_object", "near_target"}
        if required | {"closest_to_target"} <= events:
            events.add("moved_near")
        return events

    def _all_keep_height(self) -> bool:
        for name, was in self._settled.items():
            drop = was[2] - self._world.frame(name)[0][2]
            pair = name in (self._goal.source, self._goal.target)
            if drop >= (DROP_PAIR if pair else DROP_OTHER):
                return False
        return True

    def _moved(self) -> tuple[bool, bool]:
        """Whether the source, or else another object, has been moved furthest."""
        moved = {
            name: float(np.linalg.norm((self._world.frame(name)[0] - was)[:2]))
            for name, was in self._settled.items()
        }
        source = moved.pop(self._goal.source)
        other = max(moved.values())
        return source > MOVED and source > other, other > MOVED and other > source

    def _distance(self, other: str) -> float:
        """Horizontally from the source to `other`, between centres of mass, m."""
        world = self._world
        gap = world.centre_of_mass(self._goal.source) - world.centre_of_mass(other)
        return float(np.linalg.norm(gap[:2]))

    def _is_closest(self) -> bool:
        goal = self._goal
        others = [name for name in self._settled if name not in (goal.source, goal.target)]
        nearest = min((self._distance(name) for name in others), default=np.inf)
        return self._distance(goal.target) < nearest + CLOSEST_SLACK


def spot_beside(world: World, source: str, target: str, apart: float) -> FloatArray:
    """World x and y (2,) where the source is near the target and nearer to it than to the others.

    `apart` m from the target, or `TIGHT`, on a surface: the first place that is free, as little
    around the target from where the source is as can be; or else the freest.
    """
    here, there = world.centre_of_mass(source)[:2], world.centre_of_mass(target)[:2]
    others = [world.centre_of_mass(x)[:2] for x in world.objects if x not in (source, target)]
    way = (here - there) / np.linalg.norm(here - there)
    choices = []
    for distance, degrees in itertools.product((apart, TIGHT), AROUND):
        sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
        spot = there + distance * np.array([[cosine, -sine], [sine, cosine]]) @ way
        room = min((float(np.linalg.norm(spot - other)) for other in others), default=np.inf)
        if degrees == 0 or _on_surface(world, spot):
            if room > distance + FREE:
                return spot
            choices.append((room - distance, spot))
    return max(choices, key=lambda choice: choice[0])[1]


def _on_surface(world: World, spot: FloatArray) -> bool:
    x, y = spot
    areas = [surface.area for surface in world.scene.surfaces]
    return any(low < x < high and near < y < far for low, high, near, far in areas)
