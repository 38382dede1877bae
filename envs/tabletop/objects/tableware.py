"""Spoon, towel and plate.

Sizes, masses and how SIMPLER's meshes come to rest: simpler.md §2.8 and the settled poses
measured there. Each frame is that of SIMPLER's object, so that poses compare directly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, Vector, about_axis
from vla_bench.envs.tabletop.objects.builder import ObjectBuilder, Paint, Solid, TabletopObject
from vla_bench.envs.tabletop.objects.mesh import lathe
from vla_bench.envs.tabletop.objects.textures import checked_towel

SPOON_MASS = 0.0431
SPOON_REST = Pose((-0.000451, -0.000169, 0.010406), (0.999741, 0.006224, -0.02184, -0.00149))
SPOON_SLOPE = 0.043683  # rad: at rest the frame's x axis rises, so its underside falls, by this
HANDLE_HALF = (0.041, 0.0085, 0.0085)
HANDLE_AT = 0.027  # m, its middle
BOWL_AT = -0.044
BOWL_RADII = (0.0270, 0.0178, 0.0100)  # m, half an ellipsoid, open at the top
BOWL_PROFILE = (  # in units of the radii: outside from the bottom to the rim, inside back down
    (0.0, -1.0),
    (0.5, -0.87),
    (0.85, -0.53),
    (1.0, 0.0),
    (0.9, 0.0),
    (0.72, -0.4),
    (0.4, -0.62),
    (0.0, -0.7),
)
HANDLE_PROFILE = (  # (radius, distance from the handle's middle), bowl end first
    (0.0, -0.054),
    (0.0050, -0.053),
    (0.0058, -0.035),
    (0.0085, -0.010),
    (0.0098, 0.015),
    (0.0096, 0.034),
    (0.0060, 0.040),
    (0.0, 0.041),
)

TOWEL_MASS = 0.0267
TOWEL_HALF = (0.05, 0.05, 0.005)

PLATE_MASS = 0.0392
PLATE_PROFILE = (
    (0.0, 0.0),
    (0.034, 0.0),
    (0.038, 0.0008),
    (0.0535, 0.0048),
    (0.0550, 0.0056),
    (0.0545, 0.0062),
    (0.0525, 0.0060),
    (0.0370, 0.0022),
    (0.0330, 0.0015),
    (0.0, 0.0015),
)


def _underside(along: float) -> float:
    """Height, in the spoon's frame, of the table under it at rest."""
    return -SPOON_REST.position[2] - along * float(np.tan(SPOON_SLOPE))


def _build_spoon(builder: ObjectBuilder) -> None:
    plastic = Paint((0.45, 0.68, 0.10, 1.0), specular=0.4, shininess=0.5)
    bowl = lathe(BOWL_PROFILE, 24).scaled(BOWL_RADII)
    rim = Pose((BOWL_AT, 0.0, _underside(BOWL_AT) + BOWL_RADII[2]))
    builder.draw_mesh(bowl, replace(plastic, casts_shadow=False), rim)
    height = _underside(HANDLE_AT) + HANDLE_HALF[2]
    tilt = about_axis("y", SPOON_SLOPE)
    handle = lathe(HANDLE_PROFILE, 16, "x")
    builder.draw_mesh(handle, plastic, Pose((HANDLE_AT, 0.0, height + 0.001), tilt))
    builder.collide(Solid("box", HANDLE_HALF, (HANDLE_AT, 0.0, height), tilt), SPOON_MASS * 0.7)
    for along in (-0.056, -0.044, -0.032):
        radius = 0.0098
        centre = (along, 0.0, _underside(along) + radius)
        builder.collide(Solid("ellipsoid", (0.014, 0.0165, radius), centre), SPOON_MASS * 0.1)


def _build_towel(builder: ObjectBuilder) -> None:
    cloth = checked_towel((158, 196, 212), (96, 126, 150))
    builder.draw(Solid("box", TOWEL_HALF), Paint(texture=cloth, specular=0.02, casts_shadow=False))
    builder.collide(Solid("box", TOWEL_HALF), TOWEL_MASS)


def plate(kind: str, rgba: Vector) -> TabletopObject:
    """SIMPLER's plate, glazed in a colour."""

    def build(builder: ObjectBuilder) -> None:
        glaze = Paint(rgba, None, specular=0.4, shininess=0.6, casts_shadow=False)
        builder.draw_mesh(lathe(PLATE_PROFILE, 32), glaze)
        base = Solid("cylinder", (0.036, 0.00075), (0.0, 0.0, 0.00075))
        rim = Solid("cylinder", (0.053, 0.0010), (0.0, 0.0, 0.0030))
        builder.collide(base, PLATE_MASS * 0.5)
        builder.collide(rim, PLATE_MASS * 0.5)

    return TabletopObject(kind, (0.11, 0.11, 0.006), Pose((0.0, 0.0, 0.0)), build)


SPOON = TabletopObject("spoon", (0.14, 0.0346, 0.026042), SPOON_REST, _build_spoon)
TOWEL = TabletopObject("towel", (0.1, 0.1, 0.01), Pose((0.0, 0.0, 0.004883)), _build_towel)
PLATE = plate("plate", (0.74, 0.79, 0.58, 1.0))
