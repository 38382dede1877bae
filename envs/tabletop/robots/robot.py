"""What a robot is: links, drives, gripper, as data; `add_robot` turns it into MuJoCo bodies.

A new robot is one module of numbers beside this one. Knows no scene, no task and no controller.

Contact bits, everywhere in the suite: robots 1/0, objects 2/3, static geometry 0/3 (contype /
conaffinity). Robots touch objects and the scene but not themselves; finger pads are the exception
and get an explicit pair.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco

from vla_bench.envs.tabletop.geometry import Pose, Vector, about_axis

VISIBLE_GROUP = 1
COLLISION_GROUP = 3  # not drawn
KINDS = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
}
ALONG = {
    "z": (1.0, 0.0, 0.0, 0.0),
    "x": about_axis("y", 1.5707963267948966),
    "y": about_axis("x", 1.5707963267948966),
}


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


def add_robot(spec: Any, robot: Robot, base: Pose) -> None:
    """Add the bodies, drives and the site ``tcp`` of `robot` to an MjSpec, standing at `base`."""
    spec.compiler.degree = False
    for name, material in robot.materials.items():
        added = spec.add_material(name=_material(robot, name), rgba=list(material.rgba))
        added.specular, added.shininess = material.specular, material.shininess
    bodies: dict[str, Any] = {"": spec.worldbody}
    pads = []
    for link in robot.links:
        body = bodies[link.parent].add_body(name=link.name, pos=list(link.position), gravcomp=1.0)
        if not link.parent:
            body.pos, body.quat = list(base.position), list(base.quaternion)
        bodies[link.name] = body
        _add_inertia_and_joint(spec, body, link)
        for number, shape in enumerate(link.shapes):
            geom = _add_shape(body, shape, _material(robot, shape.material))
            geom.castshadow = link.casts_shadow
            if shape.role == "pad":
                geom.name = f"{link.name}_pad{number}"
                pads.append((link.name, geom.name))
    for (link_a, a), (link_b, b) in itertools.combinations(pads, 2):
        if link_a != link_b:
            spec.add_pair(geomname1=a, geomname2=b, condim=1)
    bodies[robot.tcp_link].add_site(name="tcp", pos=list(robot.tcp_position))


def _material(robot: Robot, name: str) -> str:
    return f"{robot.name}_{name}" if name else ""


def _add_inertia_and_joint(spec: Any, body: Any, link: Link) -> None:
    body.explicitinertial = True
    body.mass, body.ipos, body.inertia = link.mass, list(link.com), list(link.inertia)
    if link.joint is None:
        return
    joint, drive = link.joint, link.joint.drive
    kind = mujoco.mjtJoint.mjJNT_SLIDE if joint.slide else mujoco.mjtJoint.mjJNT_HINGE
    added = body.add_joint(name=joint.name, type=kind, axis=list(joint.axis))
    added.range = list(joint.limits)
    added.damping = [drive.damping, 0.0, 0.0]
    actuator = spec.add_actuator(
        name=joint.name, target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT
    )
    actuator.set_to_position(kp=drive.stiffness)


def _add_shape(body: Any, shape: Shape, material: str) -> Any:
    visible = shape.role != "hull"
    geom = body.add_geom(
        type=KINDS[shape.kind],
        size=[*shape.size, 0.0, 0.0][:3],
        pos=list(shape.position),
        quat=list(ALONG[shape.along]),
        group=VISIBLE_GROUP if visible else COLLISION_GROUP,
        contype=0 if shape.role == "visual" else 1,
        conaffinity=0,
        density=0.0,
    )
    geom.material = material
    if shape.role == "pad":
        _grip(geom)
    return geom


def _grip(geom: Any) -> None:
    """SIMPLER's finger friction of 2.0 (simpler.md §2.3) wins over the object's by priority.

    Torsional friction stands for SIMPLER's 1 cm patch; stiffness was swept for slip and ejections.
    """
    geom.friction = [2.0, 0.05, 0.001]
    geom.condim, geom.priority = 4, 1
    geom.solref, geom.solimp = [0.006, 1.0], [0.95, 0.99, 0.001, 0.5, 2.0]
