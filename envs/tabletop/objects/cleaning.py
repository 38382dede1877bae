"""For cleaning: a towel, a brush, a dustpan, and what is swept up.

Sizes and masses are this project's. The towel is a stand-in for cloth: as one folded lengthways, it
bends at four springy hinges across, and nowhere else. Its frame is in its middle, at half its
thickness; the other frames are on the surface under the object at rest.
"""

from __future__ import annotations

from vla_bench.envs.tabletop.geometry import Pose, about_axis
from vla_bench.envs.tabletop.objects.builder import (
    Hinge,
    ObjectBuilder,
    Paint,
    Solid,
    TabletopObject,
)
from vla_bench.envs.tabletop.objects.textures import speckle, weave

PANEL = (0.017, 0.035, 0.005)  # m, half sizes of each of the towel's five panels
N_FLAPS = 2  # on either side of the middle panel
PANEL_MASS = 0.008
HINGE = Hinge(stiffness=0.010, damping=6e-4)  # held by the middle, its ends droop by half a rad

BLADE = (0.075, 0.011)  # m, half length along x and half width of the brush
BRISTLES, BACK = 0.022, 0.020  # m, heights
BRUSH_MASS = 0.12

PAN = (0.085, 0.060)  # m, half width along x and half depth of the dustpan's floor
PAN_FLOOR, PAN_WALL, PAN_LIP = 0.0012, 0.030, 0.012
CRUMB_HALF = (0.010, 0.007, 0.006)
CRUMB_MASS = 0.006


def _build_towel(builder: ObjectBuilder) -> None:
    _add_panel(builder)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        inner = builder
        for flap in range(N_FLAPS):
            reach = sign * PANEL[0] * (1.0 if flap == 0 else 2.0)
            inner = inner.hinged(f"{side}{flap}", (reach, 0.0, 0.0), HINGE)
            _add_panel(inner, sign * PANEL[0])


def _add_panel(builder: ObjectBuilder, along: float = 0.0) -> None:
    cloth = Paint(texture=weave((48, 92, 170), thread=3), specular=0.0)
    x, y, z = PANEL
    builder.draw(Solid("box", (x + 0.001, y, z), (along, 0.0, 0.0)), cloth)
    builder.collide(Solid("box", (x - 0.0015, y, z), (along, 0.0, 0.0)), PANEL_MASS)


def towel_parts(name: str) -> tuple[str, ...]:
    """The bodies of the towel called `name`."""
    flaps = [
        "_".join((name, *(f"{side}{inner}" for inner in range(flap + 1))))
        for side in ("left", "right")
        for flap in range(N_FLAPS)
    ]
    return (name, *flaps)


def _build_brush(builder: ObjectBuilder) -> None:
    length, width = BLADE
    hair = Paint(texture=speckle((236, 230, 212), 14.0), specular=0.0)
    builder.draw(Solid("box", (length, width, BRISTLES / 2), (0.0, 0.0, BRISTLES / 2)), hair)
    wooden = Paint(texture=speckle((196, 146, 88), 6.0), specular=0.2)
    middle = (0.0, 0.0, BRISTLES + BACK / 2)
    builder.draw(Solid("box", (length + 0.004, width + 0.002, BACK / 2), middle), wooden)
    grip = Solid(
        "capsule", (0.010, 0.045), (0.118, 0.0, BRISTLES + BACK / 2), about_axis("y", 1.57)
    )
    builder.draw(grip, wooden)
    whole = (0.0, 0.0, (BRISTLES + BACK) / 2)
    builder.collide(Solid("box", (length, width, (BRISTLES + BACK) / 2), whole), BRUSH_MASS)


def _build_dustpan(builder: ObjectBuilder) -> None:
    """Open towards +y, its handle towards -y."""
    width, depth = PAN
    plastic = Paint((0.16, 0.42, 0.62, 1.0), specular=0.4, casts_shadow=False)
    parts = (
        Solid("box", (width, depth, PAN_FLOOR / 2), (0.0, 0.0, PAN_FLOOR / 2)),
        Solid("box", (width, 0.003, PAN_WALL / 2), (0.0, 0.003 - depth, PAN_WALL / 2)),
        *(
            Solid("box", (0.003, depth, PAN_LIP), (side * (width + 0.003), 0.0, PAN_LIP))
            for side in (-1.0, 1.0)
        ),
    )
    for part in parts:
        builder.draw(part, plastic)
        builder.collide(part, 0.1)
    handle = Solid("capsule", (0.011, 0.045), (0.0, -depth - 0.05, 0.022), about_axis("x", 1.57))
    builder.draw(handle, plastic)


def _build_crumb(builder: ObjectBuilder) -> None:
    x, y, z = CRUMB_HALF
    brown = Paint((0.40, 0.24, 0.11, 1.0), specular=0.1)
    builder.draw(Solid("ellipsoid", (1.25 * x, 1.3 * y, 1.15 * z), (0.0, 0.0, z)), brown)
    builder.collide(Solid("box", CRUMB_HALF, (0.0, 0.0, z)), CRUMB_MASS)


BLUE_TOWEL = TabletopObject(
    "blue_towel",
    (2 * PANEL[0] * (1 + 2 * N_FLAPS), 2 * PANEL[1], 2 * PANEL[2]),
    Pose((0.0, 0.0, PANEL[2])),
    _build_towel,
)
BRUSH = TabletopObject(
    "brush", (2 * BLADE[0], 2 * BLADE[1], BRISTLES + BACK), Pose((0.0, 0.0, 0.0)), _build_brush
)
DUSTPAN = TabletopObject(
    "dustpan",
    (2 * PAN[0], 2 * PAN[1], PAN_WALL),
    Pose((0.0, 0.0, 0.0)),
    _build_dustpan,
    fixed=True,
)
CRUMB = TabletopObject(
    "crumb", tuple(2 * half for half in CRUMB_HALF), Pose((0.0, 0.0, 0.0)), _build_crumb
)
