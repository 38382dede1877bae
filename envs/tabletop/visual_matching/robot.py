"""The WidowX in the meshes of SIMPLER's URDF; bodies, masses, drives and contacts stay ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mujoco
import numpy as np
from PIL import Image as PillowImage

from vla_bench.assets import asset
from vla_bench.envs.tabletop.geometry import matrix, quaternion_of
from vla_bench.envs.tabletop.objects.builder import add_paint
from vla_bench.envs.tabletop.objects.paint import Paint
from vla_bench.envs.tabletop.robots.build import COLLISION_GROUP, VISIBLE_GROUP
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.protocols import FloatArray

FOLDER = "mani_skill2_real2sim/assets/descriptions/widowx_description"
MATERIAL = "simpler_widowx"
SPECULAR, SHININESS = 0.1, 0.3  # chosen so that faces are as bright as in SIMPLER's own picture


@dataclass(frozen=True, eq=False)
class Visual:
    """A mesh file on a link: `to_link` (4, 4) places it, after `scale` per axis."""

    link: str
    file: Path
    to_link: FloatArray
    scale: list[float]

    def placed(self, to_other: FloatArray) -> Visual:
        """The same, on a link to which `to_other` leads."""
        return replace(self, to_link=to_other @ self.to_link)


def dress_widowx(spec: Any, robot: Robot) -> None:
    """Hide the shapes of `robot` in an MjSpec and hang SIMPLER's meshes on its links instead.

    Links of the URDF that the robot lacks belong to the nearest link above that it has.
    """
    urdf = asset("simpler", f"{FOLDER}/wx250s.urdf")
    tree = ElementTree.parse(urdf).getroot()
    ours = {link.name for link in robot.links}
    parents = _parents(tree)
    for link in ours:
        for geom in spec.body(link).geoms:
            geom.group = COLLISION_GROUP
    add_paint(spec, MATERIAL, Paint(_mean_color(), specular=SPECULAR, shininess=SHININESS))
    for number, visual in enumerate(_visuals(tree)):
        link, to_link = _carrier(visual.link, parents, ours)
        _hang(spec, spec.body(link), f"{MATERIAL}_{number}", visual.placed(to_link))


def require_widowx() -> None:
    """Raises MissingDependencyError unless the URDF and all it draws are there."""
    list(_visuals(ElementTree.parse(asset("simpler", f"{FOLDER}/wx250s.urdf")).getroot()))
    _mean_color()


def _hang(spec: Any, body: Any, name: str, visual: Visual) -> None:
    mesh = spec.add_mesh(name=name, file=str(visual.file), scale=visual.scale)
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # it weighs nothing, and may be thin
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, material=MATERIAL)
    geom.pos = visual.to_link[:3, 3].tolist()
    geom.quat = quaternion_of(visual.to_link[:3, :3]).tolist()
    geom.group, geom.density = VISIBLE_GROUP, 0.0
    geom.contype = geom.conaffinity = 0
    geom.castshadow = False


def _mean_color() -> tuple[float, ...]:
    """The meshes have no texture coordinates: all that is seen of their texture is one colour."""
    with PillowImage.open(asset("simpler", f"{FOLDER}/interbotix_black.png")) as image:
        rgb = np.asarray(image.convert("RGB"), float).reshape(-1, 3).mean(axis=0) / 255.0
    return (*rgb.tolist(), 1.0)


def _visuals(tree: ElementTree.Element) -> Iterator[Visual]:
    for link in tree.iter("link"):
        for visual in link.findall("visual"):
            mesh = visual.find("geometry/mesh")
            assert mesh is not None, "the URDF at the pinned commit draws meshes only"
            scale = [float(value) for value in mesh.get("scale", "1 1 1").split()]
            file = asset("simpler", f"{FOLDER}/{mesh.get('filename')}")
            yield Visual(link.get("name", ""), file, _origin(visual.find("origin")), scale)


def _parents(tree: ElementTree.Element) -> Mapping[str, tuple[str, FloatArray]]:
    """Link -> its parent and where it is in it, (4, 4), with every joint at zero."""
    parents = {}
    for joint in tree.findall("joint"):
        parent, child = joint.find("parent"), joint.find("child")
        assert parent is not None, "a URDF joint has one"
        assert child is not None, "a URDF joint has one"
        origin = _origin(joint.find("origin"))
        parents[child.get("link", "")] = (parent.get("link", ""), origin)
    return parents


def _carrier(
    link: str, parents: Mapping[str, tuple[str, FloatArray]], ours: set[str]
) -> tuple[str, FloatArray]:
    """The nearest of `ours` at or above `link`, and where `link` is in it, (4, 4)."""
    to_carrier: FloatArray = np.eye(4)
    while link not in ours:
        link, origin = parents[link]
        to_carrier = origin @ to_carrier
    return link, to_carrier


def _origin(element: ElementTree.Element | None) -> FloatArray:
    """A URDF ``origin`` as (4, 4): roll, pitch, yaw about fixed x, y, z."""
    placed: FloatArray = np.eye(4)
    if element is not None:
        roll, pitch, yaw = (float(value) / 2 for value in element.get("rpy", "0 0 0").split())
        turns = [(yaw, 3), (pitch, 2), (roll, 1)]
        for half, axis in turns:
            quaternion = np.array([np.cos(half), 0.0, 0.0, 0.0])
            quaternion[axis] = np.sin(half)
            placed[:3, :3] = placed[:3, :3] @ matrix(quaternion)
        placed[:3, 3] = [float(value) for value in element.get("xyz", "0 0 0").split()]
    return placed
