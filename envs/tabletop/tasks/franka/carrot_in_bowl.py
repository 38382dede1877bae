"""Put Carrot in Bowl; out of distribution, an eggplant replaces the carrot."""

from __future__ import annotations

from vla_bench.envs.tabletop.expert import Grasp
from vla_bench.envs.tabletop.hand import Scripted
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.cookware import BLUE_BOWL, BOWL
from vla_bench.envs.tabletop.objects.food import CARROT, EGGPLANT
from vla_bench.envs.tabletop.scenes.franka import PLAIN_TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.tasks.franka.hand import take_and_put
from vla_bench.envs.tabletop.tasks.franka.row import Ask, Row, Setting, make_task
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.tasks.trial.conditions import Inside
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot, draw

LEFT = Spot((-0.22, -0.04, 0.06, 0.20), TABLE_HEIGHT, 0.06)
RIGHT = Spot((-0.20, -0.04, -0.18, -0.05), TABLE_HEIGHT, 0.07)

ROW = Row("put_carrot_in_bowl", "Put Carrot in Bowl")
OOD_ROW = ROW.shifted("an eggplant, unseen, replaces the carrot")


def _task(row: Row, n_trials: int, kind: TabletopObject, grasp: Grasp) -> Task:
    spots = {kind.kind: LEFT, "bowl": RIGHT}
    objects = {kind.kind: kind, "bowl": BLUE_BOWL}
    goal = Trial(kind.kind, Inside(kind.kind, "bowl", BOWL))
    setting = Setting(PLAIN_TABLE, objects, draw(f"franka/{row.name}", spots, n_trials))
    instruction = f"put {kind.kind} in bowl"
    return make_task(
        row, setting, Ask(instruction, goal, Scripted(take_and_put, goal, grasp).start)
    )


PUT_CARROT_IN_BOWL = _task(ROW, 10, CARROT, Grasp((0.012, 0.0), 0.001, (1.0, 0.0, 0.0)))
PUT_CARROT_IN_BOWL_OOD = _task(OOD_ROW, 5, EGGPLANT, Grasp((0.004, 0.0), 0.004, (1.0, 0.0, 0.0)))
