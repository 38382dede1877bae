"""Motion: positions and turns that no official initial state has."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vla_bench.envs.tabletop.geometry import Pose, Vector, about_axis
from vla_bench.envs.tabletop.scenes.scene import Surface
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.envs.tabletop.variations.clearance import are_apart, gaps_needed, yaw_of
from vla_bench.envs.tabletop.variations.region import (
    TRIES,
    Region,
    is_on,
    loose,
    moved_to,
    region_of,
    uniform,
)
from vla_bench.envs.tabletop.variations.roles import source_of
from vla_bench.envs.tabletop.variations.variation import Aspect, Variation
from vla_bench.envs.tabletop.world import ROBOT
from vla_bench.errors import EnvError

BEYOND = 0.015  # m outside of the region, at least
STRIP = 0.01  # m that a surface must reach further than that, to be drawn from
TURNED = math.radians(15.0)  # from every official yaw, at least
AWAY = 0.04  # m from every place at which the robot officially stands
NARROWEST = math.radians(40.0)  # gap between official yaws that is worth drawing from


def _surfaces_beyond(task: Task, name: str) -> list[tuple[Surface, Region]]:
    """Surfaces at the height of an official start of the object, beyond the region of these."""
    far = BEYOND + STRIP
    places = []
    for surface in task.reach.surfaces.get(name, task.scene.surfaces):
        if any(is_on(layout[name], surface) for layout in task.layouts if name in layout):
            region = region_of(task, name, surface.height)
            x_low, x_high, y_low, y_high = region.grown(far).area
            left, right, near, away = surface.area
            if left < x_low or right > x_high or near < y_low or away > y_high:
                places.append((surface, region))
    return places


def _with_room_beyond(task: Task) -> Task | None:
    movable = loose(task, task.layouts[0])
    return task if any(_surfaces_beyond(task, name) for name in movable) else None


def _with_other_yaws(task: Task) -> Task | None:
    movable = loose(task, task.layouts[0])
    return task if any(_yaw_gaps(task, name) for name in movable) else None


def _beyond(task: Task, layout: Layout, rng: random.Random) -> Layout:
    """One object after the other outside of its region, on its surface; yaws stay."""
    places = {name: _surfaces_beyond(task, name) for name in loose(task, layout)}
    needed = _with_room(task, gaps_needed(task))
    for _ in range(TRIES):
        moved = {
            name: replace(layout[name], position=_outside(around, rng))
            for name, around in places.items()
            if around
        }
        candidate = moved_to(layout, moved)
        if are_apart(task, candidate, needed):
            return candidate
    raise EnvError(f"{task.name}: found no unseen positions without overlap in {TRIES} draws.")


def _with_room(task: Task, needed: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """`needed`, and for the object to be moved as much as the task's reach asks for."""
    source, apart = source_of(task), task.reach.apart
    return {pair: max(gap, apart) if source in pair else gap for pair, gap in needed.items()}


def _outside(places: Sequence[tuple[Surface, Region]], rng: random.Random) -> Vector:
    """A point on one of the surfaces, `BEYOND` or further outside of the region there."""
    for _ in range(TRIES):
        surface, region = places[int(rng.random() * len(places))]
        x, y = uniform(rng, *surface.area[:2]), uniform(rng, *surface.area[2:])
        if not region.contains(x, y, BEYOND):
            return (x, y, surface.height)
    raise EnvError(f"No room beyond a region on {[surface.area for surface, _ in places]}.")


def _yaw_gaps(task: Task, name: str) -> list[tuple[float, float]]:
    """Ranges of yaw, rad, that keep `TURNED` away from every official one."""
    period, far = region_of(task, name).period, task.reach.turn
    official = sorted({yaw_of(layout[name]) % period for layout in task.layouts if name in layout})
    around = itertools.pairwise([*official, official[0] + period])
    gaps = [(a, b) for a, b in around if b - a >= NARROWEST]
    return [part for a, b in gaps for part in _within_reach(a, b, far)]


def _within_reach(a: float, b: float, far: float) -> list[tuple[float, float]]:
    """What is left between the official yaws `a` and `b` where none is passed by over `far`."""
    if b - a <= 2 * far:
        return [(a + TURNED, b - TURNED)]
    return [(a + TURNED, a + far), (b - far, b - TURNED)]


def _turned(task: Task, layout: Layout, rng: random.Random) -> Layout:
    """Every object that has unseen yaws gets one; positions stay."""
    moved = {}
    for name in loose(task, layout):
        gaps = _yaw_gaps(task, name)
        if gaps:
            along = rng.random() * sum(high - low for low, high in gaps)
            moved[name] = Pose(layout[name].position, about_axis("z", _at(gaps, along)))
    return moved_to(layout, moved)


def _at(gaps: list[tuple[float, float]], along: float) -> float:
    """The value `along` the ranges when they are laid end to end."""
    for low, high in gaps:
        if along <= high - low:
            return low + along
        along -= high - low
    return gaps[-1][1]


def _whose_robot_stands_about(task: Task) -> Task | None:
    if task.objects or task.scene.photo is not None:
        return None  # objects start elsewhere instead
    return task if all(ROBOT in layout for layout in task.layouts) else None


def _elsewhere(task: Task, layout: Layout, rng: random.Random) -> Layout:
    """The robot inside the rectangle of its official places, away from each; its turn stays."""
    official = [place.position for each in task.layouts if (place := each.get(ROBOT))]
    xs, ys, _ = zip(*official, strict=True)
    own = layout[ROBOT]
    for _ in range(TRIES):
        x, y = uniform(rng, min(xs), max(xs)), uniform(rng, min(ys), max(ys))
        if all(math.dist((x, y), place[:2]) > AWAY for place in official):
            return {**layout, ROBOT: Pose((x, y, own.position[2]), own.quaternion)}
    raise EnvError(f"{task.name}: the robot's official places leave no other within them.")


_STATE = frozenset({Aspect.STATE})
_IMAGE = frozenset({Aspect.IMAGE})

MOTION = (
    Variation(
        "motion",
        "position",
        "outside",
        f"every object starts at least {BEYOND * 1e3:.0f} mm outside of the rectangle of its "
        "official positions, as far as the robot can do the task there",
        changes=_STATE,
        may_change=_IMAGE,
        task=_with_room_beyond,
        layout=_beyond,
    ),
    Variation(
        "motion",
        "position",
        "elsewhere",
        f"the robot stands where it never does officially, {AWAY * 1e2:.0f} cm or more from there",
        changes=_STATE,
        may_change=_IMAGE,
        task=_whose_robot_stands_about,
        layout=_elsewhere,
    ),
    Variation(
        "motion",
        "orientation",
        "unseen",
        f"every object starts turned at least {math.degrees(TURNED):.0f} degrees away from every "
        "official yaw, as far as the robot can do the task then",
        changes=_STATE,
        may_change=_IMAGE,
        task=_with_other_yaws,
        layout=_turned,
    ),
)
