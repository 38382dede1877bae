"""Who is who in a task: the object to be moved, where to, and what the instruction calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol, runtime_checkable

from vla_bench.envs.tabletop.tasks.task import Expert, Task
from vla_bench.envs.tabletop.world import World

SOURCE = ("source", "name")  # what goals call the object to be moved
TARGET = ("target", "vessel")  # and where it is to go


@runtime_checkable
class Plan(Protocol):
    """Makes the expert of a task that could be about another object as well."""

    def start(self, world: World) -> Expert:
        """An expert for the episode that `world` has just been reset to."""
        ...

    def about(self, goal: Any, hold: Any) -> Plan:
        """The same plan for `goal`, the task's own with another object.

        `hold` says how to hold that, in the terms of the robot's experts.
        """
        ...


def source_of(task: Task) -> str | None:
    """The object to be moved; None where there is none, as with a drawer."""
    return _named(task.goal, SOURCE, task.objects)


def target_of(task: Task) -> str | None:
    """The object to which the other one is moved; None where that is no object."""
    return _named(task.goal, TARGET, task.objects)


def drawer_of(task: Task) -> str | None:
    """Which drawer is to be opened or closed: ``top``, ``middle`` or ``bottom``; None: none."""
    return getattr(task.goal, "drawer", None)


def plan_of(task: Task) -> Plan | None:
    """The plan of the task's expert; None where what it does fits one kind of object alone."""
    plan = getattr(task.expert, "__self__", None)
    return plan if isinstance(plan, Plan) else None


def spoken(name: str) -> str:
    """An object's name in an instruction: ``green_block`` is the green block."""
    return name.replace("_", " ")


def called(name: str, words: str) -> str | None:
    """What of `words` calls the object `name`, adjectives and all; None where nothing does.

    Of ``cup from counter``, which calls a ``pink_cup``, that is ``cup``.
    """
    found = re.match(rf"(?:.* )?{spoken(name).split()[-1]}\b", words)
    return found[0] if found else None


def renamed(goal: Any, old: str, new: str) -> Any:
    """`goal`, a frozen dataclass that may hold others, with the object `old` called `new`."""
    changes = {}
    for field in fields(goal):
        value = getattr(goal, field.name)
        if value == old and isinstance(value, str):
            changes[field.name] = new
        elif is_dataclass(value) and not isinstance(value, type):
            changes[field.name] = renamed(value, old, new)
    return replace(goal, **changes)


def _named(goal: object, keys: Iterable[str], objects: Iterable[str]) -> str | None:
    """The first object that `goal`, or a dataclass in it, holds under one of `keys`."""
    if not is_dataclass(goal):
        return None
    inner = []
    for field in fields(goal):
        value = getattr(goal, field.name)
        if field.name in keys and value in set(objects):
            return str(value)
        inner.append(value)
    found = (_named(value, keys, objects) for value in inner)
    return next((name for name in found if name is not None), None)
