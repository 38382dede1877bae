"""SIMPLER's success rule for picking an object up, and its sub-goals (simpler.md §2.10).

Source: ManiSkill2_real2sim@ef7a4d4 grasp_single_in_scene.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.hand import MAX_GRASP_ANGLE
from vla_bench.envs.tabletop.tasks.task import Verdict
from vla_bench.envs.tabletop.world import World

CONSECUTIVE = 5  # control steps
LIFTED, LIFTED_HIGH = 0.01, 0.02  # m
REACHED = 0.08  # m from the tool to the can's centre; this project's
PARTIAL_CREDIT = (("grasped", 0.25), ("consecutive_grasp", 0.5))


@dataclass(frozen=True)
class PickUp:
    """Lift the object `name` off everything (simpler.md §2.10)."""

    name: str

    @property
    def events(self) -> tuple[str, ...]:
        return ("reached", "grasped", "consecutive_grasp", "lifted", "lifted_significantly")

    @property
    def text(self) -> str:
        return (
            f"the {self.name} is lifted at the last step ({LIFTED * 1e3:.0f} mm up, touching only "
            f"the robot, not let go since), or was {LIFTED_HIGH * 1e3:.0f} mm up at "
            f"{CONSECUTIVE} steps or more"
        )

    def start(self, world: World) -> PickUpJudge:
        return PickUpJudge(self, world)


class PickUpJudge:
    """One episode of `PickUp`. The score is the furthest sub-goal so far; 1 while it holds."""

    def __init__(self, goal: PickUp, world: World) -> None:
        self._goal, self._world = goal, world
        self._settled = world.frame(goal.name)[0][2]
        self._n_grasped = self._n_high = 0
        self._lifted = False
        self._credit = 0.0

    def judge(self) -> Verdict:
        events = self._events()
        for name, credit in PARTIAL_CREDIT:
            if name in events:
                self._credit = max(self._credit, credit)
        success = self._lifted or self._n_high >= CONSECUTIVE
        return Verdict(success, 1.0 if success else self._credit, frozenset(events))

    def _events(self) -> set[str]:
        world, name = self._world, self._goal.name
        grasped = world.is_grasped(name, MAX_GRASP_ANGLE)
        self._n_grasped = self._n_grasped + 1 if grasped else 0
        risen = float(world.frame(name)[0][2] - self._settled)
        free = world.touches_only(name)
        self._lifted = (self._lifted and grasped) or (free and risen > LIFTED)
        high = self._lifted and risen > LIFTED_HIGH
        self._n_high += high
        tool, _ = world.tcp_in_base()
        centre = world.in_base(world.centre_of_mass(name))
        held = {
            "reached": bool(np.linalg.norm(centre - tool) < REACHED),
            "grasped": grasped,
            "consecutive_grasp": self._n_grasped >= CONSECUTIVE,
            "lifted": self._lifted,
            "lifted_significantly": high,
        }
        return {event for event, holds in held.items() if holds}
