"""SIMPLER's toy kitchen sink with a yellow drying basket (eggplant).

Poses and camera: simpler.md §2.3, §2.5. The basin's and the basket's floors, walls and rims are
boxes at the heights of SIMPLER's sink mesh, whose frame stands at SINK; colours follow its
photograph. The real floors are uneven; here they are flat, so objects in the sink come to rest up
to 2 mm lower and do not roll off bumps.
"""

from __future__ import annotations

import numpy as np

from vla_bench.envs.tabletop.controllers import TargetPoseController
from vla_bench.envs.tabletop.geometry import Pose, Vector, about_axis
from vla_bench.envs.tabletop.objects.builder import Paint, Solid
from vla_bench.envs.tabletop.objects.textures import wood
from vla_bench.envs.tabletop.robots.widowx import WIDOWX
from vla_bench.envs.tabletop.scenes.scene import Camera, Furniture, Light, Mount, Scene, Surface
from vla_bench.envs.tabletop.scenes.table import FACING_AWAY

HOME = (-0.2600599, -0.12875618, 0.04461369, -0.00652761, 1.7033415, -0.26983038, 0.037, 0.037)
COUNTER_HEIGHT = 0.85
SINK = (-0.16, 0.13, 0.88)
RIM = 0.980  # heights of surfaces in the world, m
BASIN_FLOOR = 0.9205
BASKET_FLOOR = 0.9300
UNDERSIDE = 0.880
OUTER = (-0.297, -0.022, -0.070, 0.325)  # x low, x high, y low, y high, m
BASIN = (-0.205, -0.058, 0.104, 0.300)
BASKET = (-0.212, -0.064, -0.018, 0.080)

CAMERA = Camera(
    "3rd_view_camera",
    Pose((-0.00300001, -0.21, 0.39), (-0.907313, 0.0782, -0.36434, -0.194741)),
    (640, 480),
    623.588,
)


def _build(furniture: Furniture) -> None:
    wooden = Paint(texture=wood((205, 150, 88)), specular=0.15)
    counter = furniture.paint(wooden, part="worktop")
    furniture.add(Solid("box", (0.5, 0.9, 0.02), (-0.18, 0.1, COUNTER_HEIGHT - 0.02)), counter)
    wall = furniture.paint(Paint((0.77, 0.76, 0.74, 1.0)), part="backdrop")
    furniture.add(Solid("box", (0.01, 1.5, 0.8), (-0.70, 0.2, 1.0)), wall)
    floor = furniture.paint(Paint((0.35, 0.34, 0.34, 1.0)))
    furniture.add(Solid("plane", (3.0, 3.0, 0.1)), floor)
    _add_sink(furniture)
    _add_basket(furniture)
    _add_fittings(furniture)


def _add_sink(furniture: Furniture) -> None:
    """A block with two holes: four sides, a divider, two floors."""
    blue = furniture.paint(Paint((0.60, 0.77, 0.80, 1.0), specular=0.25, shininess=0.4))
    floor = furniture.paint(Paint((0.66, 0.82, 0.85, 1.0), specular=0.25, shininess=0.4))
    plinth = furniture.paint(Paint((0.12, 0.14, 0.20, 1.0)))
    x_low, x_high, y_low, y_high = OUTER
    for area in (
        (x_low, BASKET[0], y_low, y_high),
        (BASKET[0], BASIN[0], BASIN[2], y_high),
        (BASIN[1], x_high, y_low, y_high),
        (BASKET[1], BASIN[1], y_low, BASIN[2]),
        (BASKET[0], BASKET[1], y_low, BASKET[2]),
        (BASKET[0], BASKET[1], BASKET[3], BASIN[2]),
        (BASIN[0], BASIN[1], BASIN[3], y_high),
    ):
        furniture.add(slab(area, UNDERSIDE, RIM), blue)
    furniture.add(slab(BASIN, UNDERSIDE, BASIN_FLOOR), floor)
    furniture.add(slab(BASKET, UNDERSIDE, BASKET_FLOOR), floor)
    inset = (x_low + 0.01, x_high - 0.01, y_low + 0.01, y_high - 0.01)
    furniture.add(slab(inset, COUNTER_HEIGHT, UNDERSIDE), plinth)
    dark = furniture.paint(Paint((0.05, 0.05, 0.06, 1.0)))
    drain = (-0.133, 0.213, BASIN_FLOOR)
    furniture.add(Solid("cylinder", (0.028, 0.0004), drain), blue, solid_for_objects=False)
    furniture.add(Solid("cylinder", (0.009, 0.0007), drain), dark, solid_for_objects=False)


