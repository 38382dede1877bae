"""From a row of the paper's Table 4 to a `Task`: instruction, horizon, what the card says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.kitchen import BASIN, KITCHEN, SINK_FLOOR
from vla_bench.envs.tabletop.scenes.scene import Surface
from vla_bench.envs.tabletop.tasks.task import Expert, Layout, Reach, Task
from vla_bench.envs.tabletop.tasks.trial.goal import Trial
from vla_bench.envs.tabletop.world import World

HORIZON = 100  # control steps, 20 s; this project's, the paper gives none
NARROW = 0.045  # m of half a width that the scene's surfaces leave beside them


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
        reach=reach_in_sink(objects),
    )


def reach_in_sink(
    objects: Mapping[str, TabletopObject], apart: float = 0.0, staying: Iterable[str] = ()
) -> Reach:
    """Pots and plates stand on the sink's floor, not on its edge; see `Reach` for `apart`.

    Objects `staying` are never moved.
    """
    wide = {name: max(kind.extents[:2]) / 2 for name, kind in objects.items() if _is_wide(kind)}
    floors = {name: (_floor(half),) for name, half in wide.items()}
    return Reach({**floors, **dict.fromkeys(staying, ())}, apart=apart)


def _is_wide(kind: TabletopObject) -> bool:
    return min(kind.extents[:2]) / 2 > NARROW


def _floor(half: float) -> Surface:
    """Where the middle of something that reaches out by `half` m may be."""
    x_low, x_high, y_low, y_high = BASIN
    area = (x_low + half, x_high - half, y_low + half, y_high - half)
    return Surface(area, SINK_FLOOR)


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
