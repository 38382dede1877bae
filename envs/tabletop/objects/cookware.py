"""Bowls, pots and cups for a hand that opens 80 mm, standing, lying or upside-down.

Sizes and masses are this project's. Every frame is at the middle of the underside, z up; the
collision wall is a ring of boxes, straight where the drawn one is rounded.
"""

from __future__ import annotations

import math
from dataclasses import replace

from vla_bench.envs.tabletop.geometry import Pose, Vector, about_axis
from vla_bench.envs.tabletop.objects.builder import ObjectBuilder, Paint, Solid, TabletopObject
from vla_bench.envs.tabletop.objects.mesh import lathe
from vla_bench.envs.tabletop.objects.vessels import STEEL, Vessel, ring

FOOT = 0.012  # m, height of a bowl's rounded foot, inside its wall
THICK = 0.004  # m, of floors
RAISED = 0.0005  # m of a floor's disc, or a rim, over the surface below
FOOT_MASS = 0.001  # kg, of what an object stands on upside-down

BOWL = Vessel(radius=0.070, height=0.045, wall=0.004, mass=0.20)
RED_BOWL = Vessel(radius=0.080, height=0.050, wall=0.004, mass=0.15)
POT = Vessel(radius=0.095, height=0.070, wall=0.004, mass=0.45)
SMALL_POT = Vessel(radius=0.065, height=0.080, wall=0.004, mass=0.22)
SMALL_BOWL = Vessel(radius=0.055, height=0.045, wall=0.004, mass=0.12)
MUG = Vessel(radius=0.038, height=0.075, wall=0.004, mass=0.14)
PAN = Vessel(radius=0.110, height=0.040, wall=0.004, mass=0.80)
CUP = Vessel(radius=0.035, height=0.100, wall=0.003, mass=0.05)


def _glazed(rgba: Vector) -> Paint:
    # Shadows on its own inner wall would show the shadow map's grain.
    return Paint(rgba, specular=0.5, shininess=0.6, casts_shadow=False)


def _bowl(kind: str, vessel: Vessel, rgba: Vector, floor: float = 0.75) -> TabletopObject:
    """Rounded below; its flat floor reaches to the share `floor` of its radius."""
    outer, inner, top = vessel.radius, vessel.opening, vessel.height
    profile = (
        (0.0, 0.0),
        (0.62 * outer, 0.0),
        (0.86 * outer, 0.25 * top),
        (0.96 * outer, 0.6 * top),
        (outer, top),
        (inner, top),
        (inner - 0.04 * outer, 0.6 * top),
        (inner - 0.14 * outer, 0.25 * top + THICK),
        (0.58 * outer, THICK),
        (0.0, THICK),
    )

    def build(builder: ObjectBuilder) -> None:
        builder.draw_mesh(lathe(profile, 32), _glazed(rgba))
        _add_floor(builder, floor * outer, FOOT, 0.5 * vessel.mass)
        ring(builder, vessel, 0.5 * vessel.mass, bottom=FOOT / 2)

    return TabletopObject(kind, _box_of(vessel), Pose((0.0, 0.0, 0.0)), build)


def _straight(kind: str, vessel: Vessel, paint: Paint, handles: int) -> TabletopObject:
    """Straight walls; `handles` loops, which are drawn only: two of a pot along y, one of a mug."""
    outer, inner, top = vessel.radius, vessel.opening, vessel.height
    profile = (
        (0.0, 0.0),
        (outer - 0.003, 0.0),
        (outer, 0.003),
        (outer, top),
        (inner, top),
        (inner, THICK),
        (0.0, THICK),
    )

    def build(builder: ObjectBuilder) -> None:
        builder.draw_mesh(lathe(profile, 32), paint)
        for side in (-1.0, 1.0)[:handles]:
            _add_handle(builder, vessel, paint, side)
        _add_floor(builder, outer - 0.002, THICK, 0.4 * vessel.mass)
        ring(builder, vessel, 0.6 * vessel.mass, bottom=THICK)

    return TabletopObject(kind, _box_of(vessel), Pose((0.0, 0.0, 0.0)), build)


