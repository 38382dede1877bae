"""What a variation is: one named way in which an episode differs from its twin.

The twin has the same task, initial state and seed, and no variation. A variation changes a task
before it is compiled (scene, objects, goal, words), a layout once it is drawn, or what is said of
it; and it says which aspects of an episode it changes, so that `check.verify` can hold it to that.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from dataclasses import dataclass

from vla_bench.envs.tabletop.tasks.task import Layout, Task

ChangeTask = Callable[[Task], Task | None]
"""The varied task, or None where there is nothing to vary; of paired tasks, one turn."""
ChangeLayout = Callable[[Task, Layout, random.Random], Layout]
"""The varied task and the twin's layout -> the varied layout; only `random()` is stable."""
Say = Callable[[Task, Layout], str]
"""The varied task and the varied layout -> the instruction."""


class Aspect(enum.Enum):
    """What a variation can change about the start of an episode."""

    IMAGE = "the first image"
    STATE = "where objects and robot start"
    PHYSICS = "shape, mass or friction of the task's objects"
    INSTRUCTION = "the instruction"


class Role(enum.Enum):
    """What the episodes of a variation are for."""

    DROP = "held against their twins: a level of one of the five axes of generalization"
    AVERAGED = "averaged with the other variants of their axis: one setting of a benchmark"
    APART = "run beside the averaged ones, and reported apart"


def _same_task(task: Task) -> Task:
    return task


def _same_layout(task: Task, layout: Layout, rng: random.Random) -> Layout:  # noqa: ARG001
    return layout


def _own_words(task: Task, layout: Layout) -> str:  # noqa: ARG001
    return task.instruction


@dataclass(frozen=True)
class Variation:
    """One level of one factor of one axis.

    Attributes:
        text: What differs, in words, for the card.
        changes: What differs from `against` at the start of every episode.
        may_change: What else may differ. All other aspects are equal.
        against: Name of the variation that it is held against: ``none``, the twin, as a rule.
        role: What its rate goes into.
    """

    axis: str
    factor: str
    level: str
    text: str
    changes: frozenset[Aspect] = frozenset()
    may_change: frozenset[Aspect] = frozenset()
    against: str = "none"
    role: Role = Role.DROP
    task: ChangeTask = _same_task
    layout: ChangeLayout = _same_layout
    instruction: Say = _own_words

    @property
    def name(self) -> str:
        """``axis/factor/level``; ``none`` for the twin itself."""
        return "/".join(part for part in (self.axis, self.factor, self.level) if part)


NOMINAL = Variation("none", "", "", "as the task says")
