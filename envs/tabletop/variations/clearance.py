"""How far apart objects are, seen from above, and which stand on which."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.tasks.task import Layout, Task

Placed = tuple[Pose, TabletopObject]
Disc = tuple[float, float, float]  # x, y, radius, m
MARGIN = 0.01  # m between objects


def yaw_of(pose: Pose) -> float:
    """Turn about z, rad, of a pose that is turned about z alone."""
    return 2 * math.atan2(pose.quaternion[3], pose.quaternion[0])


def carrier(layout: Layout, name: str) -> str | None:
    """The object on or in which `name` starts: at the same place, but lower."""
    x, y, height = layout[name].position
    for other, pose in layout.items():
        if math.dist((x, y), pose.position[:2]) < 1e-9 and pose.position[2] < height:
            return other
    return None


def gaps_needed(task: Task) -> dict[tuple[str, str], float]:
    """Pair of objects -> what they must keep apart, m: `MARGIN`, or less where they start nearer.

    Without those of which one carries the other.
    """
    needed: dict[tuple[str, str], float] = {}
    for layout in task.layouts:
        placed = {n: (pose, task.objects[n]) for n, pose in layout.items() if n in task.objects}
        for a, b in itertools.combinations(placed, 2):
            if carrier(layout, a) != b and carrier(layout, b) != a:
                least = needed.get((a, b), MARGIN)
                needed[a, b] = min(least, gap(placed[a], placed[b]))
    return needed


def are_apart(task: Task, layout: Layout, needed: Mapping[tuple[str, str], float]) -> bool:
    """Whether all pairs of `layout` keep what `gaps_needed` says."""
    outlines = {
        name: discs(layout[name], kind) for name, kind in task.objects.items() if name in layout
    }
    return all(
        between(outlines[a], outlines[b]) >= least
        for (a, b), least in needed.items()
        if a in layout and b in layout
    )


def gap(first: Placed, second: Placed) -> float:
    """Between two objects seen from above, m; negative where they overlap."""
    return between(discs(*first), discs(*second))


def between(first: Sequence[Disc], second: Sequence[Disc]) -> float:
    """The gap between two outlines, m; negative where they overlap, infinite beside none."""
    return min(
        (math.dist(a[:2], b[:2]) - a[2] - b[2] for a in first for b in second), default=math.inf
    )


def discs(pose: Pose, kind: TabletopObject) -> list[Disc]:
    """An object's outline: circles along the longer side of its box that cover it."""
    length, width = kind.footprint
    long, short = max(length, width), min(length, width)
    yaw = yaw_of(pose) + (0.0 if length >= width else math.pi / 2)
    n_discs = math.ceil(long / short)
    pitch = (long - short) / max(1, n_discs - 1)
    x, y, _ = pose.position
    along = [(i - (n_discs - 1) / 2) * pitch for i in range(n_discs)]
    return [(x + d * math.cos(yaw), y + d * math.sin(yaw), 0.55 * short) for d in along]
