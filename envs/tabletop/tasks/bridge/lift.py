"""Lift something: the eggplant from afar, a battery, a roll of tape, a named one of two things."""

from __future__ import annotations

import math

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.objects.food import EGGPLANT
from vla_bench.envs.tabletop.objects.groceries import CHEESE, CHILI_PEPPER
from vla_bench.envs.tabletop.objects.toys import BATTERY, TAPE, WHITE_TAPE
from vla_bench.envs.tabletop.scenes.kitchen import SINK_FLOOR
from vla_bench.envs.tabletop.tasks.bridge.into_pot import EGGPLANT_GRASP
from vla_bench.envs.tabletop.tasks.bridge.row import Ask, Row, make_paired_task, make_task
from vla_bench.envs.tabletop.tasks.task import Reach
from vla_bench.envs.tabletop.tasks.trial.conditions import Held
from vla_bench.envs.tabletop.tasks.trial.credit import Reached, Touched
from vla_bench.envs.tabletop.tasks.trial.goal import LIFT_STEPS, Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw
from vla_bench.envs.tabletop.tasks.trial.situation import Condition

HEIGHT = 0.05  # m
SMALLEST = 0.9  # fingers that stop 12 mm apart cannot hold what is 15 % thinner than 14.5 mm
TAPE_MIDDLE = TAPE.radius - TAPE.wall / 2
LENGTHWISE = (1.0, 0.0, 0.0)
BATTERY_GRASP = Grasp(point=(0.0, 0.0), height=0.010, along=LENGTHWISE)
TAPE_GRASP = Grasp(point=(TAPE_MIDDLE, 0.0), height=0.018, along=(0.0, 1.0, 0.0))
CHEESE_GRASP = Grasp(point=(0.010, 0.0), height=0.020, along=LENGTHWISE)
CHILI_GRASP = Grasp(point=(-0.008, 0.004), height=0.010, along=LENGTHWISE)

EGGPLANT_ROW = Row("lift_eggplant", "Lift Eggplant", "Motion", "from anywhere in the sink")
BATTERY_ROW = Row(
    "lift_aaa_battery",
    "Lift AAA Battery",
    "Physical",
    "an AA cell, 14.5 mm thick: SIMPLER's fingers stop 12 mm apart, an AAA cell has 10.5 mm",
)
TAPE_ROW = Row(
    "lift_white_tape", "Lift White Tape", "Semantic", "a roll that the hand can span by its wall"
)
NAMED_ROW = Row("lift_named", "Lift {Cheese, Red Chili Pepper}", "Language", "toy food")

NAMED_SPOTS = {
    "cheese": Spot((-0.210, -0.110, 0.110, 0.280), SINK_FLOOR, 0.045),
    "chili_pepper": Spot((-0.210, -0.110, 0.110, 0.280), SINK_FLOOR, 0.050),
}


def _ask(source: str, grasp: Grasp, credit: Condition | None, wanted: str = "") -> Ask:
    goal = Trial(
        source,
        Held(source, HEIGHT),
        funnel=("reached", "grasped", "lifted", "held"),
        steps=LIFT_STEPS,
        kept=True,
        credit=credit,
    )
    return Ask(goal, PickAndPlace(goal, grasp).start, wanted)


LIFT_EGGPLANT = make_task(
    EGGPLANT_ROW,
    {"eggplant": EGGPLANT},
    draw(EGGPLANT_ROW.name, {"eggplant": Spot((-0.225, -0.095, 0.100, 0.285), SINK_FLOOR, 0.04)}),
    _ask("eggplant", EGGPLANT_GRASP, Touched("eggplant")),
)
LIFT_AAA_BATTERY = make_task(
    BATTERY_ROW,
    {"battery": BATTERY},
    draw(BATTERY_ROW.name, {"battery": Spot((-0.220, -0.100, 0.110, 0.270), SINK_FLOOR, 0.03)}),
    _ask("battery", BATTERY_GRASP, None),
).within(Reach(sizes=(SMALLEST, math.inf)))
LIFT_WHITE_TAPE = make_task(
    TAPE_ROW,
    {"tape": WHITE_TAPE},
    draw(TAPE_ROW.name, {"tape": Spot((-0.200, -0.125, 0.130, 0.250), SINK_FLOOR, 0.03)}),
    _ask("tape", TAPE_GRASP, None),
).within(Reach(sizes=(SMALLEST, math.inf)))
LIFT_NAMED = make_paired_task(
    NAMED_ROW,
    {"cheese": CHEESE, "chili_pepper": CHILI_PEPPER},
    draw(NAMED_ROW.name, NAMED_SPOTS, n_trials=5),
    (
        _ask("cheese", CHEESE_GRASP, Reached("cheese"), "cheese"),
        _ask("chili_pepper", CHILI_GRASP, Reached("chili_pepper"), "red chili pepper"),
    ),
)
