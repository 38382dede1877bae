"""Where a task's objects start: what its initial states span, and draws inside and outside of it.

Draws use nothing but `random.Random(text).random()`, which Python keeps the same in every release.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vla_bench.envs.tabletop.geometry import Pose, about_axis, matrix
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.scene import Surface
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.envs.tabletop.variations.clearance import (
    MARGIN,
    Disc,
    Placed,
    are_apart,
    between,
    carrier,
    discs,
    gaps_needed,
    yaw_of,
)
from vla_bench.errors import EnvError

Area = tuple[float, float, float, float]
SLACK = math.radians(15.0)  # beyond the official yaws
OVERHANG = 0.03  # m that what is added may reach beyond a surface's area
STANDS = 0.99  # cosine of an object's tilt
TRIES = 20_000
SPOTS = 500  # tries for one more object, before it may be nearer to the others or elsewhere


@dataclass(frozen=True)
class Region:
    """What one object's initial states span.

    Attributes:
        area: x low, x high, y low, y high, m.
        yaws: The least turn, and how much further the others go, rad.
        period: rad after which the object looks the same.
    """

    area: Area
    yaws: tuple[float, float]
    period: float

    def grown(self, margin: float) -> Region:
        """The same, `margin` m larger on every side."""
        x_low, x_high, y_low, y_high = self.area
        area = (x_low - margin, x_high + margin, y_low - margin, y_high + margin)
        return replace(self, area=area)

    def contains(self, x: float, y: float, margin: float) -> bool:
        """Whether a point is inside, or nearer than `margin` to it along both axes."""
        x_low, x_high, y_low, y_high = self.area
        return x_low - margin < x < x_high + margin and y_low - margin < y < y_high + margin


def region_of(task: Task, name: str, height: float | None = None) -> Region:
    """The region of the object `name` over all initial states of `task`.

    With `height`, m, over those alone in which it starts there: a counter and a rack on it are two
    regions.
    """
    poses = [layout[name] for layout in task.layouts if name in layout]
    if height is not None:
        poses = [pose for pose in poses if math.isclose(pose.position[2], height, abs_tol=1e-6)]
    xs, ys = ([pose.position[axis] for pose in poses] for axis in (0, 1))
    period = math.pi / 2 if _is_square(task.objects[name]) else 2 * math.pi
    turns = sorted({round(yaw_of(pose) % period, 9) for pose in poses})
    gaps = [(b - a) for a, b in itertools.pairwise([*turns, turns[0] + period])]
    widest = max(range(len(gaps)), key=gaps.__getitem__)
    first = turns[(widest + 1) % len(turns)]
    area = (min(xs), max(xs), min(ys), max(ys))
    return Region(area, (first, period - gaps[widest]), period)


def _is_square(kind: TabletopObject) -> bool:
    """Whether an object that stands looks the same after a quarter turn; none does that lies."""
    length, width, _ = kind.extents
    return math.isclose(length, width) and abs(matrix(kind.rest.quaternion)[2, 2]) > STANDS


def loose(task: Task, layout: Layout) -> list[str]:
    """Objects of `layout` that can be moved and stand on no other one."""
    return [
        name
        for name in layout
        if name in task.objects and not task.objects[name].fixed and carrier(layout, name) is None
    ]


def random_layout(task: Task, rng: random.Random, margin: float = 0.0) -> Layout:
    """A layout inside the region of the official ones, its objects apart as in these.

    With `margin`, m, inside a region that is larger by it on every side, so that the official ones,
    which are its corners in many tasks, lie inside. Where nothing is `loose`, as with drawers,
    it is one of the official ones: more draws are then no more initial states.
    """
    official = task.layouts[int(rng.random() * len(task.layouts))]
    names = loose(task, official)
    heights = {name: official[name].position[2] for name in names}
    regions = {name: region_of(task, name, heights[name]).grown(margin) for name in names}
    needed = gaps_needed(task)
    for _ in range(TRIES):
        moved = {name: _inside(rng, region, heights[name]) for name, region in regions.items()}
        layout = moved_to(official, moved)
        if are_apart(task, layout, needed):
            return layout
    raise EnvError(f"{task.name}: found no layout without overlap in {TRIES} draws.")


def moved_to(layout: Layout, moved: Mapping[str, Pose]) -> Layout:
    """`layout` with some objects at other poses, and with them what they carry."""
    poses = {**layout, **moved}
    for name in layout:
        below = carrier(layout, name)
        if below is not None and below in moved:
            x, y, _ = moved[below].position
            poses[name] = Pose((x, y, layout[name].position[2]), moved[below].quaternion)
    return poses


def add_missing(
    task: Task, layout: Layout, rng: random.Random, beside: str | None = None
) -> Layout:
    """`layout` and every object of `task` that it lacks, on the scene's surfaces, with room.

    `beside`: an object on whose surface it should be, where the robot reaches. Where there is
    little room, objects may be as near to each other as `MARGIN`; where there is none, any other
    surface will do.
    """
    there = [(pose, task.objects[name]) for name, pose in layout.items() if name in task.objects]
    every = task.scene.surfaces
    near = (task.reach.surfaces.get(beside) if beside else None) or every
    first = [surface for surface in near if beside and is_on(layout[beside], surface)] or near
    poses = dict(layout)
    added: list[Placed] = []
    for name, kind in task.objects.items():
        if name not in layout:
            choices = (
                (first, task.reach.clear, SPOTS),
                (first, MARGIN, SPOTS),
                (every, task.reach.clear, SPOTS),
                (every, MARGIN, TRIES),
            )
            spots = (_spot(rng, kind, choice, (there, added), task.reach.way) for choice in choices)
            pose = next((spot for spot in spots if spot is not None), None)
            if pose is None:
                raise EnvError(f"{task.name}: found no room for a {kind.kind}.")
            poses[name] = pose
            added.append((pose, kind))
    return poses


def _spot(
    rng: random.Random,
    kind: TabletopObject,
    choice: tuple[Sequence[Surface], float, int],
    others: tuple[Sequence[Placed], Sequence[Placed]],
    way: Area | None,
) -> Pose | None:
    """A free pose for `kind`, not in the `way`; of `others`, the first were there before."""
    (surfaces, room, n_tries), (there, added) = choice, others
    before, beside = ([d for other in group for d in discs(*other)] for group in (there, added))
    for _ in range(n_tries):
        surface = surfaces[int(rng.random() * len(surfaces))]
        pose = on_surface(rng, surface)
        outline = discs(pose, kind)
        free = between(outline, before) > room and between(outline, beside) > MARGIN
        if free and _fits(outline, surface) and not _is_in(outline, way):
            return pose
    return None


def _is_in(outline: Sequence[Disc], area: Area | None) -> bool:
    """Whether any of an object's outline is in `area`."""
    if area is None:
        return False
    x_low, x_high, y_low, y_high = area
    return any(
        x_low - radius < x < x_high + radius and y_low - radius < y < y_high + radius
        for x, y, radius in outline
    )


