"""Put the eggplant into the yellow basket: SIMPLER's PutEggplantInBasketScene-v0.

SIMPLER's target is an invisible plane that falls into the basket and comes to lie askew there;
here it stands, as immovable and as invisible, in the pose measured after that fall.
"""

from __future__ import annotations

import itertools
import math

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.food import EGGPLANT
from vla_bench.envs.tabletop.scenes.sink import BASIN_FLOOR, SINK_SCENE
from vla_bench.envs.tabletop.tasks.grids import spawn
from vla_bench.envs.tabletop.tasks.put_on import PutOn
from vla_bench.envs.tabletop.tasks.task import Layout, Task

XS = (-0.115, -0.095)
YS = (0.191, 0.201, 0.211, 0.221)
YAWS = (0.0, math.pi / 4, -math.pi / 4)
PLANE = Pose((-0.14824, 0.022415, 0.93588), (0.99781, 0.003531, 0.064948, 0.012004))
GRASP = Grasp(point=(0.004, 0.0), height=0.010, along=(1.0, 0.0, 0.0))

BASKET_PLANE = TabletopObject(
    "basket_plane", (0.13, 0.08, 0.002), Pose((0.0, 0.0, 0.0)), lambda _: None, fixed=True
)


def _layouts() -> tuple[Layout, ...]:
    return tuple(
        {"eggplant": spawn(xy, BASIN_FLOOR, yaw), "basket": PLANE}
        for xy in itertools.product(XS, YS)
        for yaw in YAWS
    )


GOAL = PutOn("eggplant", "basket", max_gap=0.06, only_touching=False)

EGGPLANT_IN_BASKET = Task(
    name="eggplant_in_basket",
    instruction="put eggplant into yellow basket",
    horizon=120,
    scene=SINK_SCENE,
    objects={"eggplant": EGGPLANT, "basket": BASKET_PLANE},
    layouts=_layouts(),
    goal=GOAL,
    expert=PickAndPlace(GOAL, GRASP).start,
)
