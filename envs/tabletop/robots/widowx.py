"""The WidowX 250s with 6 degrees of freedom, as the Bridge data and SIMPLER use it.

Joint frames, limits, masses: Trossen's wx250s URDF as in ManiSkill2_real2sim@ef7a4d4. Drives,
travel and targets of the gripper: SIMPLER's system identification (simpler.md §2.3), force drives
without friction. Shapes are this project's own: primitives drawn to the size of the real parts.
Base frame: x forward, y left, z up, origin on the table under the waist.
"""

from vla_bench.envs.tabletop.geometry import Vector
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

CONTROL_HZ = 5

ARM = ("waist", "shoulder", "elbow", "forearm_roll", "wrist_angle", "wrist_rotate")

DRIVES = {
    "waist": Drive(1169.7891719504198, 330.0),
    "shoulder": Drive(730.0, 180.0),
    "elbow": Drive(808.4601346394447, 152.12036565582588),
    "forearm_roll": Drive(1229.1299089624076, 309.6215302722146),
    "wrist_angle": Drive(1272.2760456418862, 201.04998711007383),
    "wrist_rotate": Drive(1056.3326605132252, 269.51458932695414),
}
FINGER_DRIVE = Drive(1000.0, 200.0)
FINGER_TRAVEL = (0.015, 0.037)  # m
FINGER_TARGETS = (0.014, 0.038)  # m, closed and open

TCP = (0.093575, 0.0, 0.0)  # `ee_gripper_link`, in gripper_link

MATERIALS = {
    "black": Material((0.19, 0.19, 0.20, 1.0), 0.55, 0.35),
    "grey": Material((0.30, 0.30, 0.32, 1.0), 0.6, 0.5),
    "rubber": Material((0.11, 0.11, 0.115, 1.0), 0.15, 0.1),
}


def _box(size: Vector, position: Vector = (0.0, 0.0, 0.0), role: str = "visual") -> Shape:
    return Shape("box", size, position, "black" if role == "visual" else "", role=role)


def _tube(
    radius: float, half_length: float, position: Vector, along: str, material: str = "grey"
) -> Shape:
    return Shape("cylinder", (radius, half_length), position, material, along)


def _joint(name: str, axis: Vector, low: float, high: float) -> Joint:
    return Joint(name, axis, (low, high), DRIVES[name])


