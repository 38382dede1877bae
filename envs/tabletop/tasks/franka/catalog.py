"""The rows of the paper's Table 7, in its order: Franka-Tabletop, then Franka-DROID."""

from __future__ import annotations

from vla_bench.envs.tabletop.tasks.franka.carrot_in_bowl import (
    PUT_CARROT_IN_BOWL,
    PUT_CARROT_IN_BOWL_OOD,
)
from vla_bench.envs.tabletop.tasks.franka.cover import (
    COVER_OBJECT_WITH_TOWEL,
    COVER_OBJECT_WITH_TOWEL_OOD,
)
from vla_bench.envs.tabletop.tasks.franka.flip_pot import (
    FLIP_STEEL_POT_UPRIGHT,
    FLIP_STEEL_POT_UPRIGHT_OOD,
)
from vla_bench.envs.tabletop.tasks.franka.knock_over import (
    KNOCK_OBJECT_OVER,
    KNOCK_OBJECT_OVER_OOD,
)
from vla_bench.envs.tabletop.tasks.franka.onto_plate import (
    MOVE_OBJECT_ONTO_PLATE,
    MOVE_OBJECT_ONTO_PLATE_OOD,
)
from vla_bench.envs.tabletop.tasks.franka.pour import POUR_CORN_INTO_POT, POUR_CORN_INTO_POT_OOD
from vla_bench.envs.tabletop.tasks.franka.wipe import WIPE_TABLE, WIPE_TABLE_OOD
from vla_bench.envs.tabletop.tasks.task import Task

FRANKA_TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        PUT_CARROT_IN_BOWL,
        PUT_CARROT_IN_BOWL_OOD,
        POUR_CORN_INTO_POT,
        POUR_CORN_INTO_POT_OOD,
        FLIP_STEEL_POT_UPRIGHT,
        FLIP_STEEL_POT_UPRIGHT_OOD,
        MOVE_OBJECT_ONTO_PLATE,
        MOVE_OBJECT_ONTO_PLATE_OOD,
        KNOCK_OBJECT_OVER,
        KNOCK_OBJECT_OVER_OOD,
        COVER_OBJECT_WITH_TOWEL,
        COVER_OBJECT_WITH_TOWEL_OOD,
    )
}
DROID_TASKS: dict[str, Task] = {task.name: task for task in (WIPE_TABLE, WIPE_TABLE_OOD)}
