"""A robot in the meshes that MuJoCo Menagerie publishes, through its package `mujoco-menagerie`.

Nothing of theirs is in this repository: the package downloads a robot's folder when it is first
asked for and checks it, or reads the checkout that MENAGERIE_ROOT names. Of a folder only what is
drawn is taken. Knows no particular robot.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, Vector, matrix, multiply
from vla_bench.envs.tabletop.robots.dress import hang, hide_shapes
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.errors import MissingDependencyError

INSTALL = (
    "look=meshes needs the package mujoco-menagerie: python -m pip install 'vla-bench[meshes]'. "
    "Without it: look=default"
)
HERE = Pose((0.0, 0.0, 0.0))
RGB = mujoco.mjtTextureRole.mjTEXROLE_RGB


@dataclass(frozen=True)
class Seat:
    """A link of ours, and where on it something of theirs is: `pose`, in the link's frame."""

    link: str
    pose: Pose = HERE


@dataclass(frozen=True)
class MeshDress:
    """What the Menagerie draws of `robot`.

    Attributes:
        folder, entry: Their names of the robot and of the file that has it alone.
        bodies: Their body -> where its frame is.
        meshes: Their mesh -> where it is itself, when that is not where they draw it.
        paints: Their material -> the one of `robot` whose tints it takes.
    """

    robot: Robot
    folder: str
    entry: str
    bodies: Mapping[str, Seat]
    meshes: Mapping[str, Seat] = field(default_factory=dict)
    paints: Mapping[str, str] = field(default_factory=dict)

    def require(self) -> None:
        """Raises MissingDependencyError, with what to type, unless all that is drawn is here.

        Downloads it where it is not.
        """
        menagerie = package()
        try:
            menagerie.get(self.folder).files(self.entry)
        except (menagerie.MenagerieError, OSError) as error:
            raise MissingDependencyError(
                f"look=meshes needs the meshes of {self.folder}, but: {error}. Where there is a "
                f"network, type: mujoco-menagerie prefetch {self.folder}. Or name a checkout of "
                "google-deepmind/mujoco_menagerie: export MENAGERIE_ROOT=FOLDER. Without meshes: "
                "look=default"
            ) from error
        seen = {geom.parent.name for geom in _visuals(self._theirs())}
        if seen != set(self.bodies):
            raise MissingDependencyError(
                f"look=meshes expected {self.folder} to draw {sorted(self.bodies)}, got "
                f"{sorted(seen)}. Use another version of mujoco-menagerie, or look=default"
            )

    @property
    def source(self) -> str:
        """Which files these are: the id of the Menagerie's folder as git has it."""
        menagerie = package()
        found = menagerie.get(self.folder)
        where = "MENAGERIE_ROOT" if menagerie.Cache().root else found.oid[:16]
        return f"{self.folder} of mujoco_menagerie, {where}"

    def __call__(self, spec: Any, robot: Robot) -> None:
        """Hide the shapes of `robot`, maybe tinted, in an MjSpec; hang the meshes on its links."""
        hide_shapes(spec, robot)
        theirs = self._theirs()
        for texture in theirs.textures:
            file = Path(theirs.modelfiledir, theirs.texturedir, texture.file)
            spec.add_texture(name=_ours(texture.name), type=texture.type, file=str(file))
        for material in theirs.materials:
            self._add_material(spec, material, robot)
        shadows = {link.name: link.casts_shadow for link in robot.links}
        for geom in _visuals(theirs):
            seat = self.meshes.get(geom.meshname) or self._seat(geom)
            mesh = _add_mesh(spec, theirs, theirs.mesh(geom.meshname))
            hung = hang(spec.body(seat.link), mesh, seat.pose)
            hung.material, hung.castshadow = _ours(geom.material), shadows[seat.link]

    def _theirs(self) -> Any:
        """Their robot as an MjSpec that is not compiled: no mesh is read."""
        return package().get(self.folder).spec(self.entry)

    def _seat(self, geom: Any) -> Seat:
        """Where one of their geoms is by where its body is."""
        seat = self.bodies[geom.parent.name]
        frame = seat.pose
        position = frame.position + matrix(frame.quaternion) @ geom.pos
        turn = multiply(frame.quaternion, geom.quat / np.linalg.norm(geom.quat))
        return Seat(seat.link, Pose(tuple(position.tolist()), tuple(turn.tolist())))

    def _add_material(self, spec: Any, material: Any, robot: Robot) -> None:
        added = spec.add_material(name=_ours(material.name))
        added.rgba = (material.rgba * self._tint(material.name, robot)).tolist()
        added.specular, added.shininess = material.specular, material.shininess
        if material.textures[RGB]:
            added.textures[RGB] = _ours(material.textures[RGB])

    def _tint(self, material: str, robot: Robot) -> Vector:
        """By what `robot` multiplies the colours that `self.robot` has."""
        if material not in self.paints:
            return (1.0, 1.0, 1.0, 1.0)
        name = self.paints[material]
        new, old = robot.materials[name].rgba, self.robot.materials[name].rgba
        return tuple(a / b for a, b in zip(new, old, strict=True))


def package() -> Any:
    """The module `mujoco_menagerie`. Raises MissingDependencyError with what to type."""
    try:
        return importlib.import_module("mujoco_menagerie")
    except ImportError as error:
        raise MissingDependencyError(INSTALL) from error


def _visuals(theirs: Any) -> Iterator[Any]:
    """Meshes that touch nothing."""
    for geom in theirs.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH and not geom.contype and not geom.conaffinity:
            yield geom


def _add_mesh(spec: Any, theirs: Any, mesh: Any) -> Any:
    """Their mesh in our MjSpec, once however often it is drawn."""
    name = _ours(mesh.name)
    file = Path(theirs.modelfiledir, theirs.meshdir, mesh.file)
    return spec.mesh(name) or spec.add_mesh(name=name, file=str(file), scale=mesh.scale.tolist())


def _ours(name: str) -> str:
    return f"menagerie_{name}"
