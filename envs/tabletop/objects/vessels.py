"""Hollow things: pots and cups, whose walls are rings of boxes, and the stand for a plate.

Sizes are this project's. The hand opens 56 mm wide: cups are narrower, pots are wide enough to
reach into.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vla_bench.envs.tabletop.geometry import Pose, about_axis
from vla_bench.envs.tabletop.objects.builder import ObjectBuilder, Paint, Solid, TabletopObject
from vla_bench.envs.tabletop.objects.mesh import lathe
from vla_bench.envs.tabletop.objects.textures import speckle

N_SIDES = 16
HANDLE = 0.017  # m, how far a pot's handle stands out
HANDLE_RADIUS = 0.0028
FLOOR = 0.003  # m, thickness


@dataclass(frozen=True)
class Vessel:
    """A round pot or cup; its frame is at the middle of its underside, z up. Metres and kg."""

    radius: float
    height: float
    wall: float
    mass: float

    @property
    def opening(self) -> float:
        """Inner radius."""
        return self.radius - self.wall


POT = Vessel(radius=0.062, height=0.042, wall=0.004, mass=0.20)
TIPPED_POT = Vessel(radius=0.050, height=0.055, wall=0.004, mass=0.12)
CUP = Vessel(radius=0.022, height=0.052, wall=0.003, mass=0.03)
STAND_HALF = (0.05, 0.05, 0.02)

# Shadows on their own inner walls would show the shadow map's grain: pots cast none.
STEEL = Paint((0.70, 0.71, 0.73, 1.0), specular=0.9, shininess=0.8, casts_shadow=False)
PAPER = Paint(texture=speckle((240, 234, 220), depth=9.0), specular=0.0, casts_shadow=False)


def ring(builder: ObjectBuilder, vessel: Vessel, mass: float, bottom: float = 0.0) -> None:
    """Collide with the wall of `vessel` from `bottom` up; one flat side faces +x."""
    half = ((vessel.height - bottom) / 2, math.tan(math.pi / N_SIDES) * vessel.radius)
    middle = vessel.radius - vessel.wall / 2
    for side in range(N_SIDES):
        angle = 2 * math.pi * side / N_SIDES
        centre = (middle * math.cos(angle), middle * math.sin(angle), bottom + half[0])
        size = (vessel.wall / 2, half[1], half[0])
        builder.collide(Solid("box", size, centre, about_axis("z", angle)), mass / N_SIDES)


def _hollow(builder: ObjectBuilder, vessel: Vessel, paint: Paint) -> None:
    """Draw and collide the body of `vessel`."""
    outer, inner, top = vessel.radius, vessel.opening, vessel.height
    profile = (
        (0.0, 0.0),
        (outer - 0.002, 0.0),
        (outer, 0.002),
        (outer, top - 0.001),
        (outer - 0.001, top),
        (inner, top - 0.001),
        (inner, FLOOR),
        (0.0, FLOOR),
    )
    builder.draw_mesh(lathe(profile, 28), paint)
    base = Solid("cylinder", (outer - 0.001, FLOOR / 2), (0.0, 0.0, FLOOR / 2))
    builder.collide(base, vessel.mass * 0.4)
    ring(builder, vessel, vessel.mass * 0.6, bottom=FLOOR)


def _vessel(kind: str, vessel: Vessel, paint: Paint) -> TabletopObject:
    def build(builder: ObjectBuilder) -> None:
        _hollow(builder, vessel, paint)

    extents = (2 * vessel.radius, 2 * vessel.radius, vessel.height)
    return TabletopObject(kind, extents, Pose((0.0, 0.0, 0.0)), build)


def _steel_pot(kind: str, vessel: Vessel, rest: Pose) -> TabletopObject:
    """With two loop handles along y, which are drawn only."""

    def build(builder: ObjectBuilder) -> None:
        _hollow(builder, vessel, STEEL)
        height = vessel.height - 0.010
        for side in (-1.0, 1.0):
            grip = (0.0, side * (vessel.radius + HANDLE - HANDLE_RADIUS), height)
            turn = about_axis("y", math.pi / 2)
            builder.draw(Solid("capsule", (HANDLE_RADIUS, 0.016), grip, turn), STEEL)
            for along in (-0.016, 0.016):
                arm = (along, side * (vessel.radius + 0.006), height)
                turn = about_axis("x", math.pi / 2)
                builder.draw(Solid("capsule", (HANDLE_RADIUS, 0.009), arm, turn), STEEL)

    extents = (2 * vessel.radius, 2 * (vessel.radius + HANDLE), vessel.height)
    return TabletopObject(kind, extents, rest, build)


def _build_stand(builder: ObjectBuilder) -> None:
    builder.draw(Solid("box", STAND_HALF), Paint((0.93, 0.93, 0.90, 1.0)))
    builder.collide(Solid("box", STAND_HALF), 0.5)


PAPER_POT = _vessel("paper_pot", POT, PAPER)
STEEL_POT = _steel_pot("steel_pot", POT, Pose((0.0, 0.0, 0.0)))
LYING_POT = _steel_pot(
    "lying_pot",
    TIPPED_POT,
    Pose((-TIPPED_POT.height / 2, 0.0, TIPPED_POT.radius), about_axis("y", math.pi / 2)),
)
"""On its side, the opening towards +x."""
PINK_CUP = _vessel("pink_cup", CUP, Paint((0.93, 0.45, 0.62, 1.0), specular=0.3))
BLUE_CUP = _vessel("blue_cup", CUP, Paint((0.16, 0.36, 0.78, 1.0), specular=0.3))
PLATE_STAND = TabletopObject(
    "plate_stand",
    tuple(2 * half for half in STAND_HALF),
    Pose((0.0, 0.0, STAND_HALF[2])),
    _build_stand,
    fixed=True,
)
