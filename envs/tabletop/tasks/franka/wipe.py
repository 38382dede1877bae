"""Wipe Table, on the DROID desk: brush three brown pieces into a dustpan.

Out of distribution, unseen objects stand about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vla_bench.envs.tabletop.expert import Grasp
from vla_bench.envs.tabletop.hand import Script
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.cleaning import BRUSH, CRUMB, DUSTPAN, PAN, PAN_WALL
from vla_bench.envs.tabletop.objects.cookware import RED_CUP, YELLOW_MUG
from vla_bench.envs.tabletop.objects.packaging import BROWN_BOX, JUICE_BOX
from vla_bench.envs.tabletop.scenes.franka import DROID_DESK, TABLE_HEIGHT
from vla_bench.envs.tabletop.scenes.scene import Surface
from vla_bench.envs.tabletop.tasks.franka.hand import SLOW, Actions, Hand, take
from vla_bench.envs.tabletop.tasks.franka.row import Ask, Row, Setting, make_task
from vla_bench.envs.tabletop.tasks.task import Reach, Task, Verdict
from vla_bench.envs.tabletop.tasks.trial.credit import Reached
from vla_bench.envs.tabletop.tasks.trial.goal import PARTIAL
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw
from vla_bench.envs.tabletop.tasks.trial.situation import Situation
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

CRUMBS = ("crumb_1", "crumb_2", "crumb_3")
GRASP = Grasp(point=(0.0, 0.0), height=0.032, along=(1.0, 0.0, 0.0))
LIFT = 0.06  # m of the brush over the desk, on its way
SKIM = 0.0015  # m of the bristles over the desk and over the pan's floor
BEHIND = 0.05  # m from the furthest piece to the brush, before a stroke
INTO = 0.025  # m from the pan's back wall to the brush, after a stroke

SPOTS = {
    "dustpan": Spot((-0.13, -0.09, -0.22, -0.19), TABLE_HEIGHT, 0.08, (0.0, 0.0)),
    "brush": Spot((-0.13, -0.09, 0.17, 0.22), TABLE_HEIGHT, 0.04, (-0.3, 0.3)),
    **dict.fromkeys(CRUMBS, Spot((-0.155, -0.065, -0.07, 0.09), TABLE_HEIGHT, 0.018)),
}
DISTRACTORS = {"cup": RED_CUP, "mug": YELLOW_MUG, "juice_box": JUICE_BOX, "brown_box": BROWN_BOX}
BYSTANDERS = {
    "cup": Spot((0.06, 0.09, 0.02, 0.18), TABLE_HEIGHT, 0.05),
    "mug": Spot((-0.30, -0.27, 0.05, 0.18), TABLE_HEIGHT, 0.05),
    "juice_box": Spot((-0.30, -0.27, -0.15, 0.00), TABLE_HEIGHT, 0.04),
    "brown_box": Spot((0.06, 0.09, -0.20, -0.05), TABLE_HEIGHT, 0.06),
}
# Pieces lie before the pan, since a brush sweeps one lane; nothing else stands in that lane.
REACH = Reach(
    {
        "brush": (Surface((-0.17, -0.05, 0.13, 0.26), TABLE_HEIGHT),),
        **dict.fromkeys(CRUMBS, (Surface((-0.155, -0.065, -0.11, 0.13), TABLE_HEIGHT),)),
        **dict.fromkeys(BYSTANDERS, ()),
    },
    way=(-0.19, -0.03, -0.30, 0.30),
)
ROW = Row(
    "wipe_table",
    "Wipe Table",
    credit="0.5: one or two of the three pieces lie in the dustpan (1 point of 2)",
    stand_in="the brush's bristles are a rigid block, the dustpan is fixed to the desk",
)


@dataclass(frozen=True)
class Swept:
    """All pieces lie in the dustpan; `source` is what sweeps them."""

    source: str = "brush"

    @property
    def events(self) -> tuple[str, ...]:
        return ("reached", "brush_grasped", "one_swept", "two_swept", "all_swept")

    @property
    def text(self) -> str:
        return "at the last step, the centres of all three brown pieces are inside the dustpan"

    def start(self, world: World) -> SweptJudge:
        return SweptJudge(world)


class SweptJudge:
    """One episode of a `Swept`."""

    def __init__(self, world: World) -> None:
        self._world, self._now = world, Situation(world, {})
        self._reached = Reached("brush")

    def remaining(self) -> list[str]:
        """The pieces that are not in the dustpan."""
        return [name for name in CRUMBS if not self._is_in_pan(name)]

    def judge(self) -> Verdict:
        n_swept = len(CRUMBS) - len(self.remaining())
        held = {
            "reached": self._reached.holds(self._now),
            "brush_grasped": self._now.grasped("brush"),
            "one_swept": n_swept >= 1,
            "two_swept": n_swept >= 2,
            "all_swept": n_swept == 3,
        }
        score = 1.0 if n_swept == 3 else PARTIAL if n_swept else 0.0
        events = frozenset(name for name, holds in held.items() if holds)
        return Verdict(n_swept == 3, score, events)

    def _is_in_pan(self, name: str) -> bool:
        origin, rotation = self._world.frame("dustpan")
        x, y, z = rotation.T @ (self._world.centre_of_mass(name) - origin)
        return bool(abs(x) < PAN[0] and abs(y) < PAN[1] and 0.0 < z < PAN_WALL)


def _wipe(world: World) -> Actions:
    """Strokes along the desk into the pan, as many as are needed."""
    hand, judge = Hand(world), SweptJudge(world)
    while True:
        if not hand.holds("brush"):
            yield from take(hand, "brush", GRASP)
        yield from _stroke(hand, judge.remaining())
        rest = replace(hand.here(0.0), tolerance=0.02).raised(LIFT)
        yield from hand.go(rest)
        while not judge.remaining():
            yield hand.towards(rest)


def _stroke(hand: Hand, crumbs: list[str]) -> Actions:
    """From behind the furthest of `crumbs` into the pan, square to it."""
    world = hand.world
    pan, turned = world.frame("dustpan")
    pan, inwards = world.in_base(pan), -world.turned_to_base(turned)[:, 1]
    places = [world.in_base(world.centre_of_mass(name)) for name in crumbs]
    furthest = min((float((place - pan) @ inwards) for place in places), default=0.0)
    middle = np.mean([place[0] for place in places]) if places else pan[0]
    aim = replace(hand.here(0.0), rotation=hand.downwards(inwards), tolerance=0.01)
    tool, rotation = world.tcp_in_base()
    held = world.in_base(world.frame("brush")[0]) - tool
    grip = rotation @ (aim.rotation.T @ held)

    def tool_at(along: float, height: float) -> FloatArray:
        line = pan + along * inwards
        return np.array([0.5 * (middle + pan[0]), line[1], height]) - grip * (0.0, 1.0, 1.0)

    start, end = furthest - BEHIND, PAN[1] - INTO
    for along, height, speed in (
        (start, LIFT, 2 * SLOW),
        (start, SKIM, SLOW),
        (-PAN[1], SKIM, 1.5 * SLOW),
        (end, 2 * SKIM, SLOW),
    ):
        yield from hand.go(replace(aim, position=tool_at(along, height), speed=speed))


def _task(row: Row, n_trials: int, bystanders: Mapping[str, Spot]) -> Task:
    objects: dict[str, TabletopObject] = {
        "dustpan": DUSTPAN,
        "brush": BRUSH,
        **dict.fromkeys(CRUMBS, CRUMB),
        **{name: DISTRACTORS[name] for name in bystanders},
    }
    layouts = draw(f"franka/{row.name}", {**SPOTS, **bystanders}, n_trials)
    setting = Setting(DROID_DESK, objects, layouts)
    ask = Ask("wipe table", Swept(), lambda world: Script(_wipe(world)))
    return make_task(row, setting, ask).within(REACH)


WIPE_TABLE = _task(ROW, 18, {})
WIPE_TABLE_OOD = _task(
    replace(ROW.shifted("unseen objects stand on the desk"), title="Wipe Table + Distractors"),
    12,
    BYSTANDERS,
)
