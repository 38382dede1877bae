"""From a row of the paper's Table 7 to a `Task`: instruction, horizon, what the card says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.scene import Scene
from vla_bench.envs.tabletop.tasks.task import Expert, Goal, Layout, Task
from vla_bench.envs.tabletop.world import World

SECONDS = 20  # of an episode; this project's, the paper gives none


@dataclass(frozen=True)
class Row:
    """A row of Table 7.

    Attributes:
        name: The task's name here.
        title: As in the table, ``Move <object> onto Plate``.
        condition: What is out of distribution (Appendix B.3.1); empty: nothing.
        credit: What is worth half a success, for the card.
        stand_in: What differs from the paper's trial, for the card.
    """

    name: str
    title: str
    condition: str = ""
    credit: str = "none"
    stand_in: str = "none"

    def shifted(self, condition: str) -> Row:
        """The same task's out-of-distribution row."""
        return dataclasses.replace(self, name=f"{self.name}_ood", condition=condition)

    def naming(self, wanted: str = "") -> str:
        """The title's words in lower case, with `wanted` for the object."""
        return self.title.replace("<object>", wanted).lower()


@dataclass(frozen=True)
class Setting:
    """Where trials take place: every initial state has all of `objects`."""

    scene: Scene
    objects: Mapping[str, TabletopObject]
    layouts: Sequence[Layout]


@dataclass(frozen=True)
class Ask:
    """What one trial wants, and the expert that does it."""

    instruction: str
    goal: Goal
    expert: Callable[[World], Expert]


def make_task(row: Row, setting: Setting, ask: Ask) -> Task:
    """A task whose every initial state asks for the same."""
    hz = setting.scene.mount.robot.control_hz
    return Task(
        name=row.name,
        instruction=ask.instruction,
        horizon=SECONDS * hz,
        scene=setting.scene,
        objects=setting.objects,
        layouts=tuple(setting.layouts),
        goal=ask.goal,
        expert=ask.expert,
        facts={
            "paper_task": row.title,
            "split": "out of distribution" if row.condition else "in distribution",
            "condition": row.condition or "as in training",
            "partial_credit": row.credit,
            "stand_in": row.stand_in,
        },
    )


def make_named_task(row: Row, setting: Setting, asks: Sequence[Ask]) -> Task:
    """A task that asks for one object after the other from each of the layouts.

    So as many consecutive initial states as there are objects differ in nothing but their words.
    """
    repeated = [layout for layout in setting.layouts for _ in asks]
    setting = dataclasses.replace(setting, layouts=repeated)
    turns = tuple(make_task(row, setting, ask) for ask in asks)
    return dataclasses.replace(turns[0], instruction=row.naming("<object>"), turns=turns)
