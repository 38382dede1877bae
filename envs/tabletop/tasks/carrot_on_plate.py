"""Put the carrot on the plate: SIMPLER's PutCarrotOnPlateInScene-v0."""

from __future__ import annotations

import math

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.objects.food import CARROT
from vla_bench.envs.tabletop.objects.tableware import PLATE
from vla_bench.envs.tabletop.scenes.table import TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.tasks.grids import corner_pairs, spawn
from vla_bench.envs.tabletop.tasks.put_on import PutOn
from vla_bench.envs.tabletop.tasks.task import Layout, Reach, Task

HALF_EDGE = 0.075
YAWS = (math.pi, -math.pi / 2)
GRASP = Grasp(point=(0.012, 0.0), height=0.001, along=(1.0, 0.0, 0.0), turn=math.pi / 4)


def _layouts() -> tuple[Layout, ...]:
    return tuple(
        {"carrot": spawn(source, TABLE_HEIGHT, yaw), "plate": spawn(target, TABLE_HEIGHT)}
        for source, target in corner_pairs(HALF_EDGE)
        for yaw in YAWS
    )


GOAL = PutOn("carrot", "plate", max_gap=0.02, only_touching=True)

CARROT_ON_PLATE = Task(
    name="carrot_on_plate",
    instruction="put carrot on plate",
    horizon=60,
    scene=TABLE,
    objects={"carrot": CARROT, "plate": PLATE},
    layouts=_layouts(),
    goal=GOAL,
    expert=PickAndPlace(GOAL, GRASP).start,
    reach=Reach(wide=0.02),
)
