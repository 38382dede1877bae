"""Place Apple on Plate, Place Banana in Pan: relations that the robot's data do not have."""

from __future__ import annotations

from vla_bench.envs.tabletop.hand import Actions, Scripted
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.cookware import PAN, THICK
from vla_bench.envs.tabletop.objects.fruit import LIGHT_APPLE
from vla_bench.envs.tabletop.objects.snacks import BANANA, FRYING_PAN, LARGE_PLATE, PLATE_RADIUS
from vla_bench.envs.tabletop.scenes.counter import COUNTER, COUNTER_HEIGHT
from vla_bench.envs.tabletop.tasks.google.script import BANANA_HOLD, Hold, bring
from vla_bench.envs.tabletop.tasks.google_paper.row import N_TRIALS, Row, Setting, make_task
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.tasks.trial.conditions import Inside, RestsOn
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw
from vla_bench.envs.tabletop.world import World

LEFT = Spot((-0.32, -0.16, 0.00, 0.10), COUNTER_HEIGHT, 0.08)
RIGHT = Spot((-0.28, -0.20, 0.28, 0.36), COUNTER_HEIGHT, 0.11, (-0.4, 0.4))
PLATE_ROW = Row(
    "place_apple_on_plate", "Place Apple on Plate", "the relation: on the plate, not near it"
)
PAN_ROW = Row("place_banana_in_pan", "Place Banana in Pan", "the banana, and the relation: in it")


def _task(row: Row, objects: dict[str, TabletopObject], goal: Trial, hold: Hold) -> Task:
    source, target = objects
    layouts = draw(f"google/{row.name}", {source: LEFT, target: RIGHT}, N_TRIALS)
    setting = Setting(COUNTER, objects, layouts)

    def place(world: World, goal: Trial, hold: Hold) -> Actions:
        return _place(world, goal, hold, target)

    task = make_task(row, setting, goal, Scripted(place, goal, hold).start)
    return task.within(hold.reach(source))


def _place(world: World, goal: Trial, hold: Hold, target: str) -> Actions:
    judge = goal.start(world)
    return bring(
        world,
        goal.source,
        hold,
        lambda: world.frame(target)[0] + (0.0, 0.0, THICK),
        judge.is_placed,
    )


PLACE_APPLE_ON_PLATE = _task(
    PLATE_ROW,
    {"apple": LIGHT_APPLE, "plate": LARGE_PLATE},
    Trial("apple", RestsOn("apple", "plate", PLATE_RADIUS)),
    Hold(-0.005),
)
PLACE_BANANA_IN_PAN = _task(
    PAN_ROW,
    {"banana": BANANA, "pan": FRYING_PAN},
    Trial("banana", Inside("banana", "pan", PAN)),
    BANANA_HOLD,
)
