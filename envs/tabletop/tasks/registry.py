"""The tabletop suite's tasks, by name; a new task is a module here and a line below."""

from vla_bench.envs.tabletop.tasks.carrot_on_plate import CARROT_ON_PLATE
from vla_bench.envs.tabletop.tasks.eggplant_in_basket import EGGPLANT_IN_BASKET
from vla_bench.envs.tabletop.tasks.spoon_on_towel import SPOON_ON_TOWEL
from vla_bench.envs.tabletop.tasks.stack_cube import STACK_CUBE
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.errors import unknown_name

TASKS: dict[str, Task] = {
    task.name: task for task in (SPOON_ON_TOWEL, CARROT_ON_PLATE, STACK_CUBE, EGGPLANT_IN_BASKET)
}


def named_task(name: str) -> Task:
    """Raises ConfigError with the valid names."""
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]
