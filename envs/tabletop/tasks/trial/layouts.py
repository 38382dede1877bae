"""Initial states drawn by a rule: the paper's own, ten per task, are not published.

The rule is fixed with the suite's version: Python promises the same `random.Random(text).random()`
in every release and on every machine, which numpy's generators do not.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from vla_bench.envs.tabletop.geometry import Pose, about_axis
from vla_bench.envs.tabletop.scenes.kitchen import Area
from vla_bench.envs.tabletop.tasks.task import Layout

N_TRIALS = 10
ANY_YAW = (-math.pi, math.pi)


@dataclass(frozen=True)
class Spot:
    """Where an object may start.

    Attributes:
        area: Of its frame, uniformly.
        height: Of the surface, m.
        radius: Of the circle, m, that it shares with no other object.
        yaw: Lowest and highest turn about z, rad, uniformly.
    """

    area: Area
    height: float
    radius: float
    yaw: tuple[float, float] = ANY_YAW


@dataclass(frozen=True)
class Rider:
    """Starts in the middle of `carrier`, on a surface `above` metres over the carrier's."""

    carrier: str
    above: float


def draw(task: str, spots: Mapping[str, Spot | Rider], n_trials: int = N_TRIALS) -> list[Layout]:
    """`n_trials` layouts of the objects of `task`; carriers come before their riders."""
    rng = random.Random(f"bridge_v2_tabletop-v0/{task}")
    layouts: list[Layout] = []
    while len(layouts) < n_trials:
        places = {name: _place(rng, spot) for name, spot in spots.items() if isinstance(spot, Spot)}
        if _apart(places, spots):
            layouts.append(_with_riders(places, spots))
    return layouts


def _place(rng: random.Random, spot: Spot) -> Pose:
    x_low, x_high, y_low, y_high = spot.area
    x = x_low + rng.random() * (x_high - x_low)
    y = y_low + rng.random() * (y_high - y_low)
    yaw = spot.yaw[0] + rng.random() * (spot.yaw[1] - spot.yaw[0])
    return Pose((x, y, spot.height), about_axis("z", yaw))


def _apart(places: Mapping[str, Pose], spots: Mapping[str, Spot | Rider]) -> bool:
    radii = {name: spot.radius for name, spot in spots.items() if isinstance(spot, Spot)}
    return all(
        math.dist(places[a].position[:2], places[b].position[:2]) > radii[a] + radii[b]
        for a, b in itertools.combinations(places, 2)
    )


def _with_riders(places: Mapping[str, Pose], spots: Mapping[str, Spot | Rider]) -> Layout:
    layout = dict(places)
    for name, spot in spots.items():
        if isinstance(spot, Rider):
            x, y, height = layout[spot.carrier].position
            layout[name] = Pose((x, y, height + spot.above), layout[spot.carrier].quaternion)
    return {name: layout[name] for name in spots}
