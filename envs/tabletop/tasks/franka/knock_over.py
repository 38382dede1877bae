"""Knock <object> Over: one of three; out of distribution, two unseen objects stand behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vla_bench.envs.tabletop.hand import Script
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.cookware import RED_CUP
from vla_bench.envs.tabletop.objects.packaging import (
    BLUE_BOTTLE,
    BROWN_BOX,
    JUICE_BOX,
    ORANGE_BOTTLE,
)
from vla_bench.envs.tabletop.scenes.franka import PLAIN_TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.tasks.franka.goal import FIRST_TOUCH, TOUCHED, Fallen, FirstTouch
from vla_bench.envs.tabletop.tasks.franka.hand import SLOW, Actions, Hand, Waypoint
from vla_bench.envs.tabletop.tasks.franka.row import Ask, Row, Setting, make_named_task
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw
from vla_bench.envs.tabletop.world import World

FUNNEL = ("reached", TOUCHED, "knocked_over")
AT_HEIGHT = 0.8  # of the object's, where it is pushed
BEFORE, BEYOND = 0.07, 0.06  # m from the object's middle to the tool, before and after the push
ABOVE = 0.10  # m over that, to come and to go
FORWARD = np.array([1.0, 0.0, 0.0])  # away from the robot, in its base frame

TARGETS: dict[str, TabletopObject] = {
    "juice_box": JUICE_BOX,
    "blue_bottle": BLUE_BOTTLE,
    "orange_bottle": ORANGE_BOTTLE,
}
DISTRACTORS = {"red_cup": RED_CUP, "brown_box": BROWN_BOX}
SPOTS = dict.fromkeys(TARGETS, Spot((-0.21, -0.10, -0.22, 0.22), TABLE_HEIGHT, 0.065, (-0.5, 0.5)))
BEHIND = {
    "red_cup": Spot((0.045, 0.060, 0.03, 0.20), TABLE_HEIGHT, 0.05),
    "brown_box": Spot((0.045, 0.060, -0.20, -0.03), TABLE_HEIGHT, 0.05, (-0.3, 0.3)),
}
ROW = Row(
    "knock_object_over",
    "Knock <object> Over",
    credit=FIRST_TOUCH.format(toucher="robot"),
    stand_in="the paper does not name its objects: juice box, blue and orange bottle here",
)


def _knock(world: World, goal: FirstTouch) -> Actions:
    """With closed fingers, from the robot's side, as often as it takes."""
    hand, judge, name = Hand(world), goal.start(world), goal.named
    height = AT_HEIGHT * world.objects[name].extents[2]
    rotation = hand.downwards(FORWARD)
    while True:
        middle = world.in_base(world.frame(name)[0]) * (1.0, 1.0, 0.0)
        middle[2] = height
        before = Waypoint(middle - BEFORE * FORWARD, rotation, 0.0, tolerance=0.012)
        beyond = replace(before, position=middle + BEYOND * FORWARD, speed=1.5 * SLOW)
        for leg in (before.raised(ABOVE), before, beyond):
            yield from hand.go(leg)
        yield from hand.go(hand.here(0.0).raised(ABOVE))
        rest = hand.here(0.0)
        while judge.is_placed():
            yield hand.towards(rest)


def _ask(row: Row, name: str, bystanders: Mapping[str, TabletopObject]) -> Ask:
    rivals = tuple(other for other in (*TARGETS, *bystanders) if other != name)
    goal = FirstTouch(Trial(name, Fallen(name), FUNNEL), name, rivals)
    instruction = row.naming(name.replace("_", " "))
    return Ask(instruction, goal, lambda world: Script(_knock(world, goal)))


def _task(row: Row, n_trials: int, spots: Mapping[str, Spot]) -> Task:
    bystanders = {name: kind for name, kind in DISTRACTORS.items() if name in spots}
    layouts = draw(f"franka/{row.name}", spots, n_trials // len(TARGETS))
    setting = Setting(PLAIN_TABLE, {**TARGETS, **bystanders}, layouts)
    return make_named_task(row, setting, [_ask(row, name, bystanders) for name in TARGETS])


KNOCK_OBJECT_OVER = _task(ROW, 12, SPOTS)
KNOCK_OBJECT_OVER_OOD = _task(
    ROW.shifted("an unseen red plastic cup and brown box stand behind the three objects"),
    6,
    {**SPOTS, **BEHIND},
)
