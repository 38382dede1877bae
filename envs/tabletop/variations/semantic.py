"""Semantic: a held-out object to be moved, a target of an unseen colour that the words name.

Also what the language axis needs: a second object that could be moved as well.
"""

from __future__ import annotations

import functools
import random
import re
from dataclasses import dataclass, replace

from vla_bench.envs.tabletop.expert import Grasp, PickAndPlace
from vla_bench.envs.tabletop.geometry import Vector
from vla_bench.envs.tabletop.objects.builder import Paint, TabletopObject
from vla_bench.envs.tabletop.objects.held_out import CUCUMBER, MATCHBOX, TOY_CAR
from vla_bench.envs.tabletop.objects.specimen import Specimen
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.envs.tabletop.variations.roles import plan_of, renamed, source_of, spoken, target_of
from vla_bench.envs.tabletop.variations.sentences import parse
from vla_bench.envs.tabletop.variations.variation import Aspect, Variation
from vla_bench.envs.tabletop.world import ROBOT

COLORS: dict[str, Vector] = {"red": (0.78, 0.13, 0.11), "blue": (0.12, 0.27, 0.70)}
PAINTED = {"plate", "towel", "block", "basket", "pot", "bowl", "cup"}  # no brand, no fruit
NOMINAL = {"bowl": "blue"}  # kind -> its colour, where the instruction does not say it
COLOR_WORDS = re.compile(r"\b(red|blue|green|yellow|pink|purple|white|orange|brown|black) ")


@dataclass(frozen=True)
class HeldOut:
    """An object that no suite's own tasks use, and how to hold it."""

    kind: TabletopObject
    grasp: Grasp

    @property
    def name(self) -> str:
        return self.kind.kind


HELD_OUT = (
    HeldOut(CUCUMBER, Grasp(point=(0.0, 0.0), height=0.028, along=(1.0, 0.0, 0.0))),
    HeldOut(MATCHBOX, Grasp(point=(0.0, 0.0), height=0.027, along=(1.0, 0.0, 0.0))),
    HeldOut(TOY_CAR, Grasp(point=(0.0, 0.0), height=0.028, along=(1.0, 0.0, 0.0))),
)


def asking_for(held: HeldOut, task: Task) -> Task | None:
    """`task`, but of `held` instead of the object that is to be moved; both objects are there.

    None where the instruction does not name the object, or the expert does not pick and place.
    """
    source, plan, sentence = source_of(task), plan_of(task), parse(task.instruction)
    if source is None or plan is None or sentence is None or spoken(source) not in sentence.a:
        return None
    return replace(
        task,
        instruction=task.instruction.replace(sentence.a, spoken(held.name)),  # its adjective too
        objects={**task.objects, held.name: held.kind},
        goal=renamed(task.goal, source, held.name),
        expert=PickAndPlace(renamed(plan.goal, source, held.name), held.grasp).start,
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


def _colored_target(color: str, task: Task) -> Task | None:
    """The target in `color`, which the instruction now names; None where it has that already."""
    target, sentence = target_of(task), parse(task.instruction)
    if target is None or sentence is None or color in task.instruction.split():
        return None
    noun = COLOR_WORDS.sub("", sentence.b)
    if noun not in PAINTED or not spoken(target).endswith(noun):
        return None
    before, _, after = task.instruction.rpartition(sentence.b)
    instruction = f"{before}{color} {noun}{after}"
    kind = task.objects[target]
    if NOMINAL.get(kind.kind) == color:
        return None
    if kind.fixed:  # then the furniture draws it
        scene = replace(task.scene, repaint={**task.scene.repaint, target: Paint(_rgba(color))})
        return replace(task, instruction=instruction, scene=scene)
    dyed = kind.made(Specimen(color=COLORS[color]))
    return replace(task, instruction=instruction, objects={**task.objects, target: dyed})


def _rgba(color: str) -> Vector:
    return (*COLORS[color], 1.0)


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
        f"the target is {color}, and the instruction says so",
        changes=frozenset({Aspect.IMAGE, Aspect.INSTRUCTION}),
        task=functools.partial(_colored_target, color),
    )
    for color in COLORS
)
SEMANTIC = (*_OBJECT, *_TARGET)
