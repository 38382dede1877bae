"""Open and close the three drawers: SIMPLER's {Open,Close}*DrawerCustomInScene-v0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.hand import Script
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.cabinet import CABINET_SCENE, DRAWERS, handle_of, joint_of
from vla_bench.envs.tabletop.scenes.counter import standing_at
from vla_bench.envs.tabletop.tasks.google.drawer_script import open_drawer, push_shut
from vla_bench.envs.tabletop.tasks.task import Layout, Task, Verdict
from vla_bench.envs.tabletop.world import ROBOT, World

BASES = (  # x, y m and turn rad of SIMPLER's a0 a1 a2 b0 b1 b2 c0 c1 c2 (simpler.md §2.9)
    (0.644, -0.179, -0.03),
    (0.765, -0.182, -0.02),
    (0.889, -0.203, -0.06),
    (0.652, 0.009, 0.0),
    (0.752, 0.009, 0.0),
    (0.851, 0.035, 0.0),
    (0.665, 0.224, 0.0),
    (0.765, 0.222, -0.025),
    (0.865, 0.222, -0.025),
)
OPENED, CLOSED = 0.15, 0.05  # m, SIMPLER's thresholds
START_OPEN = 0.2
NO_OBJECTS: dict[str, TabletopObject] = {}
MOVED = 0.02  # m; this project's
REACHED = 0.06  # m from the tool to the handle; this project's


@dataclass(frozen=True)
class MoveDrawer:
    """Pull ``top``, ``middle`` or ``bottom`` open, or push it shut."""

    drawer: str
    opens: bool

    @property
    def events(self) -> tuple[str, ...]:
        return ("reached", "moved", "opened" if self.opens else "closed")

    @property
    def text(self) -> str:
        rule = f"open {OPENED:.2f} m or more" if self.opens else f"open {CLOSED:.2f} m or less"
        return f"at the last step, the {self.drawer} drawer is {rule}"

    def start(self, world: World) -> MoveDrawerJudge:
        return MoveDrawerJudge(self, world)


class MoveDrawerJudge:
    """One episode of `MoveDrawer`. The score is the share of the way, 1 only at success."""

    def __init__(self, goal: MoveDrawer, world: World) -> None:
        self._goal, self._world = goal, world
        self._start = world.drawer_opening(joint_of(goal.drawer))

    def judge(self) -> Verdict:
        goal, world = self._goal, self._world
        opening = world.drawer_opening(joint_of(goal.drawer))
        threshold = OPENED if goal.opens else CLOSED
        success = opening >= OPENED if goal.opens else opening <= CLOSED
        share = (opening - self._start) / (threshold - self._start)
        tool, _ = world.tcp_in_base()
        handle = world.in_base(np.array(handle_of(goal.drawer, opening)))
        held = {
            "reached": bool(np.linalg.norm(handle - tool) < REACHED),
            "moved": abs(opening - self._start) > MOVED,
            goal.events[-1]: success,
        }
        events = frozenset(name for name, holds in held.items() if holds)
        return Verdict(success, 1.0 if success else float(np.clip(share, 0.0, 0.99)), events)


def _layouts(drawer: str, opening: float) -> tuple[Layout, ...]:
    return tuple(
        {ROBOT: standing_at(*base), joint_of(drawer): Pose((opening, 0.0, 0.0))} for base in BASES
    )


def _task(drawer: str, opens: bool) -> Task:
    script = open_drawer if opens else push_shut
    verb = "open" if opens else "close"
    return Task(
        name=f"{verb}_{drawer}_drawer",
        instruction=f"{verb} {drawer} drawer",
        horizon=113,
        scene=CABINET_SCENE,
        objects=NO_OBJECTS,
        layouts=_layouts(drawer, 0.0 if opens else START_OPEN),
        goal=MoveDrawer(drawer, opens),
        expert=lambda world: Script(script(world, drawer)),
    )


OPEN_DRAWERS = tuple(_task(drawer, opens=True) for drawer in DRAWERS)
CLOSE_DRAWERS = tuple(_task(drawer, opens=False) for drawer in DRAWERS)
