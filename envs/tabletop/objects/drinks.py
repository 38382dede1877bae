"""Opened drink cans and a plastic bottle, as on SIMPLER's Google Robot counter.

Sizes, masses (50 kg/m3, nearly empty) and how they come to rest: simpler.md §2.8 and the settled
poses measured there. Each frame is that of SIMPLER's object, y along its height, so that poses and
bounding boxes compare directly. Labels are this project's own: colours, no writing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, Vector, about_axis
from vla_bench.envs.tabletop.objects.builder import (
    ROLLING,
    ObjectBuilder,
    Paint,
    Solid,
    TabletopObject,
)
from vla_bench.envs.tabletop.objects.mesh import Profile, lathe
from vla_bench.envs.tabletop.objects.textures import Color
from vla_bench.protocols import Image

UPRIGHT = about_axis("x", math.pi / 2)  # the frame's y axis up
Z_TO_Y = about_axis("x", -math.pi / 2)
ALUMINIUM = Paint((0.78, 0.79, 0.80, 1.0), specular=0.7, shininess=0.6)
CAN_MASS = 0.02  # kg


@dataclass(frozen=True)
class Can:
    """`bottom` and `top`: m along the frame's y; `bands`: (share of the height, colour)."""

    kind: str
    radius: float
    bottom: float
    top: float
    bands: tuple[tuple[float, Color], ...]
    extents: Vector

    def build(self, builder: ObjectBuilder) -> None:
        """An aluminium body in a printed sleeve, with a dark hole in its lid."""
        height = self.top - self.bottom
        at_bottom = Pose((0.0, self.bottom, 0.0), Z_TO_Y)
        builder.draw_mesh(lathe(_can_profile(self.radius, height), 20), ALUMINIUM, at_bottom)
        sleeve = lathe(_sleeve_profile(self.radius, height), 20)
        builder.draw_mesh(sleeve, Paint(texture=_label(self.bands), specular=0.5), at_bottom)
        hole = Solid("cylinder", (0.008, 0.0005), (0.0, self.top - 0.003, -0.011), Z_TO_Y)
        builder.draw(hole, Paint((0.08, 0.07, 0.07, 1.0), casts_shadow=False))
        middle = (0.0, (self.top + self.bottom) / 2, 0.0)
        builder.collide(Solid("cylinder", (self.radius, height / 2), middle, Z_TO_Y), CAN_MASS)

    def standing(self) -> TabletopObject:
        return self.resting(Pose((0.0, 0.0, -self.bottom), UPRIGHT))

    def resting(self, rest: Pose) -> TabletopObject:
        return TabletopObject(self.kind, self.extents, rest, self.build, rolling_friction=ROLLING)


def laid(can: Can, yaw: float) -> TabletopObject:
    """The can on its side, SIMPLER's frame turned by `yaw` rad about the vertical."""
    return can.resting(Pose((0.0, 0.0, can.radius), about_axis("z", yaw)))


def _can_profile(radius: float, height: float) -> Profile:
    return (
        (0.0, 0.002),
        (radius * 0.72, 0.0),
        (radius * 0.97, 0.009),
        (radius * 0.98, height - 0.013),
        (radius * 0.82, height - 0.002),
        (radius * 0.82, height),
        (radius * 0.76, height),
        (radius * 0.74, height - 0.004),
        (0.0, height - 0.004),
    )


def _sleeve_profile(radius: float, height: float) -> Profile:
    """Only the middle third of a texture shows: the profile's caps have the other two."""
    low, high = 0.010, height - 0.013
    return ((0.0, low), (radius, low), (radius, high), (0.0, high))


@functools.cache
def _label(bands: tuple[tuple[float, Color], ...], size: int = 96) -> Image:
    """Wavy bands of colour around the can, the first at the bottom."""
    rows = np.linspace(0.0, 1.0, size)[:, None]
    columns = np.linspace(0.0, 4 * np.pi, 2 * size)[None, :]
    height = rows + 0.05 * np.sin(columns)
    edges = np.cumsum([share for share, _ in bands])[:-1]
    colors = np.array([color for _, color in bands], np.uint8)
    label = colors[np.digitize(height, edges)]
    return np.concatenate([label[:1].repeat(size, 0), label, label[-1:].repeat(size, 0)])


