"""Put the spoon on the towel: SIMPLER's PutSpoonOnTableClothInScene-v0."""

from __future__ import annotations

import math

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.objects.tableware import SPOON, TOWEL
from vla_bench.envs.tabletop.scenes.table import TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.tasks.grids import corner_pairs, spawn
from vla_bench.envs.tabletop.tasks.put_on import PutOn
from vla_bench.envs.tabletop.tasks.task import Layout, Reach, Task

HALF_EDGE = 0.075
YAWS = (0.0, math.pi / 2)
GRASP = Grasp(point=(0.010, 0.0), height=0.009, along=(1.0, 0.0, 0.0), turn=math.pi / 4)


def _layouts() -> tuple[Layout, ...]:
    return tuple(
        {"spoon": spawn(source, TABLE_HEIGHT, yaw), "towel": spawn(target, TABLE_HEIGHT)}
        for source, target in corner_pairs(HALF_EDGE)
        for yaw in YAWS
    )


GOAL = PutOn("spoon", "towel", max_gap=0.02, only_touching=False)

SPOON_ON_TOWEL = Task(
    name="spoon_on_towel",
    instruction="put the spoon on the towel",
    horizon=60,
    scene=TABLE,
    objects={"spoon": SPOON, "towel": TOWEL},
    layouts=_layouts(),
    goal=GOAL,
    expert=PickAndPlace(GOAL, GRASP).start,
    reach=Reach(wide=0.02),
)
