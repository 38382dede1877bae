"""Tables before a Franka Panda: plain, under a cloth, and the dark desk of a DROID setup.

Two of the OpenVLA paper's conditions are cloths (arXiv:2406.09246v3 Appendix B.3.1). Places,
sizes, colours and cameras are this project's: the paper shows its setups but gives no numbers.
The camera faces the robot; left and right are meant as it sees them.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, about_axis, quaternion_of
from vla_bench.envs.tabletop.interpolated import InterpolatedPoseController
from vla_bench.envs.tabletop.objects.builder import Paint, Solid
from vla_bench.envs.tabletop.objects.textures import speckle, weave, wood
from vla_bench.envs.tabletop.robots.panda import DROID_PANDA, FINGER_TRAVEL, PANDA, POSTURE
from vla_bench.envs.tabletop.scenes.scene import (
    Camera,
    Furniture,
    Light,
    Mount,
    Scene,
    Surface,
)

TABLE_HEIGHT = 0.87  # m
BASE = (0.39, 0.0)  # m, where the robot stands; it looks along world -x
HOME = (*POSTURE, FINGER_TRAVEL[1], FINGER_TRAVEL[1])
WOOD, BROWN, WHITE = (190, 158, 118), (104, 70, 44), (222, 220, 214)


def seen_from(eye: tuple[float, float, float], target: tuple[float, float, float]) -> Pose:
    """A camera at `eye` that looks at `target`, level; both in the robot's base frame, m."""
    forward = np.subtract(target, eye)
    forward = forward / np.linalg.norm(forward)
    left = np.cross((0.0, 0.0, 1.0), forward)
    left = left / np.linalg.norm(left)
    rotation = np.stack([forward, left, np.cross(forward, left)], axis=1)
    return Pose(eye, tuple(quaternion_of(rotation).tolist()))


FRONT = Camera("front_camera", seen_from((1.20, 0.0, 0.62), (0.47, 0.0, 0.11)), (640, 480), 660.0)
SIDE = Camera(
    "exterior_camera", seen_from((0.95, -0.52, 0.50), (0.45, 0.0, 0.06)), (640, 480), 600.0
)


def _build_table(furniture: Furniture) -> None:
    _add_room(furniture)
    top = furniture.paint(Paint(texture=wood(WOOD), specular=0.1), part="worktop")
    furniture.add(Solid("box", (0.50, 0.75, 0.02), (0.05, 0.0, TABLE_HEIGHT - 0.02)), top)


def _build_desk(furniture: Furniture) -> None:
    """A narrow desk on wheels, its edge profile in grey."""
    _add_room(furniture)
    dark = Paint(texture=speckle((58, 58, 60), 3.0), specular=0.2)
    top = furniture.paint(dark, part="worktop")
    furniture.add(Solid("box", (0.40, 0.60, 0.015), (0.02, 0.0, TABLE_HEIGHT - 0.015)), top)
    grey = furniture.paint(Paint((0.55, 0.56, 0.58, 1.0), specular=0.5))
    for y in (-0.45, 0.45):
        furniture.add(Solid("box", (0.30, 0.03, 0.40), (0.05, y, 0.44)), grey)


def _add_room(furniture: Furniture) -> None:
    plaster = Paint(texture=speckle((188, 190, 192)), specular=0.0)
    wall = furniture.paint(plaster, part="backdrop")
    furniture.add(Solid("box", (0.02, 2.5, 1.3), (1.25, 0.0, 1.3)), wall)
    furniture.add(Solid("box", (2.0, 0.02, 1.3), (0.0, -1.6, 1.3)), wall)
    furniture.add(Solid("box", (2.0, 0.02, 1.3), (0.0, 1.6, 1.3)), wall)
    floor = furniture.paint(Paint(texture=speckle((120, 118, 116), 8.0), repeat=(8.0, 8.0)))
    furniture.add(Solid("plane", (3.0, 3.0, 0.1)), floor)
    shelf = furniture.paint(Paint((0.28, 0.30, 0.34, 1.0)))
    furniture.add(Solid("box", (0.15, 0.5, 0.55), (1.05, 0.75, 0.55)), shelf)


PLAIN_TABLE = Scene(
    name="franka_table",
    mount=Mount(
        PANDA,
        Pose((*BASE, TABLE_HEIGHT), about_axis("z", np.pi)),
        HOME,
        InterpolatedPoseController,
    ),
    cameras=(FRONT,),
    lights=(Light((0.10, 0.12, -1.0), 0.45, shadow=True), Light((1.0, -0.5, -0.8), 0.18)),
    ambient=0.42,
    build=_build_table,
    surfaces=(Surface((-0.26, 0.02, -0.25, 0.25), TABLE_HEIGHT),),
)
BROWN_TABLECLOTH = dataclasses.replace(
    PLAIN_TABLE,
    name="franka_brown_tablecloth",
    repaint={"worktop": Paint(texture=weave(BROWN), repeat=(5.0, 5.0), specular=0.0)},
)
WHITE_TABLECLOTH = dataclasses.replace(
    PLAIN_TABLE,
    name="franka_white_tablecloth",
    repaint={"worktop": Paint(texture=weave(WHITE, depth=10.0), repeat=(5.0, 5.0), specular=0.0)},
)
DROID_DESK = dataclasses.replace(
    PLAIN_TABLE,
    name="droid_desk",
    mount=dataclasses.replace(PLAIN_TABLE.mount, robot=DROID_PANDA),
    cameras=(SIDE,),
    build=_build_desk,
)
