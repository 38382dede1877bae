"""The tabletop suite's tasks, by name; a new task is a module here and a line below."""

from vla_bench.envs.tabletop.tasks.carrot_on_plate import CARROT_ON_PLATE
from vla_bench.envs.tabletop.tasks.eggplant_in_basket import EGGPLANT_IN_BASKET
from vla_bench.envs.tabletop.tasks.spoon_on_towel import SPOON_ON_TOWEL
from vla_bench.envs.tabletop.tasks.stack_cube import STACK_CUBE
from vla_bench.envs.tabletop.tasks.task import Task

TASKS: dict[str, Task] = {
    task.name: task for task in (SPOON_ON_TOWEL, CARROT_ON_PLATE, STACK_CUBE, EGGPLANT_IN_BASKET)
}
