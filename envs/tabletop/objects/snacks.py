"""Chip bags, a banana, a green cup, a frying pan, a large plate, and prints of faces.

Sizes and masses are this project's. Every frame is on the surface under the object at rest. Bags
are rigid, as if full; the faces are drawings of nobody, where the paper used photographs.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from vla_bench.envs.tabletop.geometry import Pose, Vector, about_axis, multiply
from vla_bench.envs.tabletop.objects.builder import ObjectBuilder, Paint, Solid, TabletopObject
from vla_bench.envs.tabletop.objects.cookware import pan, tumbler
from vla_bench.envs.tabletop.objects.mesh import Mesh, lathe
from vla_bench.envs.tabletop.objects.textures import Color, speckle
from vla_bench.protocols import Image

ON_SURFACE = Pose((0.0, 0.0, 0.0))
BAG_HALF = (0.062, 0.036, 0.020)  # m
BAG_MASS = 0.03
BANANA_RADIUS, BANANA_BEND = 0.016, 0.10  # m, of the fruit and of its curve
BANANA_HALF_ANGLE, N_PIECES = 0.75, 7
BANANA_MASS = 0.10
PRINT_HALF = (0.060, 0.075, 0.001)
PLATE_RADIUS = 0.095


@functools.cache
def _wrapper(base: Color, size: int = 96) -> Image:
    """A pale patch with a golden chip, between crimped seams."""
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    image = np.tile(np.array(base, float), (size, size, 1))
    image[(rows / 0.30) ** 2 + (columns / 0.25) ** 2 < 1.0] = (238, 232, 214)
    image[(rows / 0.17) ** 2 + (columns / 0.13) ** 2 < 1.0] = (226, 176, 74)
    seam = np.abs(columns) > 0.44
    image[seam] *= (0.75 + 0.25 * np.sin(60 * rows))[seam][:, None]
    return np.asarray(np.clip(image, 0, 255).astype(np.uint8))


def _pillow(half: Vector, n: int = 16) -> Mesh:
    """Two swollen sheets that meet in a seam, around the origin."""
    steps = np.linspace(-1.0, 1.0, n + 1)
    u, v = (grid.ravel() for grid in np.meshgrid(steps, steps))
    swell = np.sqrt(np.maximum(1 - u**4, 0.0) * np.maximum(1 - v**4, 0.0))
    sheets = [np.stack([u * half[0], v * half[1], s * swell * half[2]], axis=1) for s in (1, -1)]
    uv = np.stack([u / 2 + 0.5, v / 2 + 0.5], axis=1)
    corners = np.array([(r * (n + 1) + c) for r in range(n) for c in range(n)])
    quads = [(corners, corners + 1, corners + n + 2), (corners, corners + n + 2, corners + n + 1)]
    top = np.concatenate([np.stack(quad, axis=1) for quad in quads])
    faces = np.concatenate([top, top[:, ::-1] + (n + 1) ** 2]).astype(np.int32)
    return Mesh(np.concatenate(sheets), faces, np.concatenate([uv, uv]))


def _chip_bag(kind: str, base: Color) -> TabletopObject:
    x, y, z = BAG_HALF
    middle = Pose((0.0, 0.0, z))

    def build(builder: ObjectBuilder) -> None:
        foil = Paint(texture=_wrapper(base), specular=0.6, shininess=0.5)
        builder.draw_mesh(_pillow(BAG_HALF), foil, middle)
        for half in ((0.7 * x, 0.80 * y, 0.95 * z), (0.85 * x, 0.92 * y, 0.5 * z)):
            builder.collide(Solid("box", half, middle.position), BAG_MASS / 2)

    return TabletopObject(kind, tuple(2 * half for half in BAG_HALF), ON_SURFACE, build)


def _build_banana(builder: ObjectBuilder) -> None:
    """Lying on its side, its ends towards +x and -x, curved about a point at +y."""
    peel = Paint(texture=speckle((240, 206, 60), 7.0), specular=0.3)
    angles = np.linspace(-BANANA_HALF_ANGLE, BANANA_HALF_ANGLE, N_PIECES + 1)
    half = BANANA_BEND * (angles[1] - angles[0]) / 2
    for angle in (angles[1:] + angles[:-1]) / 2:
        centre = (
            BANANA_BEND * math.sin(angle),
            BANANA_BEND * (0.9 - math.cos(angle)),
            BANANA_RADIUS,
        )
        thin = BANANA_RADIUS * (1.0 - 0.35 * abs(angle / BANANA_HALF_ANGLE) ** 3)
        turn = about_axis("z", angle)
        lying = tuple(_along_x(turn))
        builder.draw(Solid("capsule", (thin, half), centre, lying), peel)
        builder.collide(Solid("capsule", (thin, half), centre, lying), BANANA_MASS / N_PIECES)
    tip = BANANA_HALF_ANGLE + 0.16
    for sign, shade in ((-1.0, (0.30, 0.22, 0.10, 1.0)), (1.0, (0.62, 0.60, 0.20, 1.0))):
        end = (
            sign * BANANA_BEND * math.sin(tip),
            BANANA_BEND * (0.9 - math.cos(tip)),
            BANANA_RADIUS,
        )
        stem = Solid("capsule", (0.005, 0.008), end, tuple(_along_x(about_axis("z", sign * tip))))
        builder.draw(stem, Paint(shade))


def _along_x(turn: Vector) -> Vector:
    """A capsule's orientation, along x turned by `turn`."""
    return tuple(multiply(turn, about_axis("y", math.pi / 2)).tolist())


