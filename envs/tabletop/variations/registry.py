"""All variations by name, and what ``env.variation=…`` selects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.variations.arm_color import ARM_COLORS
from vla_bench.envs.tabletop.variations.language import LANGUAGE
from vla_bench.envs.tabletop.variations.motion import MOTION
from vla_bench.envs.tabletop.variations.physical import PHYSICAL
from vla_bench.envs.tabletop.variations.semantic import SEMANTIC
from vla_bench.envs.tabletop.variations.variant_aggregation import VARIANT_AGGREGATION
from vla_bench.envs.tabletop.variations.variation import NOMINAL, Role, Variation
from vla_bench.envs.tabletop.variations.visual import VISUAL
from vla_bench.errors import ConfigError, unknown_name

ALL = "all"  # the twins and the five axes of generalization
VARIATIONS: Mapping[str, Variation] = {
    variation.name: variation
    for variation in (
        NOMINAL,
        *VISUAL,
        *MOTION,
        *PHYSICAL,
        *SEMANTIC,
        *LANGUAGE,
        *ARM_COLORS,
        *VARIANT_AGGREGATION,
    )
}


def select(text: str, tasks: Iterable[Task]) -> list[Variation]:
    """What `text` names and applies to any of `tasks`, in the registry's order.

    `text` is ``none``, ``all``, ``axis``, ``axis/factor`` or ``axis/factor/level``. What is
    averaged instead of held against twins is not in ``all``. Raises ConfigError for an unknown
    name, with the nearest one, and where nothing applies.
    """
    named = [
        v
        for v in VARIATIONS.values()
        if (text == ALL and v.role is Role.DROP) or f"{v.name}/".startswith(f"{text}/")
    ]
    if not named:
        raise unknown_name("variation", text, _selectable())
    tasks = list(tasks)
    chosen = [v for v in named if any(applies(v, task) for task in tasks)]
    if not chosen:
        names = ", ".join(task.name for task in tasks)
        raise ConfigError(f"Variation {text!r} has nothing to vary in {names}. Try other tasks.")
    return chosen


def applies(variation: Variation, task: Task) -> bool:
    """Whether `variation` has something to vary in everything that `task` asks for."""
    asked = asked_of(task)
    later = [replace(each, instruction=each.then.instruction) for each in asked if each.then]
    return all(variation.task(each) is not None for each in (*asked, *later))


def asked_of(task: Task) -> tuple[Task, ...]:
    """What `task` asks for in turn, each with all the initial states that have its objects."""
    return tuple(
        replace(
            turn, layouts=tuple(each for each in task.layouts if turn.objects.keys() <= each.keys())
        )
        for turn in task.turns
    ) or (task,)


def _selectable() -> set[str]:
    """Everything that `select` knows: all names and the prefixes of names."""
    prefixes = {"/".join(name.split("/")[:depth]) for name in VARIATIONS for depth in range(1, 4)}
    return {ALL, *prefixes}
