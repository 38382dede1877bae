"""The toy kitchen of the OpenVLA paper's WidowX trials: a shallow sink and a yellow drying rack.

The paper gives pictures but no measures (arXiv:2406.09246v3, Fig. 6), so sizes are this project's:
the robot, its start and the camera are those of SIMPLER's sink scene; the basin is wider, so that a
pot and what belongs in it fit, and 3 cm deep, so that the hand clears its rim.
"""

from __future__ import annotations

import numpy as np

from vla_bench.envs.tabletop.controllers import TargetPoseController
from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.objects.builder import Paint, Solid
from vla_bench.envs.tabletop.objects.textures import speckle, wood
from vla_bench.envs.tabletop.robots.widowx import WIDOWX
from vla_bench.envs.tabletop.scenes.scene import Furniture, Light, Mount, Scene, Surface
from vla_bench.envs.tabletop.scenes.sink import CAMERA, HOME, rod, slab, wire
from vla_bench.envs.tabletop.scenes.table import FACING_AWAY

Area = tuple[float, float, float, float]
"""x low, x high, y low, y high in the world, m."""

COUNTER = 0.950  # heights in the world, m
SINK_FLOOR = 0.920
RACK_FLOOR = 0.935
BASIN: Area = (-0.275, -0.050, 0.050, 0.330)
RACK: Area = (-0.270, -0.125, -0.120, 0.025)
OUTER: Area = (-0.60, -0.005, -0.60, 0.80)
RIM_HEIGHT = 0.003  # of the basin's steel edge


def _build(furniture: Furniture) -> None:
    plaster = Paint(texture=speckle((206, 202, 192)), specular=0.0)
    wall = furniture.paint(plaster, part="backdrop")
    furniture.add(Solid("box", (0.01, 1.5, 0.8), (-0.61, 0.1, 1.0)), wall)
    floor = furniture.paint(Paint((0.35, 0.34, 0.34, 1.0)))
    furniture.add(Solid("plane", (3.0, 3.0, 0.1)), floor)
    table = furniture.paint(Paint(texture=wood((120, 84, 60)), specular=0.1))
    furniture.add(Solid("box", (0.25, 0.9, 0.02), (0.25, 0.1, 0.83)), table)
    _add_counter(furniture)
    _add_basin(furniture)
    _add_rack(furniture)
    _add_tap(furniture)


def _add_counter(furniture: Furniture) -> None:
    """A wooden top with two holes: what surrounds them, in boxes."""
    x_low, x_high, y_low, y_high = OUTER
    wooden = Paint(texture=wood((214, 172, 118)), repeat=(1.0, 1.0), specular=0.1)
    top = furniture.paint(wooden, part="worktop")
    for area in (
        (x_low, BASIN[0], y_low, y_high),
        (BASIN[1], x_high, y_low, y_high),
        (BASIN[0], BASIN[1], BASIN[3], y_high),
        (BASIN[0], BASIN[1], y_low, RACK[2]),
        (BASIN[0], RACK[0], RACK[2], RACK[3]),
        (RACK[1], BASIN[1], RACK[2], RACK[3]),
        (BASIN[0], BASIN[1], RACK[3], BASIN[2]),
    ):
        furniture.add(slab(area, 0.80, COUNTER), top)


def _add_basin(furniture: Furniture) -> None:
    """Pale blue, as in the paper's pictures, with a drain; the edge is drawn only."""
    blue = furniture.paint(Paint((0.58, 0.74, 0.80, 1.0), specular=0.25, shininess=0.4))
    floor = furniture.paint(Paint((0.66, 0.81, 0.86, 1.0), specular=0.25, shininess=0.4))
    dark = furniture.paint(Paint((0.08, 0.09, 0.10, 1.0)))
    x_low, x_high, y_low, y_high = BASIN
    furniture.add(slab(BASIN, 0.80, SINK_FLOOR), floor)
    edge, thin = 0.008, 0.001
    for area in (
        (x_low - edge, x_low + thin, y_low - edge, y_high + edge),
        (x_high - thin, x_high + edge, y_low - edge, y_high + edge),
        (x_low, x_high, y_low - edge, y_low + thin),
        (x_low, x_high, y_high - thin, y_high + edge),
    ):
        lining = slab(area, SINK_FLOOR, COUNTER + RIM_HEIGHT)
        furniture.add(lining, blue, solid_for_objects=False)
    drain = ((x_low + x_high) / 2, (y_low + y_high) / 2, SINK_FLOOR)
    furniture.add(Solid("cylinder", (0.022, 0.0003), drain), blue, solid_for_objects=False)
    furniture.add(Solid("cylinder", (0.007, 0.0006), drain), dark, solid_for_objects=False)


def _add_rack(furniture: Furniture) -> None:
    """A well in the counter whose wires and rim are drawn only."""
    yellow = furniture.paint(Paint((0.93, 0.80, 0.25, 1.0), specular=0.3))
    well = furniture.paint(Paint((0.90, 0.83, 0.52, 1.0)))
    x_low, x_high, y_low, y_high = RACK
    furniture.add(slab(RACK, 0.80, RACK_FLOOR), well)
    middle = ((x_low + x_high) / 2, (y_low + y_high) / 2)
    half = ((x_high - x_low) / 2, (y_high - y_low) / 2)
    for x in (x_low, x_high):
        rod(furniture, yellow, (x, middle[1], COUNTER), "y", half[1], 0.004)
    for y in (y_low, y_high):
        rod(furniture, yellow, (middle[0], y, COUNTER), "x", half[0], 0.004)
    for x in np.linspace(x_low + 0.014, x_high - 0.014, 8):
        wire(furniture, yellow, (float(x), middle[1], RACK_FLOOR - 0.001), (0.0, half[1], 0.0))
    for y in (y_low + 0.03, middle[1], y_high - 0.03):
        wire(furniture, yellow, (middle[0], y, RACK_FLOOR - 0.001), (half[0], 0.0, 0.0))


def _add_tap(furniture: Furniture) -> None:
    """Behind the basin; drawn only, so that no arm is caught in it."""
    grey = furniture.paint(Paint((0.62, 0.62, 0.63, 1.0), specular=0.6, shininess=0.6))
    for solid in (
        Solid("box", (0.02, 0.045, 0.006), (-0.335, 0.245, COUNTER + 0.006)),
        Solid("cylinder", (0.013, 0.05), (-0.335, 0.240, COUNTER + 0.05)),
        Solid("cylinder", (0.008, 0.018), (-0.335, 0.272, COUNTER + 0.02)),
    ):
        furniture.add(solid, grey, solid_for_objects=False)
    rod(furniture, grey, (-0.305, 0.240, COUNTER + 0.10), "x", 0.03, 0.010)


BESIDE_RACK = Surface((-0.105, -0.055, -0.060, 0.020), COUNTER)  # as far as the camera sees
KITCHEN = Scene(
    name="kitchen",
    mount=Mount(WIDOWX, Pose((0.127, 0.06, 0.85), FACING_AWAY), HOME, TargetPoseController),
    cameras=(CAMERA,),
    lights=(
        Light((-0.10, 0.08, -1.0), 0.42, shadow=True),
        Light((-1.0, -0.6, -0.5), 0.26),  # from behind the camera, on what stands upright
    ),
    ambient=0.42,
    build=_build,
    surfaces=(
        Surface((-0.220, -0.095, 0.105, 0.280), SINK_FLOOR),
        Surface((-0.230, -0.160, -0.080, -0.015), RACK_FLOOR),
        BESIDE_RACK,
        Surface((-0.430, -0.300, 0.090, 0.210), COUNTER),  # further left the arm hides it
    ),
)