def _build_plate(builder: ObjectBuilder) -> None:
    profile = (
        (0.0, 0.0),
        (0.055, 0.0),
        (0.062, 0.002),
        (0.092, 0.012),
        (0.095, 0.014),
        (0.092, 0.0145),
        (0.062, 0.005),
        (0.055, 0.003),
        (0.0, 0.003),
    )
    glaze = Paint((0.92, 0.92, 0.90, 1.0), specular=0.5, shininess=0.6, casts_shadow=False)
    builder.draw_mesh(lathe(profile, 36), glaze)
    builder.collide(Solid("box", (0.044, 0.044, 0.0015), (0.0, 0.0, 0.0015)), 0.25)
    builder.collide(Solid("cylinder", (0.065, 0.0010), (0.0, 0.0, 0.0022)), 0.05)


@functools.cache
def _portrait(hair: Color, shirt: Color, backdrop: Color, size: int = 128) -> Image:
    """Hair, face, eyes, mouth and shoulders in ellipses."""
    rows, columns = np.mgrid[:size, :size] / size - 0.5

    def within(x: float, y: float, half_x: float, half_y: float) -> NDArray[np.bool_]:
        return np.asarray(((columns - x) / half_x) ** 2 + ((rows - y) / half_y) ** 2 < 1.0)

    image = np.tile(np.array(backdrop, np.uint8), (size, size, 1))
    for area, color in (
        (within(0.0, 0.52, 0.42, 0.26), shirt),
        (within(0.0, -0.02, 0.27, 0.38), hair),
        (within(0.0, 0.00, 0.18, 0.27), (236, 196, 170)),
        (within(0.0, -0.22, 0.20, 0.10), hair),
        (within(-0.07, -0.03, 0.030, 0.018), (50, 70, 110)),
        (within(0.07, -0.03, 0.030, 0.018), (50, 70, 110)),
        (within(0.0, 0.14, 0.060, 0.020), (190, 24, 40)),
    ):
        image[area] = color
    border = np.maximum(np.abs(rows), np.abs(columns)) > 0.46
    image[border] = (250, 250, 248)
    return image


def _print(kind: str, hair: Color, shirt: Color, backdrop: Color) -> TabletopObject:
    def build(builder: ObjectBuilder) -> None:
        picture = Paint(texture=_portrait(hair, shirt, backdrop), specular=0.3, casts_shadow=False)
        middle = (0.0, 0.0, PRINT_HALF[2])
        builder.draw(Solid("box", PRINT_HALF, middle), picture)
        builder.collide(Solid("box", PRINT_HALF, middle), 0.01)

    extents = tuple(2 * half for half in PRINT_HALF)
    return TabletopObject(kind, extents, ON_SURFACE, build, fixed=True)


BLUE_CHIP_BAG = _chip_bag("blue_chip_bag", (34, 84, 178))
BROWN_CHIP_BAG = _chip_bag("brown_chip_bag", (112, 66, 36))
BANANA = TabletopObject("banana", (0.15, 0.06, 0.032), ON_SURFACE, _build_banana)
GREEN_CUP = tumbler("green_cup", (0.24, 0.74, 0.36, 1.0))
FRYING_PAN = pan("pan")
LARGE_PLATE = TabletopObject(
    "plate", (2 * PLATE_RADIUS, 2 * PLATE_RADIUS, 0.014), ON_SURFACE, _build_plate
)
BLOND_PRINT = _print("taylor_swift", (226, 190, 110), (176, 24, 44), (150, 186, 214))
DARK_PRINT = _print("dark_haired_face", (40, 28, 24), (40, 60, 110), (206, 196, 170))
GREY_PRINT = _print("grey_haired_face", (160, 160, 164), (60, 60, 64), (120, 148, 120))
