"""Move one object near another: apple, chip bags, orange; a coke can to one of three faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vla_bench.envs.tabletop.hand import Actions, Scripted
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.drinks import SEVEN_UP, STANDING_COKE
from vla_bench.envs.tabletop.objects.fruit import LIGHT_APPLE, ORANGE
from vla_bench.envs.tabletop.objects.snacks import (
    BLOND_PRINT,
    BLUE_CHIP_BAG,
    BROWN_CHIP_BAG,
    DARK_PRINT,
    GREY_PRINT,
)
from vla_bench.envs.tabletop.scenes.counter import COUNTER, COUNTER_HEIGHT
from vla_bench.envs.tabletop.scenes.counter_cloths import SKY_COUNTER
from vla_bench.envs.tabletop.scenes.scene import Scene
from vla_bench.envs.tabletop.tasks.google.near import CLEAR, Near
from vla_bench.envs.tabletop.tasks.google.script import Hold, beside, bring
from vla_bench.envs.tabletop.tasks.google_paper.row import N_TRIALS, Row, Setting, make_task
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw
from vla_bench.envs.tabletop.world import World

FAR = 0.20  # m between objects, so that none starts near what it shall be moved near to
LEFT = Spot((-0.32, -0.16, 0.00, 0.10), COUNTER_HEIGHT, 0.08)
RIGHT = Spot((-0.32, -0.16, 0.30, 0.40), COUNTER_HEIGHT, 0.08)
BEFORE_FACES = Spot((-0.14, -0.12, 0.05, 0.35), COUNTER_HEIGHT, 0.04)
FACES = {
    "taylor_swift": BLOND_PRINT,
    "dark_haired_face": DARK_PRINT,
    "grey_haired_face": GREY_PRINT,
}
FACE_SPOT = Spot((-0.42, -0.40, 0.00, 0.44), COUNTER_HEIGHT, 0.085, (1.5708, 1.5708))
FRUIT_HOLD, BAG_HOLD, CAN_HOLD = Hold(-0.005), Hold(0.0, (1.0, 0.0, 0.0)), Hold(0.015)

APPLE_ROW = Row("move_apple_near_green_can", "Move Apple near Green Can")
BAG_ROW = Row(
    "move_blue_chip_bag_near_apple", "Move Blue Chip Bag near Apple", stand_in="the bag is rigid"
)
ORANGE_ROW = Row(
    "move_orange_near_brown_chip_bag",
    "Move Orange near Brown Chip Bag",
    "the orange, and a tablecloth of blue sky and white clouds",
    "the bag is rigid",
)
FACE_ROW = Row(
    "move_coke_can_near_taylor_swift",
    "Move Coke Can near Taylor Swift",
    "the printed faces",
    "three drawn faces stand for photographs of celebrities, a blond one for the named: knowing "
    "the person does not help here",
)


@dataclass(frozen=True)
class Move:
    """What goes near what, how to hold it, and m that unseen positions keep it from the others."""

    source: str
    target: str
    hold: Hold
    apart: float = FAR


def _bring(world: World, goal: Near, hold: Hold) -> Actions:
    judge = goal.start(world)
    return bring(
        world,
        goal.source,
        hold,
        lambda: beside(world, goal.source, goal.target, COUNTER_HEIGHT),
        lambda: judge.judge().success,
    )


def _task(
    row: Row,
    scene: Scene,
    objects: Mapping[str, TabletopObject],
    spots: Mapping[str, Spot],
    move: Move,
) -> Task:
    goal = Near(move.source, move.target)
    setting = Setting(scene, objects, draw(f"google/{row.name}", spots, N_TRIALS))
    task = make_task(row, setting, goal, Scripted(_bring, goal, move.hold).start)
    reach = replace(move.hold.reach(move.source), apart=move.apart, clear=CLEAR)
    return task.within(reach)


MOVE_APPLE_NEAR_GREEN_CAN = _task(
    APPLE_ROW,
    COUNTER,
    {"apple": LIGHT_APPLE, "green_can": SEVEN_UP.standing()},
    {"apple": LEFT, "green_can": RIGHT},
    Move("apple", "green_can", FRUIT_HOLD),
)
MOVE_BLUE_CHIP_BAG_NEAR_APPLE = _task(
    BAG_ROW,
    COUNTER,
    {"blue_chip_bag": BLUE_CHIP_BAG, "apple": LIGHT_APPLE},
    {"blue_chip_bag": RIGHT, "apple": LEFT},
    Move("blue_chip_bag", "apple", BAG_HOLD),
)
MOVE_ORANGE_NEAR_BROWN_CHIP_BAG = _task(
    ORANGE_ROW,
    SKY_COUNTER,
    {"orange": ORANGE, "brown_chip_bag": BROWN_CHIP_BAG},
    {"orange": LEFT, "brown_chip_bag": RIGHT},
    Move("orange", "brown_chip_bag", FRUIT_HOLD),
)
MOVE_COKE_CAN_NEAR_TAYLOR_SWIFT = _task(
    FACE_ROW,
    COUNTER,
    {"coke_can": STANDING_COKE, **FACES},
    {"coke_can": BEFORE_FACES, **dict.fromkeys(FACES, FACE_SPOT)},
    Move("coke_can", "taylor_swift", CAN_HOLD, apart=0.0),  # the faces leave no room for more
)
