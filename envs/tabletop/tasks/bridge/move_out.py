"""Move the skull into the drying rack; take the grapes out of the pot."""

from __future__ import annotations

import math

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.objects.groceries import GRAPES
from vla_bench.envs.tabletop.objects.toys import SKULL
from vla_bench.envs.tabletop.objects.vessels import FLOOR, POT, STEEL_POT
from vla_bench.envs.tabletop.scenes.kitchen import RACK, RACK_FLOOR, SINK_FLOOR
from vla_bench.envs.tabletop.tasks.bridge.row import Ask, Row, make_task
from vla_bench.envs.tabletop.tasks.trial.conditions import Outside, Within
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Rider, Spot, draw

LOW_IN_RACK = 0.045  # m
BESIDE = (0.0, 0.115)  # m from the pot's middle
SKULL_GRASP = Grasp((0.0, 0.0), 0.024, along=(1.0, 0.0, 0.0), quarter_turns=True)
GRAPES_GRASP = Grasp((0.0, 0.0), 0.018, along=(1.0, 0.0, 0.0))
HANDLES_ALONG_X = (math.pi / 2 - 0.4, math.pi / 2 + 0.4)

SKULL_ROW = Row(
    "move_skull_into_drying_rack", "Move Skull into Drying Rack", "Semantic", "a toy, not wound up"
)
GRAPES_ROW = Row(
    "take_purple_grapes_out_of_pot",
    "Take Purple Grapes out of Pot",
    "Semantic",
    "ten grapes in one rigid bunch",
)

GRAPES_SPOTS: dict[str, Spot | Rider] = {
    "pot": Spot((-0.180, -0.140, 0.125, 0.160), SINK_FLOOR, POT.radius, HANDLES_ALONG_X),
    "grapes": Rider("pot", FLOOR),
}
SKULL_GOAL = Trial("skull", Within("skull", "drying rack", RACK, RACK_FLOOR, LOW_IN_RACK))
GRAPES_GOAL = Trial(
    "grapes",
    Outside("grapes", "pot", POT, BESIDE, GRAPES.extents[2] / 2),
    funnel=("reached", "grasped", "lifted", "out"),
)

MOVE_SKULL_INTO_DRYING_RACK = make_task(
    SKULL_ROW,
    {"skull": SKULL},
    draw(SKULL_ROW.name, {"skull": Spot((-0.210, -0.110, 0.110, 0.270), SINK_FLOOR, 0.03)}),
    Ask(SKULL_GOAL, PickAndPlace(SKULL_GOAL, SKULL_GRASP).start),
)
TAKE_PURPLE_GRAPES_OUT_OF_POT = make_task(
    GRAPES_ROW,
    {"grapes": GRAPES, "pot": STEEL_POT},
    draw(GRAPES_ROW.name, GRAPES_SPOTS),
    Ask(GRAPES_GOAL, PickAndPlace(GRAPES_GOAL, GRAPES_GRASP).start),
)
