"""From a row of the paper's Table 4 to a `Task`: instruction, horizon, what the card says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.kitchen import KITCHEN
from vla_bench.envs.tabletop.tasks.bridge.goal import Trial
from vla_bench.envs.tabletop.tasks.task import Expert, Layout, Task
from vla_bench.envs.tabletop.world import World

HORIZON = 100  # control steps, 20 s; this project's, the paper gives none


@dataclass(frozen=True)
class Row:
    """A row of Table 4.

    Attributes:
        name: The task's name here.
        title: As in the table, ``Put {Eggplant, Red Bottle} into Pot``.
        category: Visual, Motion, Physical, Semantic or Language.
        stand_in: What differs from the paper's trial, for the card.
    """

    name: str
    title: str
    category: str
    stand_in: str

    @property
    def instruction(self) -> str:
        """The title's words in lower case, as in Bridge, without the condition in brackets."""
        return re.sub(r"\s*\(.*\)", "", self.title).lower()

    def naming(self, wanted: str) -> str:
        """The instruction with `wanted` for the names in braces."""
        return re.sub(r"\{.*\}", wanted, self.instruction)


@dataclass(frozen=True)
class Ask:
    """What one trial wants: a goal, the expert that reaches it, the name in the instruction."""

    goal: Trial
    expert: Callable[[World], Expert]
    wanted: str = ""


def make_task(
    row: Row, objects: Mapping[str, TabletopObject], layouts: Sequence[Layout], ask: Ask
) -> Task:
    """A task whose every initial state asks for the same."""
    credit = ask.goal.credit
    return Task(
        name=row.name,
        instruction=row.naming(ask.wanted),
        horizon=HORIZON,
        scene=KITCHEN,
        objects=objects,
        layouts=tuple(layouts),
        goal=ask.goal,
        expert=ask.expert,
        facts={
            "category": row.category,
            "paper_task": row.title,
            "partial_credit": f"0.5: {credit.text}" if credit else "none",
            "stand_in": row.stand_in,
        },
    )


def make_paired_task(
    row: Row, objects: Mapping[str, TabletopObject], layouts: Sequence[Layout], asks: Sequence[Ask]
) -> Task:
    """A task that asks for one thing after the other from each of `layouts`, as the paper did.

    So initial states 0 and 1 are equal to the last pixel; only their instructions differ.
    """
    repeated = [layout for layout in layouts for _ in asks]
    turns = tuple(make_task(row, objects, repeated, ask) for ask in asks)
    credits_ = "; ".join(turn.facts["partial_credit"] for turn in turns)
    return Task(
        name=row.name,
        instruction=row.instruction,
        horizon=HORIZON,
        scene=KITCHEN,
        objects=objects,
        layouts=tuple(repeated),
        goal=turns[0].goal,
        expert=turns[0].expert,
        facts={**turns[0].facts, "partial_credit": credits_},
        turns=turns,
    )
