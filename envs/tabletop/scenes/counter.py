"""SIMPLER's Google Robot counter: a pale worktop on a chest of drawers (coke can, move near).

Poses, camera and the worktop's height: simpler.md §2.4, §2.5, §2.9. Edges and colours follow
SIMPLER's photograph of the real counter, unprojected by its camera.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, about_axis, matrix, multiply
from vla_bench.envs.tabletop.measured_pose import MeasuredPoseController
from vla_bench.envs.tabletop.objects.builder import Paint, Solid
from vla_bench.envs.tabletop.objects.textures import speckle, weave
from vla_bench.envs.tabletop.robots.google_robot import GOOGLE_ROBOT, HEAD_PAN, HEAD_TILT
from vla_bench.envs.tabletop.scenes.scene import Camera, Furniture, Light, Mount, Scene, Surface

COUNTER_HEIGHT = 0.87  # m
BASE_HEIGHT = 0.07905
HOME = (
    -0.2639457174606611,
    0.0831913360274175,
    0.5017611504652179,
    1.156859026208673,
    0.028583671314766423,
    1.592598203487462,
    -1.080652960128774,
    0.0,
    0.0,
)


def standing_at(x: float, y: float, turn: float = 0.0) -> Pose:
    """The base at (x, y) m, looking along world -x, turned left by `turn` rad."""
    return Pose((x, y, BASE_HEIGHT), about_axis("z", np.pi + turn))


def head_camera(tilt: float) -> Camera:
    """At the end of neck and head, whose joints do not move; `tilt` rad downwards."""
    pan = about_axis("z", HEAD_PAN)
    looking = multiply(pan, about_axis("y", tilt))
    neck = np.array([0.0, 0.0, 1.16902]) + matrix(pan) @ [0.07181, 0.0, 0.11848]
    eye = neck + matrix(looking) @ [0.10488, 0.0, 0.0]
    return Camera("overhead_camera", Pose(tuple(eye), tuple(looking)), (640, 512), 425.0)


CAMERA = head_camera(HEAD_TILT)
TOP = (-0.395, 0.212, 0.365, 0.327)  # centre x y, half sizes x y, m


def _build(furniture: Furniture) -> None:
    add_room(furniture)
    x, y, half_x, half_y = TOP
    stone = Paint(texture=speckle((196, 188, 178), 3.0), specular=0.5, shininess=0.6)
    top = furniture.paint(stone, part="worktop")
    slab = Solid("box", (half_x, half_y, 0.011), (x, y, COUNTER_HEIGHT - 0.011))
    furniture.add(slab, top)
    carcass = furniture.paint(Paint((0.50, 0.48, 0.46, 1.0), specular=0.1), part="carcass")
    body = Solid("box", (half_x - 0.03, half_y - 0.05, 0.40), (x - 0.02, y, 0.445))
    furniture.add(body, carcass)
    front = furniture.paint(Paint((0.60, 0.58, 0.56, 1.0), specular=0.2), part="front")
    black = furniture.paint(Paint((0.05, 0.05, 0.05, 1.0)))
    edge = x + half_x - 0.045
    for height in (0.755, 0.51, 0.265):
        furniture.add(Solid("box", (0.008, half_y - 0.05, 0.07), (edge, y, height)), front)
        furniture.add(Solid("box", (0.004, 0.055, 0.004), (edge + 0.03, y, height + 0.02)), black)
        for side in (-0.053, 0.053):
            post = (edge + 0.018, y + side, height + 0.02)
            furniture.add(Solid("box", (0.014, 0.004, 0.004), post), black)


def add_room(furniture: Furniture) -> None:
    """A grey felt partition behind, a concrete floor, dark stands to both sides."""
    grey = Paint(texture=weave((74, 74, 78)), repeat=(6.0, 6.0), specular=0.0)
    felt = furniture.paint(grey, part="backdrop")
    furniture.add(Solid("box", (0.02, 2.0, 0.9), (-1.10, 0.2, 0.92)), felt)
    concrete = Paint(texture=speckle((150, 142, 132), 8.0), repeat=(24.0, 24.0), specular=0.1)
    furniture.add(Solid("plane", (3.0, 3.0, 0.1)), furniture.paint(concrete, part="floor"))
    dark = furniture.paint(Paint((0.06, 0.06, 0.065, 1.0)), part="stands")
    for y in (-0.85, 1.25):
        furniture.add(Solid("box", (0.035, 0.035, 0.55), (-0.75, y, 0.55)), dark)
        furniture.add(Solid("box", (0.30, 0.30, 0.015), (-0.75, y, 1.05)), dark)
    furniture.add(Solid("box", (0.03, 0.035, 0.9), (-1.06, 0.22, 0.92)), dark)


COUNTER = Scene(
    name="counter",
    mount=Mount(GOOGLE_ROBOT, standing_at(0.35, 0.20), HOME, MeasuredPoseController),
    cameras=(CAMERA,),
    lights=(
        Light((-0.12, -0.10, -1.0), 0.45, shadow=True),
        Light((-1.0, -0.5, -1.0), 0.14),
        Light((1.0, 1.0, -1.0), 0.14),
    ),
    ambient=0.38,
    build=_build,
    surfaces=(Surface((-0.42, -0.10, -0.06, 0.46), COUNTER_HEIGHT),),
)
MOVE_NEAR_COUNTER = dataclasses.replace(
    COUNTER,
    mount=dataclasses.replace(COUNTER.mount, base=standing_at(0.35, 0.21, -0.09)),
)