BOTTLE_PROFILE = (
    (0.0, 0.0),
    (0.026, 0.0),
    (0.031, 0.006),
    (0.031, 0.060),
    (0.028, 0.085),
    (0.031, 0.110),
    (0.031, 0.140),
    (0.022, 0.168),
    (0.0135, 0.180),
    (0.0135, 0.186),
    (0.0, 0.186),
)
BOTTLE_MASS = 0.030
BOTTLE_BOTTOM, BOTTLE_HEIGHT = -0.0882, 0.203


def _build_bottle(builder: ObjectBuilder) -> None:
    at_bottom = Pose((0.0, BOTTLE_BOTTOM, 0.0), Z_TO_Y)
    plastic = Paint((0.10, 0.36, 0.78, 1.0), specular=0.7, shininess=0.7)
    builder.draw_mesh(lathe(BOTTLE_PROFILE, 20), plastic, at_bottom)
    label = Pose((0.0, BOTTLE_BOTTOM + 0.022, 0.0), Z_TO_Y)
    white = Paint((0.88, 0.91, 0.95, 1.0), specular=0.2)
    builder.draw_mesh(lathe(_tube(0.0314, 0.034), 20), white, label)
    cap = Pose((0.0, BOTTLE_BOTTOM + 0.184, 0.0), Z_TO_Y)
    builder.draw_mesh(lathe(_tube(0.0155, 0.019), 16), Paint((0.93, 0.94, 0.95, 1.0)), cap)
    for radius, low, high, share in ((0.031, 0.0, 0.145, 0.85), (0.0155, 0.145, 0.203, 0.15)):
        centre = (0.0, BOTTLE_BOTTOM + (low + high) / 2, 0.0)
        part = Solid("cylinder", (radius, (high - low) / 2), centre, Z_TO_Y)
        builder.collide(part, BOTTLE_MASS * share)


def _tube(radius: float, height: float) -> Sequence[tuple[float, float]]:
    return ((0.0, 0.0), (radius, 0.0), (radius, height), (0.0, height))


RED, WHITE, SILVER = (196, 18, 26), (238, 238, 236), (190, 194, 200)
BLUE, GREEN, YELLOW = (22, 60, 150), (20, 132, 62), (240, 196, 40)
ORANGE_RED = (232, 104, 20)
BOX = (0.066, 0.123, 0.066)  # m, SIMPLER's box of all slim-necked cans

COKE = Can("coke_can", 0.033, -0.069, 0.0538, ((0.40, RED), (0.16, WHITE), (0.44, RED)), BOX)
PEPSI = Can(
    "pepsi_can",
    0.033,
    -0.0643,
    0.0599,
    ((0.42, BLUE), (0.10, RED), (0.12, WHITE), (0.36, BLUE)),
    BOX,
)
SEVEN_UP = Can(
    "7up_can",
    0.033,
    -0.0630,
    0.0590,
    ((0.34, GREEN), (0.10, YELLOW), (0.14, WHITE), (0.42, GREEN)),
    BOX,
)
REDBULL = Can(
    "redbull_can",
    0.02925,
    -0.0652,
    0.0669,
    ((0.36, SILVER), (0.14, RED), (0.08, YELLOW), (0.42, BLUE)),
    (0.0585, 0.172, 0.0585),  # SIMPLER's height is wrong; no rule reads it
)
SPRITE = Can(
    "sprite_can", 0.033, -0.0643, 0.0599, ((0.30, GREEN), (0.40, SILVER), (0.30, GREEN)), BOX
)
FANTA = Can(
    "fanta_can", 0.033, -0.0643, 0.0599, ((0.46, ORANGE_RED), (0.14, BLUE), (0.40, ORANGE_RED)), BOX
)

STANDING_COKE = COKE.standing()
# SIMPLER's `laid_vertically` and, which the paper calls horizontal, `lr_switch`
VERTICAL_COKE, HORIZONTAL_COKE = laid(COKE, math.pi / 2), laid(COKE, math.pi)
BLUE_BOTTLE = TabletopObject(
    "blue_plastic_bottle",
    (0.0601, 0.203, 0.0605),
    Pose((0.0, 0.0, -BOTTLE_BOTTOM), UPRIGHT),
    _build_bottle,
    rolling_friction=ROLLING,
)
