"""Stack the green block on the yellow one.

SIMPLER's StackGreenCubeOnYellowCubeBakedTexInScene-v0.
"""

from __future__ import annotations

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.objects.blocks import GREEN_BLOCK, YELLOW_BLOCK
from vla_bench.envs.tabletop.scenes.table import TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.tasks.grids import corner_pairs, spawn
from vla_bench.envs.tabletop.tasks.put_on import PutOn
from vla_bench.envs.tabletop.tasks.task import Layout, Reach, Task

HALF_EDGES = (0.05, 0.10)
GRASP = Grasp(point=(0.0, 0.0), height=0.006, along=(1.0, 0.0, 0.0), quarter_turns=True)


def _layouts() -> tuple[Layout, ...]:
    return tuple(
        {"green_block": spawn(source, TABLE_HEIGHT), "yellow_block": spawn(target, TABLE_HEIGHT)}
        for half_edge in HALF_EDGES
        for source, target in corner_pairs(half_edge)
    )


GOAL = PutOn("green_block", "yellow_block", max_gap=0.02, only_touching=True)

STACK_CUBE = Task(
    name="stack_cube",
    instruction="stack the green block on the yellow block",
    horizon=60,
    scene=TABLE,
    objects={"green_block": GREEN_BLOCK, "yellow_block": YELLOW_BLOCK},
    layouts=_layouts(),
    goal=GOAL,
    expert=PickAndPlace(GOAL, GRASP).start,
    reach=Reach(wide=0.02),
)
