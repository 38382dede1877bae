"""Put something into the pot: plain, easy, with clutter, and one of two things named."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.geometry import Vector, matrix
from vla_bench.envs.tabletop.ik import InverseKinematics
from vla_bench.envs.tabletop.objects.food import EGGPLANT
from vla_bench.envs.tabletop.objects.groceries import CHEESE, CORN, RED_BOTTLE
from vla_bench.envs.tabletop.objects.toys import DINOSAUR, SKULL
from vla_bench.envs.tabletop.objects.vessels import PAPER_POT, POT
from vla_bench.envs.tabletop.scenes.kitchen import COUNTER, KITCHEN, RACK_FLOOR, SINK_FLOOR
from vla_bench.envs.tabletop.tasks.bridge.row import (
    Ask,
    Row,
    make_paired_task,
    make_task,
    reach_in_sink,
)
from vla_bench.envs.tabletop.tasks.task import Layout
from vla_bench.envs.tabletop.tasks.trial.conditions import Inside
from vla_bench.envs.tabletop.tasks.trial.credit import Reached
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw

HOVER = 0.12  # m from the sink's floor up to the tool, in the easy version
EGGPLANT_GRASP = Grasp(point=(0.004, 0.0), height=0.010, along=(1.0, 0.0, 0.0))
BOTTLE_GRASP = Grasp(point=(-0.011, 0.0), height=0.018, along=(1.0, 0.0, 0.0))
HAND_ROOM = 0.04  # m: the open hand goes down between the pot and what it takes
LENGTHWAYS = (math.pi / 2 - 0.5, math.pi / 2 + 0.5)

POT_SPOT = Spot((-0.185, -0.145, 0.116, 0.128), SINK_FLOOR, POT.radius)
EGGPLANT_SPOT = Spot((-0.215, -0.105, 0.235, 0.280), SINK_FLOOR, 0.045)
PAPER = "the pot is a rigid paper-coloured one, the paper's was folded from paper"

EASY = Row("put_eggplant_into_pot_easy", "Put Eggplant into Pot (Easy Version)", "Visual", PAPER)
PLAIN = Row("put_eggplant_into_pot", "Put Eggplant into Pot", "Visual", PAPER)
CLUTTER = Row(
    "put_eggplant_into_pot_clutter",
    "Put Eggplant into Pot (w/ Clutter)",
    "Visual",
    f"{PAPER}; clutter: a corn cob, a cheese, a skull and a dinosaur",
)
NAMED = Row(
    "put_named_into_pot", "Put {Eggplant, Red Bottle} into Pot", "Language", "a toy bottle, lying"
)


def _goal(source: str, credit: bool) -> Trial:
    done = Inside(source, "pot", POT)
    return Trial(source, done, credit=Reached(source) if credit else None)


def _above_the_eggplant(layouts: list[Layout]) -> tuple[Vector, ...]:
    """Joints, arm then fingers, with the tool `HOVER` over the eggplant, turned as at home."""
    mount = KITCHEN.mount
    n_arm = len(mount.robot.arm)
    arm, fingers = np.array(mount.home[:n_arm]), mount.home[n_arm:]
    kinematics = InverseKinematics(mount.robot)
    _, rotation = kinematics.forward(arm)
    homes = []
    for layout in layouts:
        point = np.add(layout["eggplant"].position, (0.0, 0.0, HOVER))
        in_base = matrix(mount.base.quaternion).T @ (point - np.array(mount.base.position))
        angles = kinematics.solve(in_base, rotation, arm)
        assert angles is not None, f"no pose above the eggplant at {point}"
        homes.append((*angles.tolist(), *fingers))
    return tuple(homes)


def _eggplant(credit: bool) -> Ask:
    goal = _goal("eggplant", credit)
    return Ask(goal, PickAndPlace(goal, EGGPLANT_GRASP).start)


SPOTS = {"eggplant": EGGPLANT_SPOT, "pot": POT_SPOT}
OBJECTS = {"eggplant": EGGPLANT, "pot": PAPER_POT}
CLUTTER_SPOTS = {
    "corn": Spot((-0.088, -0.078, 0.150, 0.190), SINK_FLOOR, 0.040, LENGTHWAYS),
    "cheese": Spot((-0.185, -0.165, -0.080, -0.010), RACK_FLOOR, 0.034),
    "skull": Spot((-0.240, -0.215, -0.080, -0.010), RACK_FLOOR, 0.025, (-0.7, 0.7)),
    "dinosaur": Spot((-0.335, -0.310, 0.080, 0.160), COUNTER, 0.055),
}
CLUTTER_OBJECTS = {"corn": CORN, "cheese": CHEESE, "skull": SKULL, "dinosaur": DINOSAUR}
NAMED_SPOTS = {
    "eggplant": Spot((-0.220, -0.105, 0.235, 0.275), SINK_FLOOR, 0.050, LENGTHWAYS),
    "red_bottle": Spot((-0.220, -0.105, 0.235, 0.275), SINK_FLOOR, 0.050, LENGTHWAYS),
    "pot": POT_SPOT,
}
BOTTLE_GOAL = _goal("red_bottle", credit=True)

CLUTTER_REACH = reach_in_sink(OBJECTS, HAND_ROOM, staying=CLUTTER_OBJECTS)
_EASY_LAYOUTS = draw(EASY.name, SPOTS)
PUT_EGGPLANT_INTO_POT_EASY = replace(
    make_task(EASY, OBJECTS, _EASY_LAYOUTS, _eggplant(credit=False)),
    homes=_above_the_eggplant(_EASY_LAYOUTS),
)
PUT_EGGPLANT_INTO_POT = make_task(PLAIN, OBJECTS, draw(PLAIN.name, SPOTS), _eggplant(credit=False))
PUT_EGGPLANT_INTO_POT_CLUTTER = make_task(
    CLUTTER,
    {**OBJECTS, **CLUTTER_OBJECTS},
    draw(CLUTTER.name, {**SPOTS, **CLUTTER_SPOTS}),
    _eggplant(credit=True),
).within(CLUTTER_REACH)
PUT_NAMED_INTO_POT = make_paired_task(
    NAMED,
    {"eggplant": EGGPLANT, "red_bottle": RED_BOTTLE, "pot": PAPER_POT},
    draw(NAMED.name, NAMED_SPOTS, n_trials=5),
    (
        replace(_eggplant(credit=True), wanted="eggplant"),
        Ask(BOTTLE_GOAL, PickAndPlace(BOTTLE_GOAL, BOTTLE_GRASP).start, "red bottle"),
    ),
).within(reach_in_sink(OBJECTS, HAND_ROOM))
