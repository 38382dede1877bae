"""Pick Coke Can, Pepsi Can, Banana, Green Cup: one object is named, others may stand about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vla_bench.envs.tabletop.hand import Scripted
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.drinks import COKE, PEPSI, STANDING_COKE
from vla_bench.envs.tabletop.objects.fruit import LIGHT_APPLE
from vla_bench.envs.tabletop.objects.snacks import BANANA, GREEN_CUP
from vla_bench.envs.tabletop.scenes.counter import COUNTER
from vla_bench.envs.tabletop.scenes.counter_cloths import YELLOW_COUNTER
from vla_bench.envs.tabletop.scenes.scene import Scene
from vla_bench.envs.tabletop.tasks.google.pick_up import PickUp
from vla_bench.envs.tabletop.tasks.google.script import BANANA_HOLD, Hold, pick
from vla_bench.envs.tabletop.tasks.google_paper.row import (
    N_TRIALS,
    Row,
    Setting,
    anywhere,
    make_task,
)
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.tasks.trial.layouts import draw

ROOM = 0.075  # m around each object: the open hand fits beside the next one
CAN_HOLD = Hold(0.015)
CUP_HOLD = Hold(0.030)

COKE_ROW = Row("pick_coke_can", "Pick Coke Can")
PEPSI_ROW = Row(
    "pick_pepsi_can",
    "Pick Pepsi Can",
    "the can, and a tablecloth with a bright yellow and brown pattern",
)
BANANA_ROW = Row("pick_banana", "Pick Banana", "the banana as a target; an apple and a coke can")
CUP_ROW = Row("pick_green_cup", "Pick Green Cup", "all objects: a cup, a banana, a pepsi can")


@dataclass(frozen=True)
class Wanted:
    """The named object, and how to hold it."""

    name: str
    hold: Hold


def _task(row: Row, scene: Scene, objects: Mapping[str, TabletopObject], wanted: Wanted) -> Task:
    layouts = draw(f"google/{row.name}", dict.fromkeys(objects, anywhere(ROOM)), N_TRIALS)
    setting = Setting(scene, objects, layouts)
    goal = PickUp(wanted.name)
    task = make_task(row, setting, goal, Scripted(pick, goal, wanted.hold).start)
    return task.within(wanted.hold.reach(wanted.name))


PICK_COKE_CAN = _task(COKE_ROW, COUNTER, {"coke_can": STANDING_COKE}, Wanted("coke_can", CAN_HOLD))
PICK_PEPSI_CAN = _task(
    PEPSI_ROW, YELLOW_COUNTER, {"pepsi_can": PEPSI.standing()}, Wanted("pepsi_can", CAN_HOLD)
)
PICK_BANANA = _task(
    BANANA_ROW,
    COUNTER,
    {"banana": BANANA, "apple": LIGHT_APPLE, "coke_can": COKE.standing()},
    Wanted("banana", BANANA_HOLD),
)
PICK_GREEN_CUP = _task(
    CUP_ROW,
    COUNTER,
    {"green_cup": GREEN_CUP, "banana": BANANA, "pepsi_can": PEPSI.standing()},
    Wanted("green_cup", CUP_HOLD),
)
