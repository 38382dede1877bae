"""Open the top drawer, then put the apple into it: SIMPLER's PlaceIntoClosedTopDrawerCustomInScene.

Two stages with an instruction each; the second begins after 100 control steps, as in SIMPLER when
a policy does not end the first one itself.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.hand import MAX_GRASP_ANGLE, Script
from vla_bench.envs.tabletop.objects.fruit import APPLE
from vla_bench.envs.tabletop.scenes.cabinet import CABINET_SCENE, CABINET_TOP, floor_of, joint_of
from vla_bench.envs.tabletop.scenes.counter import standing_at
from vla_bench.envs.tabletop.scenes.scene import Surface
from vla_bench.envs.tabletop.tasks.google.drawers import BASES, OPENED
from vla_bench.envs.tabletop.tasks.google.place_script import place_in_drawer
from vla_bench.envs.tabletop.tasks.grids import spawn
from vla_bench.envs.tabletop.tasks.task import Layout, Reach, Task, Then, Verdict
from vla_bench.envs.tabletop.world import ROBOT, World

DRAWER, OBJECT = "top", "apple"
STANDS = (BASES[0], BASES[3], BASES[6])  # SIMPLER's a0, b0, c0 (simpler.md §2.9)
XS = tuple(np.linspace(-0.08, -0.02, 3).tolist())
YS = tuple(np.linspace(-0.02, 0.08, 3).tolist())
# Further back, the arm is stretched before the fingers are beside the apple.
IN_FRONT = Surface((-0.16, -0.02, -0.20, 0.20), CABINET_TOP)
STAGE = 100  # control steps before the second instruction
STILL_OPEN = 0.05  # m, SIMPLER's
REACHED = 0.08  # m from the tool to the object; this project's
PARTIAL_CREDIT = (("opened", 0.25), ("grasped", 0.5), ("in_drawer", 0.75))


@dataclass(frozen=True)
class PlaceInDrawer:
    """Open `drawer`, then bring `source` to its floor (simpler.md §2.10)."""

    drawer: str
    source: str

    @property
    def events(self) -> tuple[str, ...]:
        return ("opened", "reached", "grasped", "in_drawer", "placed")

    @property
    def text(self) -> str:
        return (
            f"at the last step, which is of the second stage, the {self.drawer} drawer is open "
            f"{STILL_OPEN:.2f} m or more, and at some step the {self.source} has touched its floor"
        )

    def start(self, world: World) -> PlaceInDrawerJudge:
        return PlaceInDrawerJudge(self, world)


class PlaceInDrawerJudge:
    """One episode of `PlaceInDrawer`. The score is the furthest sub-goal; 1 while success holds."""

    def __init__(self, goal: PlaceInDrawer, world: World) -> None:
        self._goal, self._world = goal, world
        self._n_steps = 0
        self._was_in = False
        self._credit = 0.0

    def judge(self) -> Verdict:
        self._n_steps += 1
        goal, world = self._goal, self._world
        opening = world.drawer_opening(joint_of(goal.drawer))
        self._was_in |= world.touches(goal.source, floor_of(goal.drawer))
        success = self._n_steps > STAGE and opening >= STILL_OPEN and self._was_in
        tool, _ = world.tcp_in_base()
        centre = world.in_base(world.centre_of_mass(goal.source))
        held = {
            "opened": opening >= OPENED,
            "reached": bool(np.linalg.norm(centre - tool) < REACHED),
            "grasped": world.is_grasped(goal.source, MAX_GRASP_ANGLE),
            "in_drawer": self._was_in,
            "placed": success,
        }
        events = frozenset(name for name, holds in held.items() if holds)
        for name, credit in PARTIAL_CREDIT:
            if name in events:
                self._credit = max(self._credit, credit)
        return Verdict(success, 1.0 if success else self._credit, events)


def _layouts() -> tuple[Layout, ...]:
    return tuple(
        {ROBOT: standing_at(*stand), OBJECT: spawn((x, y), CABINET_TOP)}
        for stand, x, y in itertools.product(STANDS, XS, YS)
    )


GOAL = PlaceInDrawer(DRAWER, OBJECT)

PLACE_APPLE = Task(
    name="place_apple_in_closed_top_drawer",
    instruction="open top drawer",
    horizon=200,
    scene=CABINET_SCENE,
    objects={OBJECT: APPLE},
    layouts=_layouts(),
    goal=GOAL,
    expert=lambda world: Script(place_in_drawer(world, DRAWER, OBJECT)),
    then=Then("place apple into top drawer", STAGE),
    reach=Reach({OBJECT: (IN_FRONT,)}),
)
