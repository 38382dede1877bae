"""Variant aggregation: SIMPLER's variants of its Google Robot tasks, over which it averages.

Each variant changes one thing about a base; the cabinet's base is itself another room, cabinet and
grid of robot poses than visual matching has. Factors, levels and what they change:
simpler.md §2.2, §2.7, §2.9, §2.11; what rooms and tables look like: `scenes.simpler_variants`.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from dataclasses import replace

from vla_bench.envs.tabletop.robots.google_robot import HEAD_TILT
from vla_bench.envs.tabletop.scenes.counter import head_camera, standing_at
from vla_bench.envs.tabletop.scenes.simpler_variants import cabinet_variant, counter_variant
from vla_bench.envs.tabletop.tasks.google.drawers import BASES, CLOSE_DRAWERS, OPEN_DRAWERS
from vla_bench.envs.tabletop.tasks.google.move_near import MOVE_NEAR
from vla_bench.envs.tabletop.tasks.google.near import Near
from vla_bench.envs.tabletop.tasks.google.pick_can import (
    CAN,
    PICK_HORIZONTAL,
    PICK_STANDING,
    PICK_VERTICAL,
)
from vla_bench.envs.tabletop.tasks.google.place_apple import PLACE_APPLE
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.envs.tabletop.variations.simpler_distractors import DISTRACTORS, kinds, strew
from vla_bench.envs.tabletop.variations.variation import Aspect, ChangeTask, Role, Variation
from vla_bench.envs.tabletop.world import ROBOT

AXIS = "variant_aggregation"
COUNTER_BASE, CABINET_BASE = f"{AXIS}/base/counter", f"{AXIS}/base/apartment"
PICKS = frozenset(task.name for task in (PICK_HORIZONTAL, PICK_VERTICAL, PICK_STANDING))
AT_CABINET = frozenset(task.name for task in (*OPEN_DRAWERS, *CLOSE_DRAWERS, PLACE_APPLE))
TILTS = {"down": 0.9351361, "up": 0.6651361}  # rad, of the head; HEAD_TILT as a rule
XS, YS = (0.65, 0.75, 0.85), (-0.2, 0.0, 0.2)  # m, of the robot before the cabinet
# From each place that visual matching gives the robot to the nearest of this axis's grid.
STANDS = {
    standing_at(*base): standing_at(x, y)
    for base, (y, x) in zip(BASES, itertools.product(YS, XS), strict=True)
}


def _at_counter(level: str, task: Task) -> Task | None:
    """A pick or move-near task at the counter with another look."""
    if task.name in PICKS:
        return replace(task, scene=counter_variant("pick", level))
    if task.name == MOVE_NEAR.name:
        return replace(task, scene=counter_variant("move_near", level))
    return None


def _at_cabinet(level: str, task: Task) -> Task | None:
    """A drawer or apple task in a room with a cabinet of this axis."""
    if task.name not in AT_CABINET:
        return None
    return replace(task, scene=cabinet_variant(level))


def _on_the_grid(task: Task, layout: Layout, rng: random.Random) -> Layout:  # noqa: ARG001
    return {**layout, ROBOT: STANDS[layout[ROBOT]]}


def _tilted(level: str, task: Task) -> Task | None:
    """Seen by the head tilted further, or less far, down."""
    varied = _at_counter("base", task)
    camera = head_camera(TILTS[level])
    return varied and replace(varied, scene=replace(varied.scene, cameras=(camera,)))


def _among(level: str, task: Task) -> Task | None:
    """A coke can among other objects."""
    if task.name not in PICKS:
        return None
    return replace(task, objects={**task.objects, **kinds(level, task.objects[CAN])})


def _alone(task: Task) -> Task | None:
    """Moving near without the third object."""
    if task.name != MOVE_NEAR.name or not isinstance(task.goal, Near):
        return None
    asked = (task.goal.source, task.goal.target)
    return replace(
        task, objects={name: task.objects[name] for name in task.objects if name in asked}
    )


def _without_what_is_gone(task: Task, layout: Layout, rng: random.Random) -> Layout:  # noqa: ARG001
    return {name: pose for name, pose in layout.items() if name in task.objects}


def _variant(factor: str, level: str, text: str, task: ChangeTask) -> Variation:
    """One that differs in its image from the counter's base."""
    return Variation(
        AXIS,
        factor,
        level,
        text,
        changes=frozenset({Aspect.IMAGE}),
        against=COUNTER_BASE,
        role=Role.AVERAGED,
        task=task,
    )


def _counter(factor: str, level: str, text: str) -> Variation:
    return _variant(factor, level, text, functools.partial(_at_counter, level))


def _cabinet(factor: str, level: str, text: str) -> Variation:
    varied = _variant(factor, level, text, functools.partial(_at_cabinet, level))
    return replace(varied, against=CABINET_BASE, layout=_on_the_grid)


def _distractors(level: str) -> Variation:
    names = ", ".join(thing.kind.replace("_", " ") for thing in DISTRACTORS[level])
    text = f"beside the coke can: {names}"
    varied = _variant("distractors", level, text, functools.partial(_among, level))
    return replace(varied, layout=strew)


def _camera(level: str) -> Variation:
    further = abs(math.degrees(TILTS[level] - HEAD_TILT))
    text = f"the head tilted {further:.1f} degrees further {level}"
    varied = _variant("camera", level, text, functools.partial(_tilted, level))
    return replace(varied, role=Role.APART)


VARIANT_AGGREGATION = (
    replace(
        _counter("base", "counter", "the counter as it is"), changes=frozenset(), against="none"
    ),
    replace(
        _cabinet(
            "base",
            "apartment",
            "before the cabinet, the robot on a regular grid, untuned; a pale wall, planks, "
            "a greyer cabinet, white inside; light from above and from both sides",
        ),
        changes=frozenset({Aspect.IMAGE, Aspect.STATE}),
        against="none",
    ),
    _counter("table", "cabinet_1", "chest and worktop of dark wood, a pale wall, planks"),
    _counter("table", "cabinet_2", "the same of pale wood"),
    *(_distractors(level) for level in DISTRACTORS),
    replace(
        _variant("distractors", "none", "moving near: without the third object", _alone),
        layout=_without_what_is_gone,
    ),
    _counter("background", "alt_1", "a brick wall and dark planks behind the counter"),
    _counter("background", "alt_2", "a blue wall and a grey carpet behind the counter"),
    _cabinet("background", "bedroom", "a mauve wall and a beige carpet"),
    _cabinet("background", "office", "a white wall and a blue-grey carpet"),
    _counter("lighting", "slightly_brighter", "counter: SIMPLER's slightly brighter lights"),
    _counter("lighting", "slightly_darker", "counter: SIMPLER's slightly darker lights"),
    _cabinet("lighting", "brighter", "cabinet: the light from above twice as strong"),
    _cabinet("lighting", "darker", "cabinet: the light from above half as strong"),
    _cabinet("station", "station_2", "the cabinet brown inside too"),
    _cabinet("station", "station_3", "the cabinet brown inside, with a dark stone top"),
    *(_camera(level) for level in TILTS),
)