def _add_floor(builder: ObjectBuilder, radius: float, height: float, mass: float) -> None:
    """A disc on a square foot: on a box, such as a table, a box rests quieter than a cylinder."""
    half = (height - RAISED) / 2
    builder.collide(Solid("cylinder", (radius, half), (0.0, 0.0, RAISED + half)), mass / 2)
    edge = 0.68 * radius
    builder.collide(Solid("box", (edge, edge, height / 2), (0.0, 0.0, height / 2)), mass / 2)


def _add_handle(builder: ObjectBuilder, vessel: Vessel, paint: Paint, side: float) -> None:
    """A loop 25 mm wide that stands off the wall, near the rim."""
    reach, height, half = vessel.radius + 0.018, 0.75 * vessel.height, 0.0125
    bar = Solid("capsule", (0.004, half), (0.0, side * reach, height), about_axis("y", math.pi / 2))
    builder.draw(bar, paint)
    for along in (-half, half):
        middle = (along, side * (vessel.radius + 0.008), height)
        builder.draw(Solid("capsule", (0.004, 0.009), middle, about_axis("x", math.pi / 2)), paint)


def _box_of(vessel: Vessel) -> Vector:
    return (2 * vessel.radius, 2 * vessel.radius, vessel.height)


def upside_down(kind: TabletopObject) -> TabletopObject:
    """Resting on its rim, or rather on a square foot in its opening: four contacts, not 64."""
    height, half = kind.extents[2], RAISED + THICK / 2
    edge = 0.34 * kind.extents[0]
    foot = Solid("box", (edge, edge, half), (0.0, 0.0, height + RAISED - half))

    def build(builder: ObjectBuilder) -> None:
        kind.build(builder)
        builder.collide(foot, FOOT_MASS)

    rest = Pose((0.0, 0.0, height + RAISED), about_axis("x", math.pi))
    return replace(kind, build=build, rest=rest)


def lying(kind: TabletopObject) -> TabletopObject:
    """On its side, the opening towards +y."""
    length, radius = kind.extents[2], kind.extents[0] / 2
    rest = Pose((0.0, -length / 2, radius), about_axis("x", -math.pi / 2))
    return replace(kind, rest=rest)


def tumbler(kind: str, rgba: Vector) -> TabletopObject:
    """A plastic cup in a colour."""
    return _straight(kind, CUP, _glazed(rgba), handles=0)


def pan(kind: str) -> TabletopObject:
    """A frying pan, its handle towards +y; that is drawn only."""
    iron = Paint((0.16, 0.16, 0.17, 1.0), specular=0.5, shininess=0.4, casts_shadow=False)
    body = _straight(kind, PAN, iron, handles=0)

    def build(builder: ObjectBuilder) -> None:
        body.build(builder)
        grip = Solid(
            "capsule", (0.009, 0.070), (0.0, PAN.radius + 0.07, 0.034), about_axis("x", -1.45)
        )
        builder.draw(grip, iron)

    return replace(body, build=build)


BLUE_BOWL = _bowl("bowl", BOWL, (0.24, 0.42, 0.72, 1.0))
RED_POURING_BOWL = _bowl("red_bowl", RED_BOWL, (0.80, 0.10, 0.09, 1.0), floor=0.94)  # no gap
STEEL_POT = _straight("steel_pot", POT, STEEL, handles=2)
SMALL_STEEL_POT = _straight("small_steel_pot", SMALL_POT, STEEL, handles=0)
WHITE_BOWL = _bowl("white_bowl", SMALL_BOWL, (0.92, 0.91, 0.88, 1.0))
YELLOW_MUG = _straight("yellow_mug", MUG, _glazed((0.92, 0.74, 0.16, 1.0)), handles=1)
RED_CUP = tumbler("red_cup", (0.82, 0.10, 0.12, 1.0))
