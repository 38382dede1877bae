"""Physical: size, shape, mass and friction of the object that is to be moved."""

from __future__ import annotations

import functools
from dataclasses import replace

from vla_bench.envs.tabletop.objects.specimen import Specimen
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.variations.roles import drawer_of, source_of
from vla_bench.envs.tabletop.variations.variation import Aspect, Variation

LEVELS = (
    ("size", "small", Specimen(stretch=(0.85,) * 3), "0.85 times as large, of equal mass"),
    ("size", "large", Specimen(stretch=(1.2,) * 3), "1.2 times as large, of equal mass"),
    ("shape", "long", Specimen(stretch=(1.3, 1.0, 1.0)), "1.3 times as long along its x axis"),
    ("shape", "flat", Specimen(stretch=(1.0, 1.0, 0.75)), "0.75 times as high"),
    ("mass", "light", Specimen(mass=0.4), "0.4 times as heavy"),
    ("mass", "heavy", Specimen(mass=4.0), "4 times as heavy"),
    ("friction", "slippery", Specimen(friction=0.35), "sliding friction 0.35 in every contact"),
    ("friction", "rough", Specimen(friction=1.5), "sliding friction 1.5 in every contact"),
)


def _with_specimen(specimen: Specimen, task: Task) -> Task | None:
    source = source_of(task)
    if drawer_of(task) and source is None and specimen == Specimen(mass=specimen.mass):
        return replace(task, scene=replace(task.scene, drawer_mass=specimen.mass))
    smallest, largest = task.reach.sizes
    if source is None or not smallest <= min(specimen.stretch) <= max(specimen.stretch) <= largest:
        return None
    objects = {**task.objects, source: task.objects[source].made(specimen)}
    return replace(task, objects=objects)


def _variation(factor: str, level: str, specimen: Specimen, text: str) -> Variation:
    seen = factor == "size"  # what is flat already hardly looks flatter
    what = (
        "the object to be moved, or the drawer," if factor == "mass" else "the object to be moved"
    )
    return Variation(
        "physical",
        factor,
        level,
        f"{what} is {text}"
        if factor != "friction"
        else f"the object to be moved has {text}; nominally fingers have 2 and furniture 0.75",
        changes=frozenset({Aspect.PHYSICS, *({Aspect.IMAGE} if seen else ())}),
        may_change=frozenset({Aspect.STATE, Aspect.IMAGE}),
        task=functools.partial(_with_specimen, specimen),
    )


PHYSICAL = tuple(_variation(*level) for level in LEVELS)
