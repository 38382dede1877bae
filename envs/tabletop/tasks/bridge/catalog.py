"""The 17 rows of the paper's Table 4, in its order."""

from __future__ import annotations

from vla_bench.envs.tabletop.tasks.bridge.cups import (
    PUT_CUP_FROM_COUNTER_INTO_SINK,
    PUT_NAMED_CUP_ON_PLATE,
    STACK_BLUE_CUP_ON_PINK_CUP,
)
from vla_bench.envs.tabletop.tasks.bridge.flip_pot import FLIP_POT_UPRIGHT
from vla_bench.envs.tabletop.tasks.bridge.into_pot import (
    PUT_EGGPLANT_INTO_POT,
    PUT_EGGPLANT_INTO_POT_CLUTTER,
    PUT_EGGPLANT_INTO_POT_EASY,
    PUT_NAMED_INTO_POT,
)
from vla_bench.envs.tabletop.tasks.bridge.lift import (
    LIFT_AAA_BATTERY,
    LIFT_EGGPLANT,
    LIFT_NAMED,
    LIFT_WHITE_TAPE,
)
from vla_bench.envs.tabletop.tasks.bridge.move_out import (
    MOVE_SKULL_INTO_DRYING_RACK,
    TAKE_PURPLE_GRAPES_OUT_OF_POT,
)
from vla_bench.envs.tabletop.tasks.bridge.on_plate import (
    PUT_CARROT_ON_PLATE,
    PUT_CARROT_ON_PLATE_HEIGHT_CHANGE,
    PUT_YELLOW_CORN_ON_PINK_PLATE,
)
from vla_bench.envs.tabletop.tasks.task import Task

BRIDGE_TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        PUT_EGGPLANT_INTO_POT_EASY,
        PUT_EGGPLANT_INTO_POT,
        PUT_CUP_FROM_COUNTER_INTO_SINK,
        PUT_EGGPLANT_INTO_POT_CLUTTER,
        PUT_YELLOW_CORN_ON_PINK_PLATE,
        LIFT_EGGPLANT,
        PUT_CARROT_ON_PLATE_HEIGHT_CHANGE,
        PUT_CARROT_ON_PLATE,
        FLIP_POT_UPRIGHT,
        LIFT_AAA_BATTERY,
        MOVE_SKULL_INTO_DRYING_RACK,
        LIFT_WHITE_TAPE,
        TAKE_PURPLE_GRAPES_OUT_OF_POT,
        STACK_BLUE_CUP_ON_PINK_CUP,
        PUT_NAMED_INTO_POT,
        LIFT_NAMED,
        PUT_NAMED_CUP_ON_PLATE,
    )
}
