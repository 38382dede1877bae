"""The Google Robot of RT-1, its base standing still, as SIMPLER uses it.

Joint frames, limits, masses: ManiSkill2_real2sim@ef7a4d4, googlerobot_description, the URDF
``google_robot_meta_sim_fix_wheel_fix_fingertip``. Drives: SIMPLER's system identification
(simpler.md §2.4), force drives without friction. Shapes are this project's own: primitives drawn
to the size of the real parts. Base frame: x forward, y left, z up, origin between the wheels. The
head looks where it looks at SIMPLER's start and does not move.
"""

from __future__ import annotations

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

CONTROL_HZ = 3

ARM = (
    "joint_torso",
    "joint_shoulder",
    "joint_bicep",
    "joint_elbow",
    "joint_forearm",
    "joint_wrist",
    "joint_gripper",
)
DRIVES = {
    "joint_torso": Drive(1700.0, 1059.9791902443303),
    "joint_shoulder": Drive(1737.0471680861954, 1010.4720585373592),
    "joint_bicep": Drive(979.975871856535, 767.2803161582076),
    "joint_elbow": Drive(930.0, 680.0),
    "joint_forearm": Drive(1212.154500274304, 674.9946964336588),
    "joint_wrist": Drive(432.96500923932535, 274.613381336198),
    "joint_gripper": Drive(468.0013365498738, 340.532560578637),
}
# SIMPLER allows 60 N m, some 500 N at the pads, which would press a 20 g can 9 mm into a pad here.
# Saturated springs no longer centre what is held; so the fingers are mirrored.
FINGER_DRIVE = Drive(200.0, 8.0, limit=12.0)
FINGER_TRAVEL = (1.3, 0.0)  # rad, closed and open; the joint's own range is -0.0001 to 1.3
FINGER_TARGETS = (1.31, -0.0101)  # rad: SIMPLER clips drive targets 0.01 beyond the limits
FINGER_BEND = -1.15  # rad, at which the fingers are mounted
TIP_BEND = 0.45

TCP = (0.0043374896, 0.0018852949, 0.16353297)  # `link_gripper_tcp`, in link_gripper
TCP_TURN = (0.99999722, -0.00066540, -0.00221957, -0.00043580)  # of its rpy, w x y z

HEAD_PAN, HEAD_TILT = -0.00285961, 0.7851361  # rad, SIMPLER's start

MATERIALS = {
    "white": Material((0.80, 0.79, 0.77, 1.0), 0.5, 0.4),
    "grey": Material((0.40, 0.40, 0.41, 1.0), 0.4, 0.4),
    "dark": Material((0.12, 0.12, 0.12, 1.0), 0.3, 0.3),
    "rubber": Material((0.27, 0.26, 0.24, 1.0), 0.1, 0.1),
}


def _joint(name: str, axis: Vector, low: float, high: float) -> Joint:
    return Joint(name, axis, (low, high), DRIVES[name])


def _box(size: Vector, position: Vector, material: str = "grey") -> Shape:
    return Shape("box", size, position, material)


def _tube(size: Vector, position: Vector, along: str = "z", material: str = "white") -> Shape:
    """A cylinder; `size` is radius and half length."""
    return Shape("cylinder", size, position, material, along)


def _limb(size: Vector, position: Vector, along: str = "z") -> Shape:
    """A capsule; `size` is radius and half length."""
    return Shape("capsule", size, position, "white", along)


