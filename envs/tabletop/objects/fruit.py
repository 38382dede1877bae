"""An apple, an orange and a kitchen sponge, as on SIMPLER's Google Robot counter.

Sizes, densities and how they come to rest: simpler.md §2.8 and the settled poses measured there.
The fruits stand on small flats, as SIMPLER's convex pieces do; a sphere would roll away.
"""

from __future__ import annotations

import functools

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.objects.builder import (
    ROLLING,
    ObjectBuilder,
    Paint,
    Solid,
    TabletopObject,
)
from vla_bench.envs.tabletop.objects.mesh import lathe
from vla_bench.envs.tabletop.objects.textures import Color, speckle
from vla_bench.protocols import Image

APPLE_REST = 0.0359  # m, its frame above the table
APPLE_PROFILE = (
    (0.0, -0.0325),
    (0.012, -0.0359),
    (0.026, -0.0310),
    (0.037, -0.0120),
    (0.040, 0.0060),
    (0.037, 0.0220),
    (0.028, 0.0340),
    (0.016, 0.0385),
    (0.006, 0.0350),
    (0.0, 0.0310),
)
ORANGE_REST = 0.0359
ORANGE_RADIUS = 0.0354
SPONGE_HALF = (0.050, 0.035, 0.0186)
SPONGE_MASS = 0.0378  # kg, 150 kg/m3


@functools.cache
def _peel(base: Color, blush: Color, size: int = 96) -> Image:
    """From `base` below to `blush` above, unevenly."""
    rng = np.random.default_rng(5)
    rows = np.linspace(0.0, 1.0, size)[:, None, None]
    columns = np.linspace(0.0, 2 * np.pi, size, endpoint=False)[None, :, None]
    share = np.clip(0.25 + 0.6 * rows + 0.25 * np.sin(columns), 0.0, 1.0)
    mixed = (1 - share) * np.array(base) + share * np.array(blush)
    noise = rng.normal(0.0, 5.0, (size, size, 1))
    pixels: Image = np.clip(mixed + noise, 0, 255).astype(np.uint8)
    return pixels


def _apple(mass: float) -> TabletopObject:
    def build(builder: ObjectBuilder) -> None:
        skin = Paint(texture=_peel((226, 170, 60), (176, 26, 30)), specular=0.5, shininess=0.5)
        builder.draw_mesh(lathe(APPLE_PROFILE, 22), skin)
        stem = Solid("capsule", (0.0018, 0.008), (0.0, 0.0, 0.040))
        builder.draw(stem, Paint((0.30, 0.19, 0.08, 1.0)))
        builder.collide(Solid("sphere", (0.0385,), (0.0, 0.0, 0.003)), 0.7 * mass)
        flat = Solid("cylinder", (0.014, 0.005), (0.0, 0.0, 0.005 - APPLE_REST))
        builder.collide(flat, 0.3 * mass)

    rest = Pose((0.0, 0.0, APPLE_REST))
    return TabletopObject("apple", (0.08, 0.08, 0.08), rest, build, rolling_friction=ROLLING)


def _build_orange(builder: ObjectBuilder) -> None:
    peel = Paint(texture=speckle((238, 128, 24), 9.0), specular=0.3, repeat=(4.0, 4.0))
    sphere = Solid("sphere", (ORANGE_RADIUS,))
    builder.draw(sphere, peel)
    builder.draw(Solid("sphere", (0.004,), (0.0, 0.0, 0.0335)), Paint((0.30, 0.36, 0.12, 1.0)))
    builder.collide(sphere, 0.026)
    flat = Solid("cylinder", (0.011, 0.005), (0.0, 0.0, 0.005 - ORANGE_REST))
    builder.collide(flat, 0.010)


def _build_sponge(builder: ObjectBuilder) -> None:
    x, y, z = SPONGE_HALF
    foam = Paint(texture=speckle((232, 208, 70), 16.0), specular=0.0)
    builder.draw(Solid("box", (x, y, 0.75 * z), (0.0, 0.0, -0.25 * z)), foam)
    scourer = Paint(texture=speckle((44, 110, 62), 14.0), specular=0.0)
    builder.draw(Solid("box", (x, y, 0.25 * z), (0.0, 0.0, 0.75 * z)), scourer)
    builder.collide(Solid("box", SPONGE_HALF), SPONGE_MASS)


LIGHT_APPLE = _apple(0.0536)  # 200 kg/m3, as SIMPLER has it among others
APPLE = _apple(0.2145)  # 800 kg/m3, as SIMPLER has it before a drawer
ORANGE = TabletopObject(
    "orange",
    (0.07, 0.07, 0.068),
    Pose((0.0, 0.0, ORANGE_REST)),
    _build_orange,
    rolling_friction=ROLLING,
)
SPONGE = TabletopObject(
    "sponge", (0.07, 0.10, 0.036), Pose((0.0, 0.0, SPONGE_HALF[2])), _build_sponge
)
