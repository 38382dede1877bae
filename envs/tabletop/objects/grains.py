"""Grains of corn, larger than real ones and few: small yellow balls, in two rings in a bowl.

Each kind's rest says which place in the rings it has, so that all are spawned where the bowl is.
"""

from __future__ import annotations

import math

from vla_bench.envs.tabletop.geometry import Pose, Vector
from vla_bench.envs.tabletop.objects.builder import (
    ROLLING,
    ObjectBuilder,
    Paint,
    Solid,
    TabletopObject,
)

RADIUS = 0.009
MASS = 0.003
RINGS = ((8, 0.040), (4, 0.016))  # how many, and m from the middle of the bowl
YELLOW = Paint((0.96, 0.78, 0.20, 1.0), specular=0.3)


def _build(builder: ObjectBuilder) -> None:
    ball = Solid("sphere", (RADIUS,), (0.0, 0.0, 0.0))
    builder.draw(ball, YELLOW)
    builder.collide(ball, MASS)


def _places() -> list[Vector]:
    return [
        (far * math.cos(angle), far * math.sin(angle), RADIUS)
        for n, far in RINGS
        for angle in (2 * math.pi * i / n for i in range(n))
    ]


GRAINS = {
    f"corn_{i + 1}": TabletopObject(
        "corn", (2 * RADIUS,) * 3, Pose(place), _build, rolling_friction=ROLLING
    )
    for i, place in enumerate(_places())
}