BASE = Link(
    name="link_base",
    parent="",
    position=(0.0, 0.0, 0.0),
    mass=52.9,
    com=(-0.1425, 0.0023, 0.1301),
    inertia=(2.783, 3.249, 1.336),
    joint=None,
    shapes=(
        _tube((0.20, 0.10), (-0.16, 0.0, 0.06)),
        _tube((0.0642, 0.0128), (0.0, 0.18333, 0.0), "y", "dark"),
        _tube((0.0642, 0.0128), (0.0, -0.18333, 0.0), "y", "dark"),
        _limb((0.075, 0.20), (0.0, 0.0, 0.35)),
        _limb((0.055, 0.26), (-0.015, 0.0, 0.86)),
    ),
)
HEAD_PAN_LINK = Link(
    name="link_head_pan",
    parent="link_base",
    position=(0.0, 0.0, 1.16902),
    quaternion=about_axis("z", HEAD_PAN),
    mass=0.963,
    com=(0.0164, -0.0006, 0.0869),
    inertia=(0.0020, 0.0028, 0.0024),
    joint=None,
    shapes=(_tube((0.056, 0.060), (0.0, 0.0, 0.060)),),
)
HEAD_TILT_LINK = Link(
    name="link_head_tilt",
    parent="link_head_pan",
    position=(0.07181, 0.0, 0.11848),
    quaternion=about_axis("y", HEAD_TILT),
    mass=0.879,
    com=(0.0728, -0.0030, 0.0013),
    inertia=(0.0034, 0.0016, 0.0041),
    joint=None,
    shapes=(_box((0.060, 0.108, 0.044), (0.030, 0.0, 0.0), "white"),),
)
TORSO = Link(
    name="link_torso",
    parent="link_base",
    position=(0.0, 0.0, 0.5945),
    mass=1.8957,
    com=(-0.0035, -0.0607, 0.1118),
    inertia=(0.0133, 0.0067, 0.0115),
    joint=_joint("joint_torso", (0, 0, 1), -4.49, 1.35),
    shapes=(
        _tube((0.077, 0.100), (0.0, 0.0, 0.105)),
        _tube((0.062, 0.045), (0.0, -0.120, 0.113), "y"),
    ),
)
SHOULDER = Link(
    name="link_shoulder",
    parent="link_torso",
    position=(0.0, -0.16728852885, 0.113),
    mass=1.8472,
    com=(0.0011, 0.0048, 0.1049),
    inertia=(0.0140, 0.0142, 0.0029),
    joint=_joint("joint_shoulder", (0, 1, 0), -2.66, 3.18),
    shapes=(
        _tube((0.064, 0.056), (0.0, 0.0, 0.0), "y"),
        _limb((0.056, 0.065), (0.0, 0.004, 0.085)),
        _tube((0.057, 0.010), (0.0, 0.0023, 0.207), "z", "grey"),
    ),
)
BICEP = Link(
    name="link_bicep",
    parent="link_shoulder",
    position=(0.0, 0.002289, 0.21502852885),
    mass=1.2474,
    com=(0.0004, -0.0211, 0.1352),
    inertia=(0.0070, 0.0069, 0.0019),
    joint=_joint("joint_bicep", (0, 0, 1), -2.13, 3.71),
    shapes=(
        _limb((0.055, 0.060), (0.0, -0.003, 0.110)),
        _tube((0.0515, 0.030), (0.0, -0.035, 0.185), "y"),
    ),
)
ELBOW = Link(
    name="link_elbow",
    parent="link_bicep",
    position=(0.0, -0.064, 0.1849715),
    mass=0.6464,
    com=(0.0017, -0.0766, 0.0367),
    inertia=(0.0018, 0.0012, 0.0013),
    joint=_joint("joint_elbow", (0, 1, 0), -2.05, 3.79),
    shapes=(
        _tube((0.0505, 0.012), (0.0, -0.012, 0.0), "y", "grey"),
        _limb((0.050, 0.013), (0.0, -0.0875, 0.0), "y"),
        _tube((0.050, 0.043), (0.0, -0.100, 0.045)),
    ),
)
FOREARM = Link(
    name="link_forearm",
    parent="link_elbow",
    position=(0.0, -0.101, 0.0915),
    mass=0.7244,
    com=(0.0, 0.0151, 0.1818),
    inertia=(0.0072, 0.0072, 0.0006),
    joint=_joint("joint_forearm", (0, 0, 1), -2.92, 2.92),
    shapes=(
        _tube((0.0455, 0.012), (0.0, 0.0, 0.012), "z", "grey"),
        _limb((0.0445, 0.080), (0.0, 0.0, 0.140)),
        _box((0.038, 0.020, 0.045), (0.0, 0.035, 0.265), "white"),
        Shape("capsule", (0.045, 0.105), (0.0, 0.0, 0.155), role="hull"),
    ),
)
WRIST = Link(
    name="link_wrist",
    parent="link_forearm",
    position=(0.0, -0.00604, 0.2735),
    mass=0.5019,
    com=(-0.0003, -0.0073, 0.0537),
    inertia=(0.0011, 0.0011, 0.0004),
    joint=_joint("joint_wrist", (0, 1, 0), -1.79, 1.79),
    shapes=(
        _tube((0.0385, 0.042), (0.0, 0.0, 0.0), "y"),
        _tube((0.0395, 0.045), (0.0, 0.003, 0.060)),
        Shape("cylinder", (0.040, 0.048), (0.0, 0.003, 0.062), role="hull"),
    ),
)
GRIPPER_BODY = Link(
    name="link_gripper",
    parent="link_wrist",
    position=(0.0, 0.0060384, 0.10911),
    mass=0.4051,
    com=(0.0004, 0.0001, 0.0379),
    inertia=(0.00029, 0.00026, 0.00031),
    joint=_joint("joint_gripper", (0, 0, 1), -4.49, 1.35),
    shapes=(
        _tube((0.040, 0.012), (0.0, 0.0, 0.014), "z", "grey"),
        _box((0.0385, 0.047, 0.022), (0.0, 0.0, 0.046)),
        Shape("box", (0.040, 0.048, 0.037), (0.0, 0.0, 0.038), role="hull"),
    ),
    casts_shadow=True,
)


