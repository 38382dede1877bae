"""Move <object> onto Plate: one of three; out of distribution, one of three unseen objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vla_bench.envs.tabletop.expert import Grasp
from vla_bench.envs.tabletop.hand import Scripted
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.food import CARROT, EGGPLANT
from vla_bench.envs.tabletop.objects.groceries import CHEESE, CHILI_PEPPER, CORN
from vla_bench.envs.tabletop.objects.tableware import plate
from vla_bench.envs.tabletop.objects.toys import DINOSAUR
from vla_bench.envs.tabletop.scenes.franka import PLAIN_TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.tasks.franka.goal import FIRST_TOUCH, TOUCHED, FirstTouch
from vla_bench.envs.tabletop.tasks.franka.hand import take_and_put
from vla_bench.envs.tabletop.tasks.franka.row import Ask, Row, Setting, make_named_task
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.tasks.trial.conditions import RestsOn
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw

ON_PLATE = 0.055  # m, the plate's radius
FUNNEL = ("reached", TOUCHED, "grasped", "lifted", "placed")
WHITE_PLATE = plate("white_plate", (0.90, 0.90, 0.87, 1.0))
ANYWHERE_LEFT = Spot((-0.23, -0.02, -0.04, 0.22), TABLE_HEIGHT, 0.062)
PLATE_SPOT = Spot((-0.17, -0.05, -0.22, -0.16), TABLE_HEIGHT, 0.062)

ROW = Row(
    "move_object_onto_plate",
    "Move <object> onto Plate",
    credit=FIRST_TOUCH.format(toucher="robot"),
    stand_in="the paper does not name its objects: carrot, corn, chili pepper here",
)
OOD_ROW = ROW.shifted("three unseen objects: eggplant, cheese, dinosaur")


@dataclass(frozen=True)
class Thing:
    """An object that may be named, and how to hold it."""

    kind: TabletopObject
    grasp: Grasp


SEEN = {
    "carrot": Thing(CARROT, Grasp((0.012, 0.0), 0.001, (1.0, 0.0, 0.0))),
    "corn": Thing(CORN, Grasp((0.0, 0.0), 0.014, (1.0, 0.0, 0.0))),
    "chili_pepper": Thing(CHILI_PEPPER, Grasp((-0.006, 0.003), 0.010, (1.0, 0.0, 0.0))),
}
UNSEEN = {
    "eggplant": Thing(EGGPLANT, Grasp((0.004, 0.0), 0.004, (1.0, 0.0, 0.0))),
    "cheese": Thing(CHEESE, Grasp((0.004, 0.0), 0.012, (1.0, 0.0, 0.0))),
    "dinosaur": Thing(DINOSAUR, Grasp((0.0, 0.0), 0.028, (1.0, 0.0, 0.0))),
}


def _ask(row: Row, things: Mapping[str, Thing], name: str) -> Ask:
    trial = Trial(name, RestsOn(name, "plate", ON_PLATE), FUNNEL)
    goal = FirstTouch(trial, name, tuple(other for other in things if other != name))
    plan = Scripted(take_and_put, goal, things[name].grasp)
    return Ask(row.naming(name.replace("_", " ")), goal, plan.start)


def _task(row: Row, things: Mapping[str, Thing], n_trials: int) -> Task:
    spots = {**dict.fromkeys(things, ANYWHERE_LEFT), "plate": PLATE_SPOT}
    objects = {**{name: thing.kind for name, thing in things.items()}, "plate": WHITE_PLATE}
    layouts = draw(f"franka/{row.name}", spots, n_trials // len(things))
    asks = [_ask(row, things, name) for name in things]
    return make_named_task(row, Setting(PLAIN_TABLE, objects, layouts), asks)


MOVE_OBJECT_ONTO_PLATE = _task(ROW, SEEN, 12)
MOVE_OBJECT_ONTO_PLATE_OOD = _task(OOD_ROW, UNSEEN, 6)
