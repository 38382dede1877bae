"""Objects that no suite's own tasks use: distractors, and what generalization is tested with.

Sizes and masses are this project's. Every frame is on the surface under the object at rest, x along
its length.
"""

from __future__ import annotations

import math

from vla_bench.envs.tabletop.geometry import Pose, about_axis
from vla_bench.envs.tabletop.objects.builder import (
    ROLLING,
    ObjectBuilder,
    Paint,
    Solid,
    TabletopObject,
)
from vla_bench.envs.tabletop.objects.mesh import lathe
from vla_bench.envs.tabletop.objects.textures import rings

ON_SURFACE = Pose((0.0, 0.0, 0.0))
LYING = about_axis("y", math.pi / 2)  # an axis along x
ACROSS = about_axis("x", math.pi / 2)  # an axis along y

CUCUMBER_RADIUS = 0.0155
CUCUMBER_HALF = 0.022  # m, of the middle part
CUCUMBER_MASS = 0.045
MATCHBOX_HALF = (0.026, 0.0140, 0.0130)
MATCHBOX_MASS = 0.020
CAR_HALF = (0.030, 0.0135, 0.0120)
CAR_MASS = 0.035
WHEEL_RADIUS = 0.0065
MARKER_RADIUS = 0.0075
MARKER_HALF = 0.055
MARKER_MASS = 0.018
DIE_HALF = 0.010
DIE_MASS = 0.009
PIPS = {  # where on a face, in units of a quarter of its edge
    1: ((0, 0),),
    2: ((-1, -1), (1, 1)),
    3: ((-1, -1), (0, 0), (1, 1)),
}


def _build_cucumber(builder: ObjectBuilder) -> None:
    r, half = CUCUMBER_RADIUS, CUCUMBER_HALF
    profile = (
        (0.0, -half - r),
        (0.6 * r, -half - 0.8 * r),
        (0.95 * r, -half),
        (r, 0.0),
        (0.95 * r, half),
        (0.6 * r, half + 0.8 * r),
        (0.0, half + r),
    )
    up = Pose((0.0, 0.0, r))
    builder.draw_mesh(lathe(profile, 18, "x"), Paint(texture=rings((62, 120, 48), 5)), up)
    stalk = Solid("capsule", (0.0025, 0.004), (-half - r, 0.0, r), LYING)
    builder.draw(stalk, Paint((0.55, 0.62, 0.30, 1.0)))
    builder.collide(Solid("capsule", (r, half), (0.0, 0.0, r), LYING), CUCUMBER_MASS)


def _build_matchbox(builder: ObjectBuilder) -> None:
    length, width, height = MATCHBOX_HALF
    sleeve = Paint((0.86, 0.80, 0.66, 1.0), specular=0.05)
    builder.draw(Solid("box", MATCHBOX_HALF, (0.0, 0.0, height)), sleeve)
    label = Solid("box", (0.7 * length, 0.7 * width, 0.0003), (0.0, 0.0, 2 * height))
    builder.draw(label, Paint((0.18, 0.30, 0.62, 1.0), casts_shadow=False))
    for side in (-1.0, 1.0):
        strip = Solid("box", (0.95 * length, 0.0003, 0.6 * height), (0.0, side * width, height))
        builder.draw(strip, Paint((0.30, 0.18, 0.14, 1.0), casts_shadow=False))
    builder.collide(Solid("box", MATCHBOX_HALF, (0.0, 0.0, height)), MATCHBOX_MASS)


def _build_car(builder: ObjectBuilder) -> None:
    """A toy car, its bonnet towards +x."""
    body = Paint((0.12, 0.42, 0.72, 1.0), specular=0.6, shininess=0.6)
    glass = Paint((0.75, 0.85, 0.90, 1.0), specular=0.8)
    tyre = Paint((0.06, 0.06, 0.07, 1.0))
    length, width, _ = CAR_HALF
    builder.draw(Solid("box", (length, width - 0.001, 0.0055), (0.0, 0.0, 0.0105)), body)
    builder.draw(Solid("box", (0.6 * length, 0.85 * width, 0.004), (-0.005, 0.0, 0.0190)), glass)
    builder.draw(Solid("box", (0.5 * length, 0.80 * width, 0.001), (-0.005, 0.0, 0.0235)), body)
    for x in (-0.6 * length, 0.6 * length):
        for side in (-1.0, 1.0):
            wheel = (x, side * (width - 0.0025), WHEEL_RADIUS)
            builder.draw(Solid("cylinder", (WHEEL_RADIUS, 0.0025), wheel, ACROSS), tyre)
    builder.collide(Solid("box", CAR_HALF, (0.0, 0.0, CAR_HALF[2])), CAR_MASS)


def _build_marker(builder: ObjectBuilder) -> None:
    """Collides as a flat-sided bar, so that it does not roll away."""
    barrel = Solid("capsule", (MARKER_RADIUS, 0.6 * MARKER_HALF), (-0.018, 0, MARKER_RADIUS), LYING)
    builder.draw(barrel, Paint((0.88, 0.88, 0.86, 1.0), specular=0.4))
    cap = Solid("cylinder", (MARKER_RADIUS + 0.0006, 0.018), (0.034, 0.0, MARKER_RADIUS), LYING)
    builder.draw(cap, Paint((0.10, 0.10, 0.12, 1.0), specular=0.4))
    bar = Solid("box", (MARKER_HALF, MARKER_RADIUS, MARKER_RADIUS), (0.0, 0.0, MARKER_RADIUS))
    builder.collide(bar, MARKER_MASS)


def _build_die(builder: ObjectBuilder) -> None:
    cube = Solid("box", (DIE_HALF,) * 3, (0.0, 0.0, DIE_HALF))
    builder.draw(cube, Paint((0.95, 0.94, 0.90, 1.0), specular=0.4))
    black = Paint((0.08, 0.08, 0.09, 1.0), casts_shadow=False)
    step = DIE_HALF / 2
    for x, y in PIPS[3]:
        pip = Solid("cylinder", (0.0018, 0.0003), (x * step, y * step, 2 * DIE_HALF))
        builder.draw(pip, black)
    for y, z in PIPS[2]:
        pip = Solid("cylinder", (0.0018, 0.0003), (DIE_HALF, y * step, DIE_HALF + z * step), LYING)
        builder.draw(pip, black)
    for x, z in PIPS[1]:
        pip = Solid("cylinder", (0.0018, 0.0003), (x * step, DIE_HALF, DIE_HALF + z * step), ACROSS)
        builder.draw(pip, black)
    builder.collide(cube, DIE_MASS)


def _box(half: tuple[float, float, float]) -> tuple[float, ...]:
    return tuple(2 * length for length in half)


CUCUMBER = TabletopObject(
    "cucumber",
    _box((CUCUMBER_HALF + CUCUMBER_RADIUS, CUCUMBER_RADIUS, CUCUMBER_RADIUS)),
    ON_SURFACE,
    _build_cucumber,
    rolling_friction=ROLLING,
)
MATCHBOX = TabletopObject("matchbox", _box(MATCHBOX_HALF), ON_SURFACE, _build_matchbox)
TOY_CAR = TabletopObject("toy_car", _box(CAR_HALF), ON_SURFACE, _build_car)
MARKER = TabletopObject(
    "marker", _box((MARKER_HALF, MARKER_RADIUS, MARKER_RADIUS)), ON_SURFACE, _build_marker
)
DIE = TabletopObject("die", _box((DIE_HALF,) * 3), ON_SURFACE, _build_die)
