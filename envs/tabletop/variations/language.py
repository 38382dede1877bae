"""Language: the same episode asked for in other words, and another object asked for instead."""

from __future__ import annotations

import functools
import random
from dataclasses import replace

import numpy as np

from vla_bench.envs.tabletop.geometry import matrix
from vla_bench.envs.tabletop.scenes.cabinet import joint_of
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.envs.tabletop.variations.clearance import carrier
from vla_bench.envs.tabletop.variations.region import add_missing
from vla_bench.envs.tabletop.variations.roles import drawer_of, source_of, spoken, target_of
from vla_bench.envs.tabletop.variations.semantic import HELD_OUT, asking_for
from vla_bench.envs.tabletop.variations.sentences import Sentence, parse
from vla_bench.envs.tabletop.variations.variation import Aspect, ChangeTask, Say, Variation
from vla_bench.envs.tabletop.world import ROBOT

DESCRIPTIONS = {  # as an instruction calls it -> what it looks like
    "spoon": "green piece of cutlery",
    "towel": "piece of checked cloth",
    "carrot": "orange vegetable",
    "plate": "flat round dish",
    "pink plate": "flat round dish",
    "green block": "cube with the colour of grass",
    "yellow block": "cube with the colour of a lemon",
    "eggplant": "purple vegetable",
    "yellow basket": "wire container with the colour of a lemon",
    "pot": "round cooking vessel",
    "red bottle": "red container with a cap",
    "yellow corn": "yellow vegetable",
    "cheese": "yellow dairy product",
    "red chili pepper": "red vegetable",
    "purple grapes": "bunch of small purple fruit",
    "aaa battery": "small cylinder that powers things",
    "white tape": "white roll",
    "skull": "white toy with teeth",
    "coke can": "red soda can",
    "apple": "round red fruit",
    "orange": "round orange fruit",
    "banana": "long yellow fruit",
    "sponge": "soft cleaning pad",
    "blue plastic bottle": "blue container with a cap",
    "pepsi can": "blue cola can",
    "7up can": "green soda can",
    "green can": "green soda can",
    "redbull can": "slim energy drink can",
    "blue chip bag": "blue snack packet",
    "brown chip bag": "brown snack packet",
    "green cup": "green drinking vessel",
    "blue cup": "blue drinking vessel",
    "pink cup": "pink drinking vessel",
    "bowl": "deep round dish",
    "mug": "drinking vessel with a handle",
    "juice box": "drinks carton with a straw",
    "blue bottle": "blue container with a cap",
    "orange bottle": "orange container with a cap",
    "top drawer": "uppermost compartment",
    "middle drawer": "second compartment from above",
    "bottom drawer": "lowest compartment",
    "cup from counter": "pink drinking vessel from the counter",
    "table": "surface with brown pieces on it",
}
NEIGHBOURS = {  # drawer -> where it is among the three
    "top": "drawer above the middle one",
    "middle": "drawer between the other two",
    "bottom": "drawer below the middle one",
}
LOOKS_ELSE = {"blue_towel": "towel"}  # kind -> the name whose description is not true of it


def _any(task: Task) -> Task | None:
    """Applies to every task."""
    return task


def _has_form(task: Task) -> Task | None:
    return task if parse(task.instruction) else None


def _verb(task: Task, layout: Layout) -> str:  # noqa: ARG001
    sentence = _sentence(task)
    return sentence.say(sentence.form.verb)


def _wish(task: Task, layout: Layout) -> str:  # noqa: ARG001
    sentence = _sentence(task)
    return sentence.say(sentence.form.wish)


def _polite(task: Task, layout: Layout) -> str:  # noqa: ARG001
    return f"could you please {task.instruction}?"


def _sentence(task: Task) -> Sentence:
    sentence = parse(task.instruction)
    assert sentence is not None, "a variation that needs the sentence's form is not applicable"
    return sentence


def _described(part: str, task: Task) -> Task | None:
    sentence = parse(task.instruction)
    name = getattr(sentence, part, "")
    looks_else = {LOOKS_ELSE.get(kind.kind) for kind in task.objects.values()}
    return task if name in DESCRIPTIONS and name not in looks_else else None


def _describe(part: str, task: Task, layout: Layout) -> str:  # noqa: ARG001
    return _calling(part, DESCRIPTIONS[getattr(_sentence(task), part)], task)


