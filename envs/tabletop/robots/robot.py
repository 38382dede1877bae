"""What a robot is, as data: links, drives, gripper. A new robot is one module of numbers.

Knows no scene, no task and no controller; `build.py` makes MuJoCo bodies of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vla_bench.envs.tabletop.geometry import Vector


@dataclass(frozen=True)
class Drive:
    """A PD position drive: N m/rad and N m s/rad, or N/m and N s/m for a slide.

    SIMPLER's force limits act on the spring less the damper, which nearly cancel in free motion;
    MuJoCo can limit only the spring, which slows the arm by millimetres per step. So: no limit.
    """

    stiffness: float
    damping: float


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
    """A rigid body: `position` of its frame in its parent's (no rotation), inertia about `com`.

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


@dataclass(frozen=True)
class Material:
    rgba: Vector
    specular: float = 0.3
    shininess: float = 0.4


@dataclass(frozen=True)
class Finger:
    """`opening` is the direction, in the finger link's frame, in which it moves away."""

    link: str
    joint: str
    opening: Vector


@dataclass(frozen=True)
class Gripper:
    """`closed` and `opened`: drive targets at gripper_open 0 and 1; `travel`: what joints reach."""

    fingers: tuple[Finger, ...]
    closed: float
    opened: float
    travel: tuple[float, float]


@dataclass(frozen=True)
class Robot:
    """A robot as data; `arm` names the joints that the IK moves, base to tip."""

    name: str
    links: tuple[Link, ...]
    materials: Mapping[str, Material]
    arm: tuple[str, ...]
    gripper: Gripper
    tcp_link: str
    tcp_position: Vector
    control_hz: int