BASE = Link(
    name="base_link",
    parent="",
    position=(0.0, 0.0, 0.0),
    mass=0.539,
    com=(-0.038, 0.0, 0.019),
    inertia=(0.0007, 0.0021, 0.0025),
    joint=None,
    shapes=(
        _box((0.080, 0.056, 0.006), (-0.077, 0.0, 0.006)),
        _tube(0.0765, 0.008, (0.0, 0.0, 0.008), "z", "black"),
        _tube(0.052, 0.021, (0.0, 0.0, 0.037), "z", "black"),
        _box((0.045, 0.034, 0.017), (-0.105, 0.0, 0.027)),
        _tube(0.047, 0.007, (0.0, 0.0, 0.065), "z"),
        Shape("box", (0.116, 0.076, 0.035), (-0.04, 0.0, 0.036), role="hull"),
    ),
)
SHOULDER = Link(
    name="shoulder_link",
    parent="base_link",
    position=(0.0, 0.0, 0.072),
    mass=0.481,
    com=(0.0, 0.0, 0.0066),
    inertia=(0.00056, 0.00038, 0.00059),
    joint=_joint("waist", (0, 0, 1), -3.141592653589793, 3.141592653589793),
    shapes=(
        _tube(0.051, 0.005, (0.0, 0.0, 0.002), "z", "black"),
        _box((0.014, 0.050, 0.010), (0.0, 0.0, 0.014)),
        _box((0.014, 0.006, 0.020), (0.0, 0.044, 0.030)),
        _box((0.014, 0.006, 0.020), (0.0, -0.044, 0.030)),
    ),
)
UPPER_ARM = Link(
    name="upper_arm_link",
    parent="shoulder_link",
    position=(0.0, 0.0, 0.03865),
    mass=0.431,
    com=(0.017, 0.0, 0.191),
    inertia=(0.0036, 0.0035, 0.0005),
    joint=_joint("shoulder", (0, 1, 0), -1.8849555921538759, 1.9896753472735358),
    shapes=(
        _tube(0.0165, 0.054, (0.0, 0.0, 0.0), "y"),
        _box((0.0142, 0.036, 0.020), (0.0, 0.0, 0.014)),
        _box((0.0095, 0.0105, 0.095), (0.0, 0.016, 0.125)),
        _box((0.0095, 0.0105, 0.095), (0.0, -0.016, 0.125)),
        _box((0.0135, 0.048, 0.018), (0.006, 0.0, 0.228)),
        _box((0.030, 0.030, 0.014), (0.025, 0.0, 0.251)),
        _tube(0.0165, 0.054, (0.04975, 0.0, 0.25), "y"),
    ),
)
UPPER_FOREARM = Link(
    name="upper_forearm_link",
    parent="upper_arm_link",
    position=(0.04975, 0.0, 0.25),
    mass=0.235,
    com=(0.108, 0.0, 0.0),
    inertia=(0.00004, 0.00089, 0.00089),
    joint=_joint("elbow", (0, 1, 0), -2.1467549799530254, 1.6057029118347832),
    shapes=(
        _box((0.020, 0.030, 0.0145), (0.006, 0.0, 0.0)),
        _tube(0.0145, 0.068, (0.084, 0.0, 0.0), "x", "black"),
        _tube(0.0212, 0.012, (0.163, 0.0, 0.0), "x"),
        Shape("capsule", (0.02, 0.065), (0.095, 0.0, 0.0), along="x", role="hull"),
    ),
)
LOWER_FOREARM = Link(
    name="lower_forearm_link",
    parent="upper_forearm_link",
    position=(0.175, 0.0, 0.0),
    mass=0.221,
    com=(0.037, -0.005, 0.0),
    inertia=(0.00006, 0.00017, 0.00018),
    joint=_joint("forearm_roll", (1, 0, 0), -3.141582653589793, 3.141582653589793),
    shapes=(
        _tube(0.0245, 0.006, (0.001, 0.0, 0.0), "x", "black"),
        _box((0.019, 0.024, 0.017), (0.024, -0.010, 0.0)),
        _box((0.022, 0.005, 0.016), (0.060, 0.019, 0.0)),
        _box((0.022, 0.005, 0.016), (0.060, -0.019, 0.0)),
    ),
)
WRIST = Link(
    name="wrist_link",
    parent="lower_forearm_link",
    position=(0.075, 0.0, 0.0),
    mass=0.085,
    com=(0.042, 0.0, 0.0106),
    inertia=(0.000028, 0.000031, 0.000032),
    joint=_joint("wrist_angle", (0, 1, 0), -1.7453292519943295, 2.1467549799530254),
    shapes=(
        _tube(0.0125, 0.0225, (0.0, 0.0, 0.0), "y"),
        _box((0.018, 0.0215, 0.012), (0.018, 0.0, 0.002)),
        _box((0.017, 0.0215, 0.016), (0.042, 0.0, 0.015)),
        _tube(0.0205, 0.005, (0.060, 0.0, 0.004), "x", "black"),
    ),
)
GRIPPER_BODY = Link(
    name="gripper_link",
    parent="wrist_link",
    position=(0.065, 0.0, 0.0),
    mass=0.115,
    com=(0.027, 0.0, 0.009),
    inertia=(0.00006, 0.00005, 0.00005),
    joint=_joint("wrist_rotate", (1, 0, 0), -3.141582653589793, 3.141582653589793),
    shapes=(
        _box((0.0215, 0.0195, 0.019), (0.0215, 0.0, 0.0)),
        _box((0.0205, 0.0145, 0.009), (0.022, 0.0, 0.026)),
        _box((0.0025, 0.045, 0.0115), (0.0455, 0.0, 0.003)),
        _box((0.0035, 0.022, 0.016), (0.0450, 0.0, 0.018)),
        _box((0.0120, 0.0515, 0.0050), (0.0590, 0.0, 0.0)),
        _tube(0.018, 0.0025, (0.0495, 0.0, 0.0), "x"),
        Shape("box", (0.022, 0.020, 0.025), (0.0215, 0.0, 0.006), role="hull"),
        Shape("box", (0.013, 0.0515, 0.0135), (0.0565, 0.0, 0.0), role="hull"),
    ),
    casts_shadow=True,
)


def _finger(side: str, sign: float) -> Link:
    """`sign` +1 left, -1 right. The pad's inner face is 9 mm inwards of the joint's position."""
    return Link(
        name=f"{side}_finger_link",
        parent="gripper_link",
        position=(0.066, 0.0, 0.0),
        mass=0.016,
        com=(0.0138, 0.0, 0.0),
        inertia=(4.7e-6, 4.7e-6, 3.7e-6),
        joint=Joint(f"{side}_finger", (0.0, sign, 0.0), FINGER_TRAVEL, FINGER_DRIVE, slide=True),
        shapes=(
            _box((0.0110, 0.0075, 0.0135), (0.001, -0.0025 * sign, 0.0)),
            _box((0.0120, 0.0045, 0.0110), (0.021, -0.0015 * sign, 0.0)),
            _box((0.0050, 0.0025, 0.0100), (0.037, -0.0030 * sign, 0.0)),
            Shape(
                "box",
                (0.0216, 0.0025, 0.0135),
                (0.0216, -0.0065 * sign, 0.0),
                "rubber",
                role="pad",
            ),
        ),
        casts_shadow=True,
    )


WIDOWX = Robot(
    name="widowx",
    links=(
        BASE,
        SHOULDER,
        UPPER_ARM,
        UPPER_FOREARM,
        LOWER_FOREARM,
        WRIST,
        GRIPPER_BODY,
        _finger("left", 1.0),
        _finger("right", -1.0),
    ),
    materials=MATERIALS,
    arm=ARM,
    gripper=Gripper(
        fingers=(
            Finger("left_finger_link", "left_finger", (0.0, 1.0, 0.0)),
            Finger("right_finger_link", "right_finger", (0.0, -1.0, 0.0)),
        ),
        closed=FINGER_TARGETS[0],
        opened=FINGER_TARGETS[1],
        travel=FINGER_TRAVEL,
    ),
    tcp_link="gripper_link",
    tcp_position=TCP,
    control_hz=CONTROL_HZ,
)
