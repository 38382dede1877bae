"""Semantic: a held-out object to be moved, a target of an unseen colour that the words name.

Also what the language axis needs: a second object that could be moved as well.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, replace

from vla_bench.envs.tabletop.expert import Grasp
from vla_bench.envs.tabletop.geometry import Vector
from vla_bench.envs.tabletop.objects.builder import Paint, TabletopObject
from vla_bench.envs.tabletop.objects.held_out import CUCUMBER, MATCHBOX, TOY_CAR
from vla_bench.envs.tabletop.objects.held_out_large import CANDLE, JAM_JAR, TENNIS_BALL
from vla_bench.envs.tabletop.robots.google_robot import GOOGLE_ROBOT
from vla_bench.envs.tabletop.robots.panda import PANDA
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.envs.tabletop.robots.widowx import WIDOWX
from vla_bench.envs.tabletop.scenes.cabinet import front_of, joint_of
from vla_bench.envs.tabletop.tasks.google.script import Hold
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.envs.tabletop.variations.roles import (
    called,
    drawer_of,
    plan_of,
    renamed,
    source_of,
    spoken,
    target_of,
)
from vla_bench.envs.tabletop.variations.sentences import parse
from vla_bench.envs.tabletop.variations.variation import Aspect, Variation
from vla_bench.envs.tabletop.world import ROBOT

COLORS: dict[str, Vector] = {"red": (0.78, 0.13, 0.11), "blue": (0.12, 0.27, 0.70)}
PAINTED = {  # no brand, no fruit
    *("basket", "block", "bottle", "bowl", "box", "cup", "drawer", "mug", "plate", "pot", "towel")
}
NOMINAL = {"bowl": "blue"}  # kind -> its colour, where the instruction does not say it


@dataclass(frozen=True)
class HeldOut:
    """An object that no suite's own tasks use, the robots that can hold it, and how they do."""

    kind: TabletopObject
    robots: tuple[Robot, ...]
    hold: Grasp | Hold

    @property
    def name(self) -> str:
        return self.kind.kind


def _small(kind: TabletopObject, height: float) -> HeldOut:
    return HeldOut(kind, (WIDOWX, PANDA), Grasp((0.0, 0.0), height, (1.0, 0.0, 0.0)))


def _large(kind: TabletopObject, height: float) -> HeldOut:
    return HeldOut(kind, (GOOGLE_ROBOT,), Hold(height))


HELD_OUT = (
    _small(CUCUMBER, 0.028),
    _small(MATCHBOX, 0.027),
    _small(TOY_CAR, 0.028),
    _large(TENNIS_BALL, -0.005),
    _large(JAM_JAR, 0.0),
    _large(CANDLE, 0.0),
)


def asking_for(held: HeldOut, task: Task) -> Task | None:
    """`task`, but of `held` instead of the object that is to be moved; both objects are there.

    None where the instruction does not name the object, or its expert cannot hold the other.
    """
    source, plan, sentence = source_of(task), plan_of(task), parse(task.instruction)
    words = called(source, sentence.a) if source and sentence else None
    can_hold = task.scene.mount.robot in held.robots
    if source is None or plan is None or words is None or not can_hold:
        return None
    goal = renamed(task.goal, source, held.name)
    return replace(
        task,
        instruction=_reworded(task.instruction, words, spoken(held.name)),
        objects={**task.objects, held.name: held.kind},
        goal=goal,
        expert=plan.about(goal, held.hold).start,
    )


def _replaced(held: HeldOut, task: Task) -> Task | None:
    """As `asking_for`, without the object that it was about."""
    source, asked = source_of(task), asking_for(held, task)
    if source is None or asked is None:
        return None
    names = {source: held.name}
    objects = {names.get(name, name): asked.objects[names.get(name, name)] for name in task.objects}
    return replace(asked, objects=objects)


def _in_its_place(held: HeldOut, task: Task, layout: Layout, rng: random.Random) -> Layout:  # noqa: ARG001
    """The held-out object starts where the one that it replaces did."""
    (gone,) = (name for name in layout if name not in task.objects and name != ROBOT)
    return {held.name if name == gone else name: pose for name, pose in layout.items()}


def _colored(color: str, task: Task) -> Task | None:
    """The target in `color`, which the instruction now names; None where it has that already.

    What a task is about stands for its target where that cannot be painted, or where it has none.
    """
    if color in task.instruction.split():
        return None
    drawer = drawer_of(task)
    for name in (target_of(task), source_of(task), drawer and joint_of(drawer)):
        words = _paintable(name, task) if name else None
        if name and words:
            dyed = _dyed(name, color, task)
            return dyed and _asking_for_color(dyed, words, f"{color} {words.split()[-1]}")
    return None


def _paintable(name: str, task: Task) -> str | None:
    """What the instruction calls `name`, if it may be of another colour."""
    sentence = parse(task.instruction)
    parts = (sentence.b, sentence.a) if sentence else ()
    found = (called(name, part) for part in parts)
    return next((words for words in found if words and words.split()[-1] in PAINTED), None)


def _dyed(name: str, color: str, task: Task) -> Task | None:
    """`task` with the object, or the drawer, `name` in `color`; None where it is so nominally."""
    kind = task.objects.get(name)
    if kind and NOMINAL.get(kind.kind) == color:
        return None
    if kind and not kind.fixed:
        dyed = kind.made(replace(kind.specimen, color=COLORS[color]))
        return replace(task, objects={**task.objects, name: dyed})
    part = name if kind else front_of(name)  # the furniture draws it
    repaint = {**task.scene.repaint, part: Paint((*COLORS[color], 1.0))}
    return replace(task, scene=replace(task.scene, repaint=repaint))


def _asking_for_color(task: Task, words: str, new: str) -> Task:
    """`task` saying `new` instead of `words`, in its second instruction too."""
    then = task.then and replace(
        task.then, instruction=_reworded(task.then.instruction, words, new)
    )
    return replace(task, instruction=_reworded(task.instruction, words, new), then=then)


def _reworded(instruction: str, words: str, new: str) -> str:
    """`instruction` with `new` for the last `words` in it; as it is where they are not."""
    return new.join(instruction.rsplit(words, 1))


_OBJECT = tuple(
    Variation(
        "semantic",
        "object",
        held.name,
        f"a {spoken(held.name)} instead of the object to be moved, and in its place",
        changes=frozenset({Aspect.IMAGE, Aspect.INSTRUCTION}),
        may_change=frozenset({Aspect.STATE, Aspect.PHYSICS}),
        task=functools.partial(_replaced, held),
        layout=functools.partial(_in_its_place, held),
    )
    for held in HELD_OUT
)
_TARGET = tuple(
    Variation(
        "semantic",
        "target",
        color,
        f"the target, or else what is to be handled, is {color}, and the instruction says so",
        changes=frozenset({Aspect.IMAGE, Aspect.INSTRUCTION}),
        task=functools.partial(_colored, color),
    )
    for color in COLORS
)
SEMANTIC = (*_OBJECT, *_TARGET)
