"""From a row of the paper's Table 6 to a `Task`: instruction, horizon, what the card says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.counter import COUNTER_HEIGHT
from vla_bench.envs.tabletop.scenes.scene import Scene
from vla_bench.envs.tabletop.tasks.task import Expert, Goal, Layout, Task
from vla_bench.envs.tabletop.tasks.trial.layouts import Spot
from vla_bench.envs.tabletop.world import World

N_TRIALS = 5
HORIZON = 113  # control steps, 38 s: SIMPLER's longest for one motion, of its drawers

ANYWHERE = (-0.34, -0.14, 0.02, 0.40)  # on the counter: x low, x high, y low, y high, m


@dataclass(frozen=True)
class Row:
    """A row of Table 6.

    Attributes:
        name: The task's name here.
        title: As in the table.
        unseen: What is out of distribution (Appendix B.2.1); empty: nothing.
        stand_in: What differs from the paper's trial, for the card.
    """

    name: str
    title: str
    unseen: str = ""
    stand_in: str = "none"


@dataclass(frozen=True)
class Setting:
    """Where trials take place."""

    scene: Scene
    objects: Mapping[str, TabletopObject]
    layouts: Sequence[Layout]


def make_task(row: Row, setting: Setting, goal: Goal, expert: Callable[[World], Expert]) -> Task:
    """The task of one row, its instruction the title in lower case."""
    return Task(
        name=row.name,
        instruction=row.title.lower(),
        horizon=HORIZON,
        scene=setting.scene,
        objects=setting.objects,
        layouts=tuple(setting.layouts),
        goal=goal,
        expert=expert,
        facts={
            "paper_task": row.title,
            "split": "out of distribution" if row.unseen else "in distribution",
            "condition": row.unseen or "as in training",
            "stand_in": row.stand_in,
        },
    )


def anywhere(radius: float, yaw: tuple[float, float] = (-3.14, 3.14)) -> Spot:
    """On the counter, sharing a circle of `radius` m with nothing else."""
    return Spot(ANYWHERE, COUNTER_HEIGHT, radius, yaw)
