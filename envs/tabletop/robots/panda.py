"""The Franka Emika Panda with its two-finger hand, as in the Franka-Tabletop and DROID setups.

Joint frames and limits: the Denavit-Hartenberg table and limits in Franka's control interface
documentation. Masses and inertias: the published identification (Gaz et al., RA-L 2019), rounded.
Arm drives: ManiSkill2's for this arm, 1000 N m/rad and 100 N m s/rad, which lag by 0.1 s; a step
response of the real setups is not published. Shapes are this project's own: primitives drawn to
the size of the real parts. Base frame: x forward, y left, z up, origin on the mounting plate.
"""

from __future__ import annotations

import dataclasses
import math

from vla_bench.envs.tabletop.geometry import Vector, about_axis
from vla_bench.envs.tabletop.robots.robot import (
    Drive,
    Finger,
    Gripper,
    Joint,
    Link,
    Material,
    Robot,
    Shape,
)

TABLETOP_HZ = 5  # arXiv:2406.09246v3 §5.2, both non-blocking
DROID_HZ = 15

ARM = tuple(f"panda_joint{number}" for number in range(1, 8))
LIMITS = (  # rad
    (-2.8973, 2.8973),
    (-1.7628, 1.7628),
    (-2.8973, 2.8973),
    (-3.0718, -0.0698),
    (-2.8973, 2.8973),
    (-0.0175, 3.7525),
    (-2.8973, 2.8973),
)
ARM_DRIVE = Drive(1000.0, 100.0)
# The hand holds with a constant force: a stiff spring that saturates.
FINGER_DRIVE = Drive(5000.0, 200.0, limit=30.0)
FINGER_TRAVEL = (0.0, 0.04)  # m, each finger
POSTURE = (0.0, 0.2, 0.0, -2.1, 0.0, 2.3, math.pi / 4)  # the hand points down

TCP = (0.0, 0.0, 0.1034)  # in panda_hand: between the finger pads; z leaves the hand

FORWARD, BACK = about_axis("x", math.pi / 2), about_axis("x", -math.pi / 2)

MATERIALS = {
    "white": Material((0.90, 0.90, 0.91, 1.0), 0.4, 0.4),
    "grey": Material((0.45, 0.46, 0.48, 1.0), 0.4, 0.4),
    "dark": Material((0.15, 0.15, 0.16, 1.0), 0.3, 0.3),
}


def _ball(radius: float, half_length: float, position: Vector, along: str = "z") -> Shape:
    return Shape("capsule", (radius, half_length), position, "white", along)


def _tube(size: Vector, position: Vector, along: str = "z", material: str = "grey") -> Shape:
    """A cylinder; `size` is radius and half length."""
    return Shape("cylinder", size, position, material, along)


def _box(size: Vector, position: Vector, material: str = "white") -> Shape:
    return Shape("box", size, position, material)


def _joint(number: int) -> Joint:
    return Joint(ARM[number - 1], (0.0, 0.0, 1.0), LIMITS[number - 1], ARM_DRIVE)


