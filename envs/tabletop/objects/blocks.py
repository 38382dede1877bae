"""Wooden blocks."""

from __future__ import annotations

from vla_bench.envs.tabletop.geometry import Pose, Vector
from vla_bench.envs.tabletop.objects.builder import ObjectBuilder, Paint, Solid, TabletopObject

EDGE = 0.03  # m, SIMPLER's *_cube_3cm
MASS = 0.027  # kg, 1000 kg/m3


def _block(kind: str, rgba: Vector) -> TabletopObject:
    half = (EDGE / 2,) * 3

    def build(builder: ObjectBuilder) -> None:
        builder.draw(Solid("box", half), Paint(rgba))
        builder.collide(Solid("box", half), MASS)

    return TabletopObject(kind, (EDGE,) * 3, Pose((0.0, 0.0, EDGE / 2)), build)


GREEN_BLOCK = _block("green_block", (0.13, 0.55, 0.20, 1.0))
YELLOW_BLOCK = _block("yellow_block", (0.93, 0.78, 0.12, 1.0))