def _finger(side: str, y: float, mounted: Vector) -> tuple[Link, Link]:
    """Finger and tip. The pad's inner face is 6.2 mm inwards of the tip's frame."""
    finger = Link(
        name=f"link_finger_{side}",
        parent="link_gripper",
        position=(0.0, y, 0.05861),
        quaternion=mounted,
        mass=0.0333,
        com=(0.0, 0.0004, 0.0372),
        inertia=(9.3e-6, 6.1e-6, 3.3e-6),
        joint=Joint(f"joint_finger_{side}", (1, 0, 0), (-0.0001, 1.3), FINGER_DRIVE),
        shapes=(
            _box((0.0210, 0.0145, 0.0220), (0.0, 0.0015, 0.0340)),
            _box((0.0235, 0.0090, 0.0140), (0.0, -0.0010, 0.0550)),
            Shape("box", (0.0235, 0.0150, 0.0245), (0.0, 0.0020, 0.0445), role="hull"),
        ),
        casts_shadow=True,
    )
    tip = Link(
        name=f"link_finger_tip_{side}",
        parent=finger.name,
        position=(0.0, -0.0103567, 0.0641557),
        quaternion=about_axis("x", TIP_BEND),
        mass=0.0162,
        com=(0.0, 0.0004, 0.0216),
        inertia=(1.066e-5, 1.147e-5, 1.78e-6),
        joint=None,
        shapes=(
            _box((0.0150, 0.0050, 0.0230), (0.0, 0.0045, 0.0210), "rubber"),
            Shape("box", (0.0195, 0.0045, 0.0205), (0.0, -0.0017, 0.0180), "rubber", role="pad"),
            _box((0.0075, 0.0012, 0.0016), (0.0, -0.0012, 0.0463), "dark"),
        ),
        casts_shadow=True,
    )
    return finger, tip


_HALF = FINGER_BEND / 2
LEFT = _finger("left", 0.025, about_axis("x", FINGER_BEND))
RIGHT = _finger("right", -0.025, (0.0, 0.0, math.sin(_HALF), math.cos(_HALF)))

GOOGLE_ROBOT = Robot(
    name="google_robot",
    links=(
        BASE,
        HEAD_PAN_LINK,
        HEAD_TILT_LINK,
        TORSO,
        SHOULDER,
        BICEP,
        ELBOW,
        FOREARM,
        WRIST,
        GRIPPER_BODY,
        *RIGHT,
        *LEFT,
    ),
    materials=MATERIALS,
    arm=ARM,
    gripper=Gripper(
        fingers=tuple(
            Finger(finger.name, f"joint_finger_{side}", (0.0, 1.0, 0.0), tip.name)
            for side, (finger, tip) in (("right", RIGHT), ("left", LEFT))
        ),
        closed=FINGER_TARGETS[0],
        opened=FINGER_TARGETS[1],
        travel=FINGER_TRAVEL,
        mirrored=True,
    ),
    tcp_link="link_gripper",
    tcp_position=TCP,
    tcp_quaternion=TCP_TURN,
    control_hz=CONTROL_HZ,
)