def _fits(outline: Sequence[Disc], surface: Surface) -> bool:
    """Whether an object's outline is on `surface`, or leaves it by no more than `OVERHANG`."""
    x_low, x_high, y_low, y_high = surface.area
    return all(
        x - radius > x_low - OVERHANG
        and x + radius < x_high + OVERHANG
        and y - radius > y_low - OVERHANG
        and y + radius < y_high + OVERHANG
        for x, y, radius in outline
    )


def is_on(pose: Pose, surface: Surface) -> bool:
    """Whether something is spawned at the height of `surface`."""
    return math.isclose(pose.position[2], surface.height, abs_tol=1e-6)


def on_surface(rng: random.Random, surface: Surface) -> Pose:
    """Anywhere on `surface`, turned by any yaw."""
    x, y = uniform(rng, *surface.area[:2]), uniform(rng, *surface.area[2:])
    return Pose((x, y, surface.height), about_axis("z", uniform(rng, -math.pi, math.pi)))


def uniform(rng: random.Random, low: float, high: float) -> float:
    return low + rng.random() * (high - low)


def _inside(rng: random.Random, region: Region, height: float) -> Pose:
    x, y = uniform(rng, *region.area[:2]), uniform(rng, *region.area[2:])
    first, span = region.yaws
    wide = min(span + 2 * SLACK, region.period)
    yaw = first - SLACK + uniform(rng, 0.0, wide)
    return Pose((x, y, height), about_axis("z", yaw))
