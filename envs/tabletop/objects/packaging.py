"""Things that stand and fall over: a juice box, a brown box, bottles.

Sizes and masses are this project's. Every frame is at the middle of the underside, z up.
"""

from __future__ import annotations

from vla_bench.envs.tabletop.geometry import Pose, Vector
from vla_bench.envs.tabletop.objects.builder import (
    ROLLING,
    ObjectBuilder,
    Paint,
    Solid,
    TabletopObject,
)
from vla_bench.envs.tabletop.objects.mesh import lathe
from vla_bench.envs.tabletop.objects.textures import speckle

STANDING = Pose((0.0, 0.0, 0.0))
JUICE_HALF = (0.024, 0.019, 0.055)  # m
JUICE_MASS = 0.10
BROWN_HALF = (0.045, 0.035, 0.060)
BROWN_MASS = 0.15
BOTTLE_RADIUS, BOTTLE_HEIGHT = 0.027, 0.150
BOTTLE_MASS = 0.06
BOTTLE_PROFILE = (  # (radius, height)
    (0.0, 0.0),
    (0.026, 0.0),
    (0.027, 0.004),
    (0.027, 0.085),
    (0.022, 0.105),
    (0.011, 0.122),
    (0.010, 0.134),
    (0.0, 0.134),
)


def _build_juice_box(builder: ObjectBuilder) -> None:
    x, y, z = JUICE_HALF
    carton = Paint(texture=speckle((64, 150, 72), 4.0), specular=0.2)
    builder.draw(Solid("box", JUICE_HALF, (0.0, 0.0, z)), carton)
    band = Paint((0.95, 0.62, 0.12, 1.0), casts_shadow=False)
    builder.draw(Solid("box", (x + 0.0004, y + 0.0004, 0.016), (0.0, 0.0, 1.1 * z)), band)
    straw = Paint((0.96, 0.96, 0.95, 1.0))
    builder.draw(Solid("capsule", (0.0025, 0.014), (0.012, 0.008, 2 * z + 0.012)), straw)
    builder.collide(Solid("box", JUICE_HALF, (0.0, 0.0, z)), JUICE_MASS)


def _build_brown_box(builder: ObjectBuilder) -> None:
    x, _, z = BROWN_HALF
    card = Paint(texture=speckle((150, 110, 70), 6.0), specular=0.0)
    builder.draw(Solid("box", BROWN_HALF, (0.0, 0.0, z)), card)
    tape = Paint((0.80, 0.70, 0.50, 1.0), casts_shadow=False)
    builder.draw(Solid("box", (x + 0.0003, 0.008, 0.0004), (0.0, 0.0, 2 * z)), tape)
    builder.collide(Solid("box", BROWN_HALF, (0.0, 0.0, z)), BROWN_MASS)


def bottle(kind: str, body: Vector, cap: Vector) -> TabletopObject:
    """A small plastic bottle in a colour, with a cap in another."""

    def build(builder: ObjectBuilder) -> None:
        builder.draw_mesh(lathe(BOTTLE_PROFILE, 24), Paint(body, specular=0.6, shininess=0.6))
        top = Solid("cylinder", (0.0125, 0.010), (0.0, 0.0, BOTTLE_HEIGHT - 0.010))
        builder.draw(top, Paint(cap))
        trunk = Solid("cylinder", (BOTTLE_RADIUS, 0.049), (0.0, 0.0, 0.0505))
        builder.collide(trunk, 0.6 * BOTTLE_MASS)
        # On a box, such as a table, a box rests quieter than a cylinder.
        foot = Solid("box", (0.018, 0.018, 0.020), (0.0, 0.0, 0.020))
        builder.collide(foot, 0.2 * BOTTLE_MASS)
        neck = Solid("cylinder", (0.0125, 0.025), (0.0, 0.0, 0.125))
        builder.collide(neck, 0.2 * BOTTLE_MASS)

    box = (2 * BOTTLE_RADIUS, 2 * BOTTLE_RADIUS, BOTTLE_HEIGHT)
    return TabletopObject(kind, box, STANDING, build, rolling_friction=ROLLING)


JUICE_BOX = TabletopObject(
    "juice_box", tuple(2 * half for half in JUICE_HALF), STANDING, _build_juice_box
)
BROWN_BOX = TabletopObject(
    "brown_box", tuple(2 * half for half in BROWN_HALF), STANDING, _build_brown_box
)
BLUE_BOTTLE = bottle("blue_bottle", (0.16, 0.36, 0.80, 1.0), (0.95, 0.95, 0.95, 1.0))
ORANGE_BOTTLE = bottle("orange_bottle", (0.94, 0.50, 0.10, 1.0), (0.20, 0.45, 0.20, 1.0))
