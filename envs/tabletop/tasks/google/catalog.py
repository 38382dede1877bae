"""The Google Robot's tasks by name, in the order of SIMPLER's table."""

from vla_bench.envs.tabletop.tasks.google.drawers import CLOSE_DRAWERS, OPEN_DRAWERS
from vla_bench.envs.tabletop.tasks.google.move_near import MOVE_NEAR
from vla_bench.envs.tabletop.tasks.google.pick_can import (
    PICK_HORIZONTAL,
    PICK_STANDING,
    PICK_VERTICAL,
)
from vla_bench.envs.tabletop.tasks.google.place_apple import PLACE_APPLE
from vla_bench.envs.tabletop.tasks.task import Task

GOOGLE_TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        PICK_HORIZONTAL,
        PICK_VERTICAL,
        PICK_STANDING,
        MOVE_NEAR,
        *OPEN_DRAWERS,
        *CLOSE_DRAWERS,
        PLACE_APPLE,
    )
}
