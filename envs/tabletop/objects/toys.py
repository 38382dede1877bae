"""Things that do not belong in a sink: a battery, a skull, a roll of tape, a dinosaur.

Sizes and masses are this project's. The battery is an AA cell, 50.5 x 14.5 mm and 23 g: an AAA
cell of 10.5 mm would slip through the fingers, which stop 12 mm apart as SIMPLER's do.
Every frame is on the surface under the object at rest.
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
from vla_bench.envs.tabletop.objects.vessels import Vessel, ring

ON_SURFACE = Pose((0.0, 0.0, 0.0))
LYING = about_axis("y", math.pi / 2)  # a cylinder's axis along x

BATTERY_RADIUS = 0.00725
BATTERY_HALF = 0.02475  # without the nub of its plus pole
BATTERY_MASS = 0.023
TAPE = Vessel(radius=0.030, height=0.020, wall=0.009, mass=0.035)
SKULL_MASS = 0.030
DINOSAUR_MASS = 0.060


def _build_battery(builder: ObjectBuilder) -> None:
    def sleeve(low: float, high: float, radius: float, paint: Paint) -> None:
        profile = ((0.0, low), (radius, low), (radius, high), (0.0, high))
        builder.draw_mesh(lathe(profile, 20, "x"), paint, Pose((0.0, 0.0, BATTERY_RADIUS)))

    metal = Paint((0.80, 0.80, 0.78, 1.0), specular=0.9, shininess=0.8)
    copper = Paint((0.80, 0.52, 0.22, 1.0), specular=0.7, shininess=0.6)
    black = Paint((0.07, 0.07, 0.08, 1.0), specular=0.5, shininess=0.5)
    sleeve(-BATTERY_HALF, 0.008, BATTERY_RADIUS, black)
    sleeve(0.008, BATTERY_HALF - 0.0008, BATTERY_RADIUS, copper)
    sleeve(BATTERY_HALF - 0.0008, BATTERY_HALF, BATTERY_RADIUS - 0.0004, metal)
    sleeve(BATTERY_HALF, BATTERY_HALF + 0.001, 0.0025, metal)
    body = Solid("cylinder", (BATTERY_RADIUS, BATTERY_HALF), (0.0, 0.0, BATTERY_RADIUS), LYING)
    builder.collide(body, BATTERY_MASS)


def _build_tape(builder: ObjectBuilder) -> None:
    outer, inner, top = TAPE.radius, TAPE.opening, TAPE.height
    loop = ((inner, 0.0), (outer, 0.0), (outer, top), (inner, top), (inner, 0.0))
    builder.draw_mesh(
        lathe(loop, 32), Paint((1.0, 1.0, 0.99, 1.0), specular=0.0, casts_shadow=False)
    )
    card = inner - 0.0015
    core = ((card, 0.0), (inner, 0.0), (inner, top + 0.0004), (card, top + 0.0004), (card, 0.0))
    builder.draw_mesh(lathe(core, 32), Paint((0.72, 0.58, 0.40, 1.0)))
    ring(builder, TAPE, TAPE.mass)


def _build_skull(builder: ObjectBuilder) -> None:
    """A wind-up toy, face towards +x: cranium, jaw with teeth, two feet, the key at the back."""
    bone = Paint((0.93, 0.91, 0.84, 1.0), specular=0.3)
    dark = Paint((0.06, 0.05, 0.05, 1.0))
    red = Paint((0.80, 0.15, 0.12, 1.0))
    builder.draw(Solid("ellipsoid", (0.0190, 0.0165, 0.0165), (-0.001, 0.0, 0.0275)), bone)
    builder.draw(Solid("box", (0.0085, 0.0105, 0.0070), (0.0065, 0.0, 0.0125)), bone)
    for side in (-1.0, 1.0):
        eye = (0.0145, 0.0070 * side, 0.0265)
        builder.draw(Solid("ellipsoid", (0.0040, 0.0042, 0.0046), eye), dark)
        builder.draw(Solid("ellipsoid", (0.012, 0.006, 0.0035), (0.002, 0.009 * side, 0.0035)), red)
    builder.draw(Solid("ellipsoid", (0.0022, 0.0018, 0.0030), (0.0172, 0.0, 0.0200)), dark)
    for tooth in (-2, -1, 0, 1, 2):
        gap = (0.0150, 0.0040 * tooth, 0.0130)
        builder.draw(Solid("box", (0.0003, 0.0004, 0.0035), gap), dark)
    key = (-0.0235, 0.0, 0.020)
    builder.draw(Solid("box", (0.004, 0.001, 0.005), key), Paint((0.75, 0.75, 0.72, 1.0)))
    core = Solid("box", (0.0140, 0.0150, 0.0150), (0.0, 0.0, 0.0150))
    builder.collide(core, SKULL_MASS * 0.7)
    dome = Solid("ellipsoid", (0.0180, 0.0155, 0.0150), (-0.001, 0.0, 0.0275))
    builder.collide(dome, SKULL_MASS * 0.3)


def _build_dinosaur(builder: ObjectBuilder) -> None:
    """A long-necked one, standing, its head towards +x."""
    green = Paint((0.22, 0.60, 0.24, 1.0), specular=0.3)
    builder.draw(Solid("ellipsoid", (0.030, 0.016, 0.017), (0.0, 0.0, 0.030)), green)
    neck = about_axis("y", 0.5)
    builder.draw(Solid("capsule", (0.0065, 0.018), (0.032, 0.0, 0.052), neck), green)
    builder.draw(Solid("ellipsoid", (0.012, 0.008, 0.008), (0.045, 0.0, 0.072)), green)
    tail = about_axis("y", 1.25)
    builder.draw(Solid("capsule", (0.005, 0.022), (-0.042, 0.0, 0.020), tail), green)
    for x in (-0.017, 0.017):
        for y in (-0.010, 0.010):
            leg = Solid("capsule", (0.0065, 0.010), (x, y, 0.0165))
            builder.draw(leg, green)
    builder.collide(Solid("box", (0.026, 0.015, 0.022), (0.0, 0.0, 0.022)), DINOSAUR_MASS * 0.9)
    throat = Solid("capsule", (0.0065, 0.018), (0.032, 0.0, 0.052), neck)
    builder.collide(throat, DINOSAUR_MASS * 0.1)


BATTERY = TabletopObject(
    "battery", (0.0505, 0.0145, 0.0145), ON_SURFACE, _build_battery, rolling_friction=ROLLING
)
WHITE_TAPE = TabletopObject("white_tape", (0.060, 0.060, 0.020), ON_SURFACE, _build_tape)
SKULL = TabletopObject("skull", (0.038, 0.033, 0.044), ON_SURFACE, _build_skull)
DINOSAUR = TabletopObject("dinosaur", (0.11, 0.032, 0.080), ON_SURFACE, _build_dinosaur)
