"""Robots in the meshes of SIMPLER's URDFs; bodies, masses, drives and contacts stay ours."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from vla_bench.assets import asset
from vla_bench.envs.tabletop.geometry import Pose, matrix, quaternion_of
from vla_bench.envs.tabletop.objects.builder import add_paint
from vla_bench.envs.tabletop.objects.paint import Paint
from vla_bench.envs.tabletop.robots.dress import hang, hide_shapes
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.envs.tabletop.visual_matching.convert import read_texture
from vla_bench.protocols import FloatArray

DESCRIPTIONS = "mani_skill2_real2sim/assets/descriptions"
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

    @property
    def pose(self) -> Pose:
        """`to_link` as position and quaternion."""
        turn = quaternion_of(self.to_link[:3, :3])
        return Pose(tuple(self.to_link[:3, 3].tolist()), tuple(turn.tolist()))


@dataclass(frozen=True)
class Surface:
    """The texture that an OBJ's material names; of it only the mean where the OBJ has no uv."""

    file: Path
    has_uv: bool

    @functools.cache  # noqa: B019 - as many as there are files
    def paint(self) -> Paint:
        texture = read_texture(self.file)
        if self.has_uv:
            return Paint(texture=texture, specular=SPECULAR, shininess=SHININESS)
        mean = (texture.reshape(-1, 3).mean(axis=0) / 255.0).tolist()
        return Paint((*mean, 1.0), specular=SPECULAR, shininess=SHININESS)


@dataclass(frozen=True)
class Dress:
    """The visible meshes of one URDF in ``DESCRIPTIONS``/`folder`.

    `unseen` are links that no camera of the suite sees, drawn not at all: those of GLB files,
    which MuJoCo cannot read, and the head, in which the camera sits.
    """

    folder: str
    urdf: str
    unseen: frozenset[str] = frozenset()

    def require(self) -> None:
        """Raises MissingDependencyError unless the URDF and all it draws are there."""
        for visual in self._visuals():
            _surface(visual.file).paint()

    def __call__(self, spec: Any, robot: Robot) -> None:
        """Hide the shapes of `robot` in an MjSpec and hang the meshes on its links instead.

        Links of the URDF that the robot lacks belong to the nearest link above that it has.
        """
        ours = {link.name for link in robot.links}
        hide_shapes(spec, robot)
        parents = _parents(self._tree())
        materials: dict[Surface, str] = {}
        for number, visual in enumerate(self._visuals()):
            link, to_link = _carrier(visual.link, parents, ours)
            surface, name = _surface(visual.file), f"simpler_{robot.name}_{number}"
            if surface not in materials:
                materials[surface] = add_paint(spec, name, surface.paint())
            mesh = spec.add_mesh(name=name, file=str(visual.file), scale=visual.scale)
            hung = hang(spec.body(link), mesh, visual.placed(to_link).pose)
            hung.material = materials[surface]

    def _tree(self) -> ElementTree.Element:
        return ElementTree.parse(asset("simpler", f"{self._folder}/{self.urdf}")).getroot()

    @property
    def _folder(self) -> str:
        return f"{DESCRIPTIONS}/{self.folder}"

    def _visuals(self) -> Iterator[Visual]:
        for link in self._tree().iter("link"):
            if link.get("name") in self.unseen:
                continue
            for visual in link.findall("visual"):
                mesh = visual.find("geometry/mesh")
                assert mesh is not None, "the URDFs at the pinned commit draw meshes only"
                scale = [float(value) for value in mesh.get("scale", "1 1 1").split()]
                file = asset("simpler", f"{self._folder}/{mesh.get('filename')}")
                yield Visual(link.get("name", ""), file, _origin(visual.find("origin")), scale)


DRESS_WIDOWX = Dress("widowx_description", "wx250s.urdf")
UNSEEN = frozenset(
    {
        "link_base",
        "link_wheel_left",
        "link_wheel_right",
        "link_rear_wheel_left",
        "link_rear_wheel_right",
        "link_head_pan",
        "link_head_tilt",
    }
)


def _google_robot(recolored: str) -> Dress:
    urdf = f"google_robot_meta_sim_fix_wheel_fix_fingertip{recolored}.urdf"
    return Dress("googlerobot_description", urdf, UNSEEN)


DRESS_GOOGLE_ROBOT = _google_robot("")
ARM_COLORS = {  # SIMPLER's four, each a URDF with textures of its own
    "default": DRESS_GOOGLE_ROBOT,
    "tabletop_1": _google_robot("_recolor_tabletop_visual_matching_1"),
    "tabletop_2": _google_robot("_recolor_tabletop_visual_matching_2"),
    "cabinet_1": _google_robot("_recolor_cabinet_visual_matching_1"),
}


@functools.cache
def _surface(obj: Path) -> Surface:
    lines = obj.read_text().splitlines()
    named = [line.split(maxsplit=1)[1] for line in lines if line.startswith("mtllib ")]
    material = obj.with_name(named[0].strip()).read_text().splitlines()
    maps = [line.split(maxsplit=1)[1] for line in material if line.startswith("map_Kd ")]
    has_uv = any(line.startswith("vt ") for line in lines)
    return Surface((obj.parent / maps[0].strip()).resolve(), has_uv)


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
