"""From a `Robot` to MuJoCo bodies, joints, drives and geoms.

Contact bits, everywhere in the suite: robots 1/0, objects 2/3, static geometry 0/3 (contype /
conaffinity). Robots touch objects and the scene but not themselves; finger pads are the exception
and get an explicit pair.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import mujoco

from vla_bench.envs.tabletop.geometry import Pose, about_axis
from vla_bench.envs.tabletop.robots.robot import Link, Robot, Shape

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
    "x": about_axis("y", math.pi / 2),
    "y": about_axis("x", math.pi / 2),
}


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
        body.quat = list(link.quaternion)
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
    if robot.gripper.mirrored:
        _mirror(spec, *(finger.joint for finger in robot.gripper.fingers))
    tcp = bodies[robot.tcp_link].add_site(name="tcp", pos=list(robot.tcp_position))
    tcp.quat = list(robot.tcp_quaternion)


def _mirror(spec: Any, joint: str, other: str) -> None:
    equality = spec.add_equality(type=mujoco.mjtEq.mjEQ_JOINT, name1=joint, name2=other)
    equality.objtype = mujoco.mjtObj.mjOBJ_JOINT
    equality.data[:5] = [0.0, 1.0, 0.0, 0.0, 0.0]
    equality.solref = [0.01, 1.0]


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
    if drive.limit is not None:
        actuator.forcerange = [-drive.limit, drive.limit]


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
