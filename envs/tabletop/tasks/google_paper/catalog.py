"""The 12 rows of the paper's Table 6, in its order."""

from __future__ import annotations

from vla_bench.envs.tabletop.tasks.google_paper.drawer import OPEN_THE_MIDDLE_DRAWER
from vla_bench.envs.tabletop.tasks.google_paper.moves import (
    MOVE_APPLE_NEAR_GREEN_CAN,
    MOVE_BLUE_CHIP_BAG_NEAR_APPLE,
    MOVE_COKE_CAN_NEAR_TAYLOR_SWIFT,
    MOVE_ORANGE_NEAR_BROWN_CHIP_BAG,
)
from vla_bench.envs.tabletop.tasks.google_paper.picks import (
    PICK_BANANA,
    PICK_COKE_CAN,
    PICK_GREEN_CUP,
    PICK_PEPSI_CAN,
)
from vla_bench.envs.tabletop.tasks.google_paper.places import (
    PLACE_APPLE_ON_PLATE,
    PLACE_BANANA_IN_PAN,
)
from vla_bench.envs.tabletop.tasks.google_paper.upright import PLACE_COKE_CAN_UPRIGHT
from vla_bench.envs.tabletop.tasks.task import Task

GOOGLE_PAPER_TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        PICK_COKE_CAN,
        MOVE_APPLE_NEAR_GREEN_CAN,
        MOVE_BLUE_CHIP_BAG_NEAR_APPLE,
        PLACE_COKE_CAN_UPRIGHT,
        OPEN_THE_MIDDLE_DRAWER,
        MOVE_ORANGE_NEAR_BROWN_CHIP_BAG,
        PICK_PEPSI_CAN,
        PICK_BANANA,
        PICK_GREEN_CUP,
        PLACE_APPLE_ON_PLATE,
        PLACE_BANANA_IN_PAN,
        MOVE_COKE_CAN_NEAR_TAYLOR_SWIFT,
    )
}