def _add_basket(furniture: Furniture) -> None:
    """Rim and wires are drawn only: the compartment's walls hold the eggplant, as in SIMPLER."""
    yellow = furniture.paint(Paint((0.90, 0.82, 0.38, 1.0), specular=0.3), part="basket")
    x_low, x_high, y_low, y_high = BASKET
    middle = ((x_low + x_high) / 2, (y_low + y_high) / 2)
    half = ((x_high - x_low) / 2, (y_high - y_low) / 2)
    for x in (x_low, x_high):
        rod(furniture, yellow, (x, middle[1], RIM), "y", half[1], 0.006)
    for y in (y_low, y_high):
        rod(furniture, yellow, (middle[0], y, RIM), "x", half[0], 0.006)
    height, depth = (RIM + BASKET_FLOOR) / 2, (RIM - BASKET_FLOOR) / 2
    for x in np.linspace(x_low + 0.012, x_high - 0.012, 8):
        for y in (y_low + 0.002, y_high - 0.002):
            wire(furniture, yellow, (float(x), y, height), (0.0, 0.0, depth))
        wire(furniture, yellow, (float(x), middle[1], BASKET_FLOOR), (0.0, half[1], 0.0))
    for y in (y_low + 0.03, middle[1], y_high - 0.03):
        wire(furniture, yellow, (middle[0], y, BASKET_FLOOR), (half[0], 0.0, 0.0))
        for x in (x_low + 0.002, x_high - 0.002):
            wire(furniture, yellow, (x, y, height), (0.0, 0.0, depth))


def _add_fittings(furniture: Furniture) -> None:
    """What stands behind the sink: a tap, a navy shelf post, a soap rest."""
    grey = furniture.paint(Paint((0.55, 0.53, 0.52, 1.0), specular=0.4))
    navy = furniture.paint(Paint((0.07, 0.11, 0.28, 1.0)))
    blue = furniture.paint(Paint((0.60, 0.77, 0.80, 1.0)))
    furniture.add(Solid("box", (0.02, 0.045, 0.006), (-0.262, 0.255, RIM + 0.006)), grey)
    furniture.add(Solid("cylinder", (0.016, 0.02), (-0.262, 0.240, RIM + 0.03)), grey)
    furniture.add(Solid("cylinder", (0.012, 0.06), (-0.262, 0.240, RIM + 0.10)), grey)
    rod(furniture, grey, (-0.255, 0.268, RIM + 0.04), "z", 0.02, 0.007)
    furniture.add(Solid("box", (0.03, 0.055, 0.15), (-0.262, 0.145, RIM + 0.15)), navy)
    for y in (0.000, 0.024, 0.048, 0.072):
        rod(furniture, blue, (-0.255, y, RIM + 0.004), "x", 0.018, 0.010)


def slab(area: tuple[float, float, float, float], bottom: float, top: float) -> Solid:
    """A box over `area` (x low, x high, y low, y high) between two heights."""
    x_low, x_high, y_low, y_high = area
    half = ((x_high - x_low) / 2, (y_high - y_low) / 2, (top - bottom) / 2)
    return Solid("box", half, ((x_low + x_high) / 2, (y_low + y_high) / 2, (bottom + top) / 2))


def wire(
    furniture: Furniture, paint: str, centre: tuple[float, float, float], half_length: Vector
) -> None:
    """A drawn 4 mm bar; `half_length` is zero but along one axis."""
    size = tuple(max(length, 0.002) for length in half_length)
    furniture.add(Solid("box", size, centre), paint, solid_for_objects=False)


def rod(
    furniture: Furniture, paint: str, centre: tuple[float, float, float], along: str, *size: float
) -> None:
    """A drawn capsule; `size` is half length and radius."""
    turn = {"x": about_axis("y", np.pi / 2), "y": about_axis("x", np.pi / 2)}
    half_length, radius = size
    solid = Solid("capsule", (radius, half_length), centre, turn.get(along, (1.0, 0.0, 0.0, 0.0)))
    furniture.add(solid, paint, solid_for_objects=False)


SINK_SCENE = Scene(
    name="sink",
    mount=Mount(WIDOWX, Pose((0.127, 0.06, 0.85), FACING_AWAY), HOME, TargetPoseController),
    cameras=(CAMERA,),
    lights=(Light((-0.10, 0.08, -1.0), 0.45, shadow=True), Light((1.0, 1.0, -1.0), 0.10)),
    ambient=0.45,
    build=_build,
    surfaces=(
        Surface((-0.163, -0.097, 0.147, 0.257), BASIN_FLOOR),
        Surface((-0.44, -0.27, -0.37, -0.23), COUNTER_HEIGHT),
    ),
)
