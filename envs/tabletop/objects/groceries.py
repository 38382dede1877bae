"""Toy groceries: corn, cheese, chili pepper, grapes, bottle. Sizes and masses are this project's.

Every frame is on the surface under the object at rest, x along its length.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, about_axis
from vla_bench.envs.tabletop.objects.builder import (
    ROLLING,
    ObjectBuilder,
    Paint,
    Solid,
    TabletopObject,
)
from vla_bench.envs.tabletop.objects.mesh import Mesh, lathe
from vla_bench.protocols import Image

ON_SURFACE = Pose((0.0, 0.0, 0.0))
LYING = about_axis("y", math.pi / 2)  # a capsule's axis along x
LEAF = Paint((0.36, 0.58, 0.20, 1.0))

CORN_RADIUS = 0.0165
CORN_MASS = 0.045
CHEESE_HALF = (0.028, 0.017)  # m, length and width
CHEESE_HEIGHTS = (0.010, 0.030)  # m, at the thin and the thick end
CHEESE_MASS = 0.030
CHILI = (  # (x, y, radius) along the pod, stem end first
    (-0.036, 0.000, 0.0100),
    (-0.020, 0.003, 0.0100),
    (-0.004, 0.004, 0.0092),
    (0.012, 0.002, 0.0080),
    (0.026, -0.003, 0.0064),
    (0.038, -0.009, 0.0046),
)
CHILI_MASS = 0.018
GRAPE_RADIUS = 0.0095
GRAPES_MASS = 0.040
BOTTLE_RADIUS = 0.0150
BOTTLE_MASS = 0.035


@functools.cache
def _kernels(size: int = 128) -> Image:
    """Rows of kernels: along the cob horizontally, around it vertically."""
    rows, columns = np.mgrid[:size, :size] / size
    bump = np.abs(np.sin(np.pi * 12 * rows) * np.sin(np.pi * 16 * columns)) ** 0.5
    shade = (0.72 + 0.28 * bump)[..., None] * np.array([250.0, 210.0, 60.0])
    return np.asarray(shade.astype(np.uint8))


def _build_corn(builder: ObjectBuilder) -> None:
    up = Pose((0.0, 0.0, CORN_RADIUS))
    cob = (
        (0.0, -0.040),
        (0.0100, -0.0390),
        (0.0150, -0.0300),
        (0.0165, -0.0120),
        (0.0165, 0.0100),
        (0.0140, 0.0280),
        (0.0085, 0.0390),
        (0.0, 0.0420),
    )
    builder.draw_mesh(lathe(cob, 20, "x"), Paint(texture=_kernels(), specular=0.3), up)
    husk = ((0.0, -0.048), (0.0070, -0.047), (0.0150, -0.034), (0.0172, -0.020), (0.0, -0.019))
    builder.draw_mesh(lathe(husk, 14, "x"), LEAF, up)
    for along in (-0.021, 0.0, 0.021):
        centre = (along, 0.0, CORN_RADIUS)
        body = Solid("capsule", (CORN_RADIUS, 0.008), centre, LYING)
        builder.collide(body, CORN_MASS / 3)


def _wedge() -> Mesh:
    """A prism whose top slopes down towards -x; no vertex is shared, so that edges stay sharp."""
    (length, width), (low, high) = CHEESE_HALF, CHEESE_HEIGHTS
    side = [(-length, 0.0), (length, 0.0), (length, high), (-length, low)]
    left, right = ([(x, y, z) for x, z in side] for y in (width, -width))
    quads = [right, left[::-1]]
    quads += [[left[i], left[(i + 1) % 4], right[(i + 1) % 4], right[i]] for i in range(4)]
    vertices = np.array(quads).reshape(-1, 3)
    faces = [
        (4 * q + a, 4 * q + b, 4 * q + c) for q in range(6) for a, b, c in ((0, 1, 2), (0, 2, 3))
    ]
    return Mesh(vertices, np.array(faces, np.int32), np.zeros((len(vertices), 2)))


def _build_cheese(builder: ObjectBuilder) -> None:
    (length, width), (low, high) = CHEESE_HALF, CHEESE_HEIGHTS
    builder.draw_mesh(_wedge(), Paint((0.97, 0.79, 0.25, 1.0)))
    hole = Paint((0.80, 0.58, 0.12, 1.0), specular=0.0, casts_shadow=False)
    for along, height, radius in ((0.015, 0.014, 0.005), (-0.004, 0.009, 0.0035)):
        for side in (-width, width):
            builder.draw(Solid("ellipsoid", (radius, 0.0008, radius), (along, side, height)), hole)
    slope = math.atan2(high - low, 2 * length)
    for along, across, radius in (
        (0.012, 0.006, 0.005),
        (-0.012, -0.005, 0.004),
        (0.0, -0.009, 0.003),
    ):
        top = low + (along + length) / (2 * length) * (high - low)
        flat = about_axis("y", -slope)
        builder.draw(Solid("ellipsoid", (radius, radius, 0.0008), (along, across, top), flat), hole)
    for slice_ in range(4):
        along = length * (slice_ - 1.5) / 2
        height = low + (along + length) / (2 * length) * (high - low)
        box = Solid("box", (length / 4, width, height / 2), (along, 0.0, height / 2))
        builder.collide(box, CHEESE_MASS / 4)


def _build_chili(builder: ObjectBuilder) -> None:
    skin = Paint((0.82, 0.08, 0.06, 1.0), specular=0.7, shininess=0.7)
    for (x, y, radius), (x2, y2, radius2) in itertools.pairwise(CHILI):
        middle = ((x + x2) / 2, (y + y2) / 2, (radius + radius2) / 2)
        half = math.hypot(x2 - x, y2 - y) / 2
        turn = about_axis("z", math.atan2(y2 - y, x2 - x))
        pod = lathe(((0.0, -half), (radius, -half), (radius2, half), (0.0, half)), 14, "x")
        builder.draw_mesh(pod, skin, Pose(middle, turn))
    for x, y, radius in CHILI:
        ball = Solid("sphere", (radius,), (x, y, radius))
        builder.draw(ball, skin)
        builder.collide(ball, CHILI_MASS / len(CHILI))
    stem = Solid("capsule", (0.0028, 0.008), (-0.052, -0.002, 0.011), LYING)
    builder.draw(stem, LEAF)
    builder.draw(Solid("ellipsoid", (0.004, 0.008, 0.008), (-0.0445, 0.0, 0.010)), LEAF)


def _grapes() -> list[tuple[float, float, float]]:
    """Centres of the grapes: a layer of seven and one of three on top."""
    r = GRAPE_RADIUS
    low = [(0.0, 0.0, r)]
    low += [(1.9 * r * math.cos(a), 1.6 * r * math.sin(a), r) for a in np.arange(6) * math.pi / 3]
    high = [(1.0 * r * math.cos(a), 1.0 * r * math.sin(a), 2.5 * r) for a in np.arange(3) * 2.094]
    return low + high


def _build_grapes(builder: ObjectBuilder) -> None:
    skin = Paint((0.36, 0.13, 0.48, 1.0), specular=0.6, shininess=0.7)
    centres = _grapes()
    for centre in centres:
        grape = Solid("sphere", (GRAPE_RADIUS,), centre)
        builder.draw(grape, skin)
        builder.collide(grape, GRAPES_MASS / len(centres))
    top = (0.0, 0.0, 3.7 * GRAPE_RADIUS)
    builder.draw(Solid("capsule", (0.0022, 0.008), top, about_axis("y", 0.5)), LEAF)


def _build_bottle(builder: ObjectBuilder) -> None:
    up = Pose((0.0, 0.0, BOTTLE_RADIUS))
    red = Paint((0.83, 0.07, 0.08, 1.0), specular=0.6, shininess=0.6)
    body = (
        (0.0, -0.036),
        (0.0130, -0.036),
        (0.0150, -0.033),
        (0.0150, 0.012),
        (0.0110, 0.022),
        (0.0062, 0.028),
        (0.0062, 0.033),
        (0.0, 0.033),
    )
    builder.draw_mesh(lathe(body, 24, "x"), red, up)
    band = ((0.0, -0.024), (0.0152, -0.024), (0.0152, 0.002), (0.0, 0.002))
    builder.draw_mesh(lathe(band, 24, "x"), Paint((0.95, 0.93, 0.88, 1.0)), up)
    cap = ((0.0, 0.031), (0.0075, 0.031), (0.0060, 0.043), (0.0, 0.043))
    builder.draw_mesh(lathe(cap, 16, "x"), Paint((0.95, 0.95, 0.95, 1.0)), up)
    trunk = Solid("cylinder", (BOTTLE_RADIUS, 0.025), (-0.011, 0.0, BOTTLE_RADIUS), LYING)
    builder.collide(trunk, BOTTLE_MASS * 0.85)
    neck = Solid("cylinder", (0.0070, 0.014), (0.028, 0.0, BOTTLE_RADIUS), LYING)
    builder.collide(neck, BOTTLE_MASS * 0.15)


CORN = TabletopObject(
    "corn", (0.082, 0.033, 0.033), ON_SURFACE, _build_corn, rolling_friction=ROLLING
)
CHEESE = TabletopObject("cheese", (0.056, 0.034, 0.030), ON_SURFACE, _build_cheese)
CHILI_PEPPER = TabletopObject("chili_pepper", (0.088, 0.024, 0.020), ON_SURFACE, _build_chili)
GRAPES = TabletopObject(
    "grapes", (0.055, 0.050, 0.033), ON_SURFACE, _build_grapes, rolling_friction=ROLLING
)
RED_BOTTLE = TabletopObject(
    "red_bottle", (0.079, 0.03, 0.03), ON_SURFACE, _build_bottle, rolling_friction=ROLLING
)
