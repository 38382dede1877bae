"""Where a task's objects start: what its initial states span, and draws inside and outside of it.

Draws use nothing but `random.Random(text).random()`, which Python keeps the same in every release.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vla_bench.envs.tabletop.geometry import Pose, about_axis
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.scene import Surface
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.errors import EnvError

Area = tuple[float, float, float, float]
SLACK = math.radians(15.0)  # beyond the official yaws
MARGIN = 0.005  # m around an object that touches no other
ROOM = 0.03  # m more between what was there and what is added: a finger's width and some
TRIES = 5000


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

    def contains(self, x: float, y: float, margin: float) -> bool:
        """Whether a point is inside, or nearer than `margin` to it along both axes."""
        x_low, x_high, y_low, y_high = self.area
        return x_low - margin < x < x_high + margin and y_low - margin < y < y_high + margin


def region_of(task: Task, name: str) -> Region:
    """The region of the object `name` over all initial states of `task`."""
    poses = [layout[name] for layout in task.layouts if name in layout]
    xs, ys = ([pose.position[axis] for pose in poses] for axis in (0, 1))
    length, width, _ = task.objects[name].extents
    period = math.pi / 2 if math.isclose(length, width) else 2 * math.pi
    turns = sorted({round(yaw_of(pose) % period, 9) for pose in poses})
    gaps = [(b - a) for a, b in itertools.pairwise([*turns, turns[0] + period])]
    widest = max(range(len(gaps)), key=gaps.__getitem__)
    first = turns[(widest + 1) % len(turns)]
    area = (min(xs), max(xs), min(ys), max(ys))
    return Region(area, (first, period - gaps[widest]), period)


def yaw_of(pose: Pose) -> float:
    """Turn about z, rad, of a pose that is turned about z alone."""
    return 2 * math.atan2(pose.quaternion[3], pose.quaternion[0])


def loose(task: Task, layout: Layout) -> list[str]:
    """Objects of `layout` that can be moved and stand on no other one."""
    return [
        name
        for name in layout
        if name in task.objects and not task.objects[name].fixed and carrier(layout, name) is None
    ]


def carrier(layout: Layout, name: str) -> str | None:
    """The object on or in which `name` starts: at the same place, but lower."""
    x, y, height = layout[name].position
    for other, pose in layout.items():
        if math.dist((x, y), pose.position[:2]) < 1e-9 and pose.position[2] < height:
            return other
    return None


def random_layout(task: Task, rng: random.Random) -> Layout:
    """A layout inside the region of the official ones, as far apart as these or as objects need."""
    official = task.layouts[int(rng.random() * len(task.layouts))]
    names = loose(task, official)
    regions = {name: region_of(task, name) for name in names}
    for _ in range(TRIES):
        moved = {
            name: _inside(rng, region, official[name].position[2])
            for name, region in regions.items()
        }
        layout = moved_to(official, moved)
        if _apart(task, layout):
            return layout
    raise EnvError(f"{task.name}: found no layout without overlap in {TRIES} draws.")


def moved_to(layout: Layout, moved: Mapping[str, Pose]) -> Layout:
    """`layout` with some objects at other poses, and with them what they carry."""
    poses = {**layout, **moved}
    for name in layout:
        below = carrier(layout, name)
        if below in moved:
            x, y, _ = moved[below].position
            poses[name] = Pose((x, y, layout[name].position[2]), moved[below].quaternion)
    return poses


def add_missing(task: Task, layout: Layout, rng: random.Random) -> Layout:
    """`layout` and every object of `task` that it lacks, on the scene's surfaces, with room."""
    there = [(pose, task.objects[name]) for name, pose in layout.items() if name in task.objects]
    added: list[tuple[Pose, TabletopObject]] = []
    poses = dict(layout)
    for name in task.objects:
        if name not in layout:
            kind = task.objects[name]
            pose = _spot(rng, kind, task.scene.surfaces, (there, added))
            added.append((pose, kind))
            poses[name] = pose
    return {name: poses[name] for name in (*layout, *(n for n in poses if n not in layout))}


def _spot(
    rng: random.Random,
    kind: TabletopObject,
    surfaces: Sequence[Surface],
    others: tuple[Sequence[tuple[Pose, TabletopObject]], Sequence[tuple[Pose, TabletopObject]]],
) -> Pose:
    """A free pose for `kind`; `others` were there, and have been added."""
    there, added = others
    for _ in range(TRIES):
        surface = surfaces[int(rng.random() * len(surfaces))]
        pose = on_surface(rng, surface)
        if all(_gap(pose, kind, *other) > ROOM for other in there) and all(
            _gap(pose, kind, *other) > 0 for other in added
        ):
            return pose
    raise EnvError(f"Found no room for a {kind.kind} in {TRIES} draws.")


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


def _apart(task: Task, layout: Layout) -> bool:
    """Whether no two objects overlap that do not do so officially."""
    names = [name for name in layout if name in task.objects]
    return all(
        carrier(layout, a) == b
        or carrier(layout, b) == a
        or distance(layout, a, b) >= min(_needed(task, a, b), least_distance(task, a, b))
        for a, b in itertools.combinations(names, 2)
    )


def distance(layout: Layout, a: str, b: str) -> float:
    """Horizontal, m."""
    return math.dist(layout[a].position[:2], layout[b].position[:2])


def least_distance(task: Task, a: str, b: str) -> float:
    """Of two objects over all initial states of `task`, m."""
    both = [layout for layout in task.layouts if a in layout and b in layout]
    return min(distance(layout, a, b) for layout in both)


def _needed(task: Task, a: str, b: str) -> float:
    return _radius(task.objects[a]) + _radius(task.objects[b])


def _gap(a: Pose, kind: TabletopObject, b: Pose, other: TabletopObject) -> float:
    return math.dist(a.position[:2], b.position[:2]) - _radius(kind) - _radius(other)


def _radius(kind: TabletopObject) -> float:
    """Of the circle around the object's frame that it shares with no other."""
    return max(kind.extents[:2]) / 2 + MARGIN
