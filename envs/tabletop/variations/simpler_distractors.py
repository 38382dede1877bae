"""The objects that SIMPLER's variant aggregation puts beside its coke can, and where.

Kinds and places: simpler.md §2.2, §2.11, and ManiSkill2_real2sim@ef7a4d4 grasp_single_in_scene.py,
which draws each place at random, 25 cm or more from the can, and lets what lies there fall onto
each other; here it lies apart, and nearer to the can where there is no other room.
"""

from __future__ import annotations

import math
import random

from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.drinks import FANTA, PEPSI, SEVEN_UP, SPRITE, UPRIGHT, Can
from vla_bench.envs.tabletop.objects.fruit import APPLE, ORANGE, SPONGE
from vla_bench.envs.tabletop.objects.tableware import SPOON
from vla_bench.envs.tabletop.scenes.counter import COUNTER_HEIGHT
from vla_bench.envs.tabletop.tasks.google.pick_can import CAN
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.envs.tabletop.variations.clearance import MARGIN
from vla_bench.envs.tabletop.variations.region import TRIES, Area, uniform
from vla_bench.errors import EnvError

DISTRACTORS: dict[str, tuple[Can | TabletopObject, ...]] = {
    "less": (PEPSI, APPLE, SPONGE, ORANGE),
    "more": (SEVEN_UP, SPRITE, SPONGE, ORANGE, FANTA, SPOON),
}
SIMPLERS: Area = (-0.50, -0.10, 0.05, 0.35)  # m
WIDER: Area = (-0.55, -0.10, -0.06, 0.46)
# Where to look for room, and how far from the can, m.
PLACES = ((SIMPLERS, 0.25), (WIDER, 0.25), (WIDER, 0.20), (WIDER, 0.15))


def kinds(level: str, coke: TabletopObject) -> dict[str, TabletopObject]:
    """The objects of a level; cans stand or lie as the coke can does, as in SIMPLER."""
    return {thing.kind: _as_it_lies(thing, coke) for thing in DISTRACTORS[level]}


def strew(task: Task, layout: Layout, rng: random.Random) -> Layout:
    """`layout` and every object of `task` that it lacks."""
    poses = dict(layout)
    for name, kind in task.objects.items():
        if name not in layout:
            poses[name] = _spot(task, poses, kind, rng)
    return poses


def _as_it_lies(thing: Can | TabletopObject, coke: TabletopObject) -> TabletopObject:
    if isinstance(thing, TabletopObject):
        return thing
    return thing.standing() if _stands(coke) else thing.resting(coke.rest)


def _stands(kind: TabletopObject) -> bool:
    return kind.rest.quaternion == UPRIGHT


def _spot(task: Task, there: Layout, kind: TabletopObject, rng: random.Random) -> Pose:
    """On the counter, apart from all that is there."""
    for area, away in PLACES:
        for _ in range(TRIES):
            xy = uniform(rng, *area[:2]), uniform(rng, *area[2:])
            far = math.dist(xy, there[CAN].position[:2]) > away
            if far and all(
                math.dist(xy, pose.position[:2]) > _radius(kind) + _radius(task.objects[o]) + MARGIN
                for o, pose in there.items()
            ):
                return Pose((*xy, COUNTER_HEIGHT))
    raise EnvError(f"{task.name}: found no room for a {kind.kind}.")


def _radius(kind: TabletopObject) -> float:
    """Of the circle that an object fits in, seen from above, m."""
    x, y, z = kind.extents
    return math.hypot(x, z if _stands(kind) else y) / 2
