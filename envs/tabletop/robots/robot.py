"""What a robot is, as data: links, drives, gripper. A new robot is one module of numbers.

Knows no scene, no task and no controller; `build.py` makes MuJoCo bodies of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vla_bench.envs.tabletop.geometry import Vector


@dataclass(frozen=True)
class Drive:
    """A PD position drive: N m/rad and N m s/rad, or N/m and N s/m for a slide.

    SIMPLER's force limits act on the spring less the damper, which nearly cancel in free motion;
    MuJoCo can limit only the spring (`limit`, N m or N), which slows an arm by millimetres per
    step. So arms have none.
    """

    stiffness: float
    damping: float
    limit: float | None = None


@dataclass(frozen=True)
class Joint:
    """`axis` in the link's frame; `limits` rad, or m for a `slide`."""

    name: str
    axis: Vector
    limits: tuple[float, float]
    drive: Drive
    slide: bool = False


@dataclass(frozen=True)
class Shape:
    """A primitive on a link.

    Attributes:
        size: Half sizes of a box, m; radius and half length of a cylinder or capsule.
        along: Which link axis a cylinder's or capsule's axis follows.
        role: ``visual`` (drawn only), ``hull`` (collides, not drawn), ``pad`` (both; grips).
    """

    kind: str
    size: Vector
    position: Vector = (0.0, 0.0, 0.0)
    material: str = ""
    along: str = "z"
    role: str = "visual"


@dataclass(frozen=True)
class Link:
    """A rigid body: `position` and `quaternion` of its frame in its parent's, inertia about `com`.

    `casts_shadow` where it helps to judge depth: each caster is drawn a second time.
    """

    name: str
    parent: str
    position: Vector
    mass: float
    com: Vector
    inertia: Vector
    joint: Joint | None
    shapes: tuple[Shape, ...]
    casts_shadow: bool = False
    quaternion: Vector = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Material:
    rgba: Vector
    specular: float = 0.3
    shininess: float = 0.4


@dataclass(frozen=True)
class Finger:
    """`opening` is the direction, in the finger link's frame, in which it moves away.

    `tip` is a second link, fixed to it, whose `opening` is the same in its own frame.
    """

    link: str
    joint: str
    opening: Vector
    tip: str | None = None


@dataclass(frozen=True)
class Gripper:
    """Two fingers.

    Attributes:
        closed, opened: Extreme drive targets.
        travel: What joints reach, closed first.
        mirrored: Whether a linkage keeps both joints at the same position.
    """

    fingers: tuple[Finger, ...]
    closed: float
    opened: float
    travel: tuple[float, float]
    mirrored: bool = False


@dataclass(frozen=True)
class Robot:
    """A robot as data.

    Attributes:
        arm: Names of the joints that the IK moves, base to tip.
        posture: Of a redundant arm, the angles, rad, near which the IK keeps it; None: it drifts.
    """

    name: str
    links: tuple[Link, ...]
    materials: Mapping[str, Material] = field(hash=False)  # a dict has no hash
    arm: tuple[str, ...]
    gripper: Gripper
    tcp_link: str
    tcp_position: Vector
    control_hz: int
    tcp_quaternion: Vector = (1.0, 0.0, 0.0, 0.0)
    posture: Vector | None = None