def _calling(part: str, words: str, task: Task) -> str:
    """The instruction with `words` for its first (a) or its last part (b)."""
    name = getattr(_sentence(task), part)
    split = task.instruction.partition if part == "a" else task.instruction.rpartition
    before, _, after = split(name)
    return f"{before.removesuffix('the ')}the {words}{after}"


def _of_two(task: Task) -> Task | None:
    """Where one object stands to the other is a reference only if there are no more."""
    sentence = parse(task.instruction)
    named = source_of(task) and target_of(task) and sentence and sentence.b
    return task if named and len(task.objects) == 2 and not _starts_inside(task) else None


def _starts_inside(task: Task) -> bool:
    """Whether the object to be moved starts in or on another one, out of which it is to be taken.

    Then it stands to no side of it, and whatever lies beside it is out already.
    """
    source, target = source_of(task), target_of(task)
    if source is None or target is None:
        return False
    return any(carrier(layout, source) == target for layout in task.layouts)


def _by_side(task: Task, layout: Layout) -> str:
    """The object to be moved by its place, seen from the robot, relative to the target."""
    source, target = source_of(task), target_of(task)
    assert source is not None
    assert target is not None
    base = layout.get(ROBOT, task.scene.mount.base)
    apart = np.subtract(layout[source].position, layout[target].position)
    ahead, left, _ = matrix(base.quaternion).T @ apart
    b = _sentence(task).b
    if abs(left) >= abs(ahead):
        where = f"to the {'left' if left > 0 else 'right'} of the {b}"
    else:
        where = f"{'behind' if ahead > 0 else 'in front of'} the {b}"
    return _calling("a", f"object {where}", task)


def _a_drawer(task: Task) -> Task | None:
    return task if drawer_of(task) else None


def _by_neighbours(task: Task, layout: Layout) -> str:  # noqa: ARG001
    drawer = drawer_of(task)
    assert drawer is not None, "a variation of drawers is not applicable"
    before, _, after = task.instruction.partition(spoken(joint_of(drawer)))
    return f"{before.removesuffix('the ')}the {NEIGHBOURS[drawer]}{after}"


def _accompanied(task: Task) -> Task | None:
    """With a second object that could be moved as well; the words stay."""
    other = _of_the_other(task)
    return other and replace(task, objects=other.objects)


def _of_the_other(task: Task) -> Task | None:
    """About the second object; None where the scene has no place for one.

    None too where that object, beside the other one, would be where the goal wants it.
    """
    if not task.scene.surfaces or not task.reach.company or _starts_inside(task):
        return None
    asked = (asking_for(held, task) for held in HELD_OUT)
    return next((each for each in asked if each is not None), None)


def _beside_the_source(task: Task, layout: Layout, rng: random.Random) -> Layout:
    """The second object lies on the surface of the first one."""
    first = next(name for name in layout if name in task.objects and not task.objects[name].fixed)
    return add_missing(task, layout, rng, beside=first)


_WORDS = frozenset({Aspect.INSTRUCTION})
_SEEN = frozenset({Aspect.IMAGE})
_COMPANY = "a held-out object lies beside, and could be moved as well"


def _words(factor: str, level: str, text: str, task: ChangeTask, say: Say) -> Variation:
    return Variation("language", factor, level, text, changes=_WORDS, task=task, instruction=say)


LANGUAGE = (
    _words("paraphrase", "polite", "asked politely, in the same words", _any, _polite),
    _words("paraphrase", "verb", "another verb", _has_form, _verb),
    _words("paraphrase", "wish", "the result is wished for, no verb of action", _has_form, _wish),
    *(
        _words(
            "attribute",
            level,
            f"the {level} is called by what it looks like instead of its name",
            functools.partial(_described, part),
            functools.partial(_describe, part),
        )
        for level, part in (("object", "a"), ("target", "b"))
    ),
    _words(
        "relation",
        "side",
        "the object is called by where it lies, seen from the robot",
        _of_two,
        _by_side,
    ),
    _words(
        "relation",
        "neighbours",
        "the drawer is called by where it is among the others",
        _a_drawer,
        _by_neighbours,
    ),
    Variation(
        "language",
        "other_object",
        "unnamed",
        f"{_COMPANY}; the instruction is the task's own",
        changes=_SEEN,
        task=_accompanied,
        layout=_beside_the_source,
    ),
    Variation(
        "language",
        "other_object",
        "named",
        f"{_COMPANY}; the instruction names it: the same scene as unnamed, so that a policy that "
        "does not listen fails one of the two",
        changes=_WORDS,
        against="language/other_object/unnamed",
        task=_of_the_other,
        layout=_beside_the_source,
    ),
)