BASE = Link(
    name="panda_link0",
    parent="",
    position=(0.0, 0.0, 0.0),
    mass=2.9,
    com=(-0.041, 0.0, 0.05),
    inertia=(0.005, 0.008, 0.009),
    joint=None,
    shapes=(
        _box((0.075, 0.085, 0.020), (-0.055, 0.0, 0.020)),
        _tube((0.088, 0.030), (0.0, 0.0, 0.030), "z", "white"),
        _ball(0.064, 0.040, (0.0, 0.0, 0.090)),
        Shape("box", (0.11, 0.085, 0.07), (-0.03, 0.0, 0.07), role="hull"),
    ),
)
LINK1 = Link(
    name="panda_link1",
    parent=BASE.name,
    position=(0.0, 0.0, 0.333),
    mass=4.97,
    com=(0.0039, 0.0021, -0.0476),
    inertia=(0.030, 0.030, 0.009),
    joint=_joint(1),
    shapes=(
        _ball(0.060, 0.050, (0.0, 0.0, -0.110)),
        _tube((0.059, 0.056), (0.0, 0.0, 0.0), "y", "white"),
        _tube((0.061, 0.006), (0.0, 0.0, -0.185)),
    ),
)
LINK2 = Link(
    name="panda_link2",
    parent=LINK1.name,
    position=(0.0, 0.0, 0.0),
    quaternion=BACK,
    mass=0.65,
    com=(-0.0031, -0.0287, 0.0035),
    inertia=(0.008, 0.028, 0.026),
    joint=_joint(2),
    shapes=(
        _tube((0.060, 0.060), (0.0, 0.0, 0.0), "z", "white"),
        _tube((0.050, 0.062), (0.0, 0.0, 0.0)),
        _ball(0.058, 0.060, (0.0, -0.100, 0.0), "y"),
    ),
)
LINK3 = Link(
    name="panda_link3",
    parent=LINK2.name,
    position=(0.0, -0.316, 0.0),
    quaternion=FORWARD,
    mass=3.23,
    com=(0.0275, 0.0392, -0.0665),
    inertia=(0.037, 0.036, 0.011),
    joint=_joint(3),
    shapes=(
        _ball(0.056, 0.035, (0.0, 0.0, -0.095)),
        _tube((0.058, 0.006), (0.0, 0.0, -0.150)),
        _tube((0.056, 0.052), (0.0825, 0.0, 0.0), "y", "white"),
        _box((0.040, 0.046, 0.040), (0.035, 0.0, -0.010)),
    ),
)
LINK4 = Link(
    name="panda_link4",
    parent=LINK3.name,
    position=(0.0825, 0.0, 0.0),
    quaternion=FORWARD,
    mass=3.59,
    com=(-0.0532, 0.1044, 0.0275),
    inertia=(0.026, 0.020, 0.028),
    joint=_joint(4),
    shapes=(
        _tube((0.055, 0.056), (0.0, 0.0, 0.0), "z", "white"),
        _tube((0.046, 0.058), (0.0, 0.0, 0.0)),
        _box((0.046, 0.046, 0.044), (-0.045, 0.045, 0.0)),
        _ball(0.052, 0.030, (-0.0825, 0.090, 0.0), "y"),
    ),
)
LINK5 = Link(
    name="panda_link5",
    parent=LINK4.name,
    position=(-0.0825, 0.384, 0.0),
    quaternion=BACK,
    mass=1.23,
    com=(-0.012, 0.041, -0.0385),
    inertia=(0.036, 0.029, 0.009),
    joint=_joint(5),
    shapes=(
        _ball(0.051, 0.055, (0.0, 0.0, -0.205)),
        _tube((0.053, 0.006), (0.0, 0.0, -0.255)),
        _ball(0.044, 0.070, (0.0, 0.045, -0.085)),
        _tube((0.050, 0.058), (0.0, 0.0, 0.0), "y", "white"),
        Shape("capsule", (0.058, 0.10), (0.0, 0.020, -0.110), role="hull"),
    ),
)
LINK6 = Link(
    name="panda_link6",
    parent=LINK5.name,
    position=(0.0, 0.0, 0.0),
    quaternion=FORWARD,
    mass=1.67,
    com=(0.0601, -0.0141, -0.0105),
    inertia=(0.004, 0.0044, 0.0054),
    joint=_joint(6),
    shapes=(
        _tube((0.049, 0.052), (0.0, 0.0, 0.0), "z", "white"),
        _tube((0.040, 0.054), (0.0, 0.0, 0.0)),
        _ball(0.046, 0.030, (0.055, 0.0, 0.0), "x"),
    ),
)
LINK7 = Link(
    name="panda_link7",
    parent=LINK6.name,
    position=(0.088, 0.0, 0.0),
    quaternion=FORWARD,
    mass=0.74,
    com=(0.0105, -0.0043, 0.0616),
    inertia=(0.0125, 0.010, 0.0048),
    joint=_joint(7),
    shapes=(
        _ball(0.046, 0.020, (0.0, 0.0, 0.040)),
        _tube((0.044, 0.010), (0.0, 0.0, 0.092)),
        Shape("cylinder", (0.046, 0.060), (0.0, 0.0, 0.047), role="hull"),
    ),
)
HAND = Link(
    name="panda_hand",
    parent=LINK7.name,
    position=(0.0, 0.0, 0.107),
    quaternion=about_axis("z", -math.pi / 4),
    mass=0.73,
    com=(-0.01, 0.0, 0.03),
    inertia=(0.0025, 0.001, 0.0017),
    joint=None,
    shapes=(
        _box((0.020, 0.100, 0.020), (0.0, 0.0, 0.036)),
        _box((0.016, 0.098, 0.005), (0.0, 0.0, 0.060), "grey"),
        _tube((0.032, 0.010), (0.0, 0.0, 0.008)),
        Shape("box", (0.020, 0.100, 0.030), (0.0, 0.0, 0.034), role="hull"),
    ),
    casts_shadow=True,
)


def _finger(side: str, sign: float) -> Link:
    """`sign` +1 left, -1 right. The pads' faces meet at the joints' zero."""
    return Link(
        name=f"panda_{side}finger",
        parent=HAND.name,
        position=(0.0, 0.0, 0.0584),
        mass=0.03,
        com=(0.0, 0.0145 * sign, 0.0227),
        inertia=(8.0e-6, 8.0e-6, 4.0e-6),
        joint=Joint(
            f"panda_finger_{side}", (0.0, sign, 0.0), FINGER_TRAVEL, FINGER_DRIVE, slide=True
        ),
        shapes=(
            _box((0.0100, 0.0080, 0.0120), (0.0, 0.0140 * sign, 0.0110)),
            _box((0.0100, 0.0045, 0.0190), (0.0, 0.0140 * sign, 0.0330)),
            Shape(
                "box", (0.0088, 0.0055, 0.0115), (0.0, 0.0055 * sign, 0.0423), "dark", role="pad"
            ),
            Shape("box", (0.0100, 0.0050, 0.0190), (0.0, 0.0150 * sign, 0.0330), role="hull"),
        ),
        casts_shadow=True,
    )


PANDA = Robot(
    name="panda",
    links=(
        BASE,
        LINK1,
        LINK2,
        LINK3,
        LINK4,
        LINK5,
        LINK6,
        LINK7,
        HAND,
        _finger("left", 1.0),
        _finger("right", -1.0),
    ),
    materials=MATERIALS,
    arm=ARM,
    gripper=Gripper(
        fingers=(
            Finger("panda_leftfinger", "panda_finger_left", (0.0, 1.0, 0.0)),
            Finger("panda_rightfinger", "panda_finger_right", (0.0, -1.0, 0.0)),
        ),
        closed=FINGER_TRAVEL[0],
        opened=FINGER_TRAVEL[1],
        travel=FINGER_TRAVEL,
        mirrored=True,
    ),
    tcp_link=HAND.name,
    tcp_position=TCP,
    control_hz=TABLETOP_HZ,
    posture=POSTURE,
)
DROID_PANDA = dataclasses.replace(PANDA, control_hz=DROID_HZ)
