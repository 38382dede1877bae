"""How an object gets into a model: what is drawn, what collides, and how it rests.

An object's factory only says shapes; size and colour variations act here, for every object alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import mujoco
import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, Vector, matrix
from vla_bench.envs.tabletop.objects.mesh import Mesh
from vla_bench.envs.tabletop.objects.paint import Paint, Solid
from vla_bench.envs.tabletop.objects.specimen import (
    USUAL,
    Specimen,
    local_factors,
    recolored,
    shaded,
    stretched,
)
from vla_bench.envs.tabletop.robots.build import COLLISION_GROUP, KINDS, VISIBLE_GROUP
from vla_bench.protocols import FloatArray

__all__ = ["Hinge", "ObjectBuilder", "Paint", "Solid", "TabletopObject", "add_object", "add_paint"]

# A shadow map of 512 speckles the surface that casts: so a smaller core, hidden inside, casts.
CORE = 0.85
SLIDING, TORSIONAL = 0.5, 0.02  # sliding as in SIMPLER; a pair of bodies takes the larger ones
ROLLING = 0.0005  # m, of what is round and would not stay where it lies
GLOW = 50.0  # of emission, against at most about one of light that falls on a surface
OVER_THE_FINGERS = 2  # contact priority: the fingers have 1, all else 0


@dataclass(frozen=True)
class TabletopObject:
    """A kind of object.

    Attributes:
        kind: Its name in the suite, e.g. ``carrot``.
        extents: Sizes x y z of SIMPLER's bounding box, metres; success rules are computed from
            them, literally (simpler.md §2.8).
        rest: Its frame where it lies still, relative to the spawn point on the surface, yaw 0.
        build: Adds its shapes to a body.
        rolling_friction: m; 0: it needs none to stay where it lies.
        fixed: Whether it stands immovable where it is spawned.
        specimen: How this one differs from the others of its kind.
    """

    kind: str
    extents: Vector
    rest: Pose
    build: Callable[[ObjectBuilder], None]
    rolling_friction: float = 0.0
    fixed: bool = False
    specimen: Specimen = USUAL

    @cached_property
    def footprint(self) -> tuple[float, float]:
        """Length and width, m, of its box as it lies, seen from above at yaw 0."""
        length, width, _ = (np.abs(matrix(self.rest.quaternion)) @ self.extents).tolist()
        return length, width

    def made(self, specimen: Specimen) -> TabletopObject:
        """The same kind as another `specimen`; its box and its rest are stretched with it."""
        factors = np.array(specimen.stretch)
        extents = tuple((factors * self.extents).tolist())
        rest = Pose(tuple((factors * self.rest.position).tolist()), self.rest.quaternion)
        return replace(self, extents=extents, rest=rest, specimen=specimen)


@dataclass(frozen=True)
class Hinge:
    """A spring, N m/rad, towards the straight position and a damper, N m s/rad."""

    stiffness: float
    damping: float


class ObjectBuilder:
    """Adds shapes to one body of an MjSpec, in the object's own frame."""

    def __init__(self, spec: Any, body: Any, kind: TabletopObject) -> None:
        self._spec, self._body, self._kind = spec, body, kind
        self._specimen = kind.specimen
        self._main: Paint | None = None  # of what was drawn first
        self._n_parts = 0

    def draw(self, solid: Solid, paint: Paint) -> None:
        """Add something that is seen but touches nothing."""
        material = self._add_paint(paint)
        self._show(self._add(solid), material)
        if paint.casts_shadow:
            core = replace(solid, size=tuple(CORE * length for length in solid.size))
            self._show(self._add(core), material, casts_shadow=True)

    def draw_mesh(self, mesh: Mesh, paint: Paint, pose: Pose | None = None) -> None:
        """Add a mesh that is seen but touches nothing; to cast a shadow, it is star-shaped."""
        material = self._add_paint(paint)
        where = pose or Pose((0.0, 0.0, 0.0))
        self._show(self._add_mesh(mesh, where), material)
        if paint.casts_shadow:
            self._show(self._add_mesh(mesh.scaled(CORE), where), material, casts_shadow=True)

    def collide(self, solid: Solid, mass: float) -> None:
        """Add something that touches and weighs (`mass` kg) but is not seen."""
        self._feel(self._add(solid), mass)

    def collide_hull(self, points: FloatArray, mass: float) -> None:
        """As `collide`, the convex hull of `points` (n, 3) in the object's frame, m."""
        nothing = np.zeros((0, 3), np.int32)
        hull = Mesh(points, nothing, np.zeros((0, 2)))
        self._feel(self._add_mesh(hull, Pose((0.0, 0.0, 0.0))), mass)

    def _feel(self, geom: Any, mass: float) -> None:
        geom.mass, geom.group = mass * self._specimen.mass, COLLISION_GROUP
        geom.contype, geom.conaffinity = 2, 3
        rolling = self._kind.rolling_friction
        geom.condim, sliding = 6 if rolling else 4, SLIDING
        geom.solref, geom.solimp = [0.006, 1.0], [0.95, 0.99, 0.001, 0.5, 2.0]
        if self._specimen.friction is not None:
            sliding, geom.priority = self._specimen.friction, OVER_THE_FINGERS
        geom.friction = [sliding, TORSIONAL, rolling]

    def hinged(self, name: str, position: Vector, hinge: Hinge) -> ObjectBuilder:
        """Adds to a further body ``{this}_{name}``, on a hinge along this one's y at `position`.

        Object poses, and most rules, speak of the first body alone.
        """
        at = np.multiply(position, self._specimen.stretch).tolist()
        body = self._body.add_body(name=f"{self._body.name}_{name}", pos=at)
        joint = body.add_joint(type=mujoco.mjtJoint.mjJNT_HINGE, axis=[0.0, 1.0, 0.0])
        joint.stiffness = [hinge.stiffness, 0.0, 0.0]
        joint.damping = [hinge.damping, 0.0, 0.0]
        return ObjectBuilder(self._spec, body, self._kind)

    def _add(self, solid: Solid) -> Any:
        solid = stretched(solid, self._specimen.stretch)
        size = [*solid.size, 0.0, 0.0][:3]
        geom = self._body.add_geom(type=KINDS[solid.kind], size=size)
        geom.pos, geom.quat = list(solid.position), list(solid.quaternion)
        return geom

    def _add_mesh(self, mesh: Mesh, pose: Pose) -> Any:
        name, factors = self._next_name(), self._specimen.stretch
        if factors != (1.0, 1.0, 1.0):
            mesh = mesh.scaled(local_factors(pose.quaternion, factors))
            pose = Pose(tuple((np.array(pose.position) * factors).tolist()), pose.quaternion)
        added = self._spec.add_mesh(name=name)
        added.uservert = mesh.vertices.astype(np.float32).ravel().tolist()
        added.userface = mesh.faces.ravel().tolist()
        added.usertexcoord = mesh.uv.astype(np.float32).ravel().tolist()
        added.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
        geom = self._body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name)
        geom.pos, geom.quat = list(pose.position), list(pose.quaternion)
        return geom

    def _show(self, geom: Any, material: str, casts_shadow: bool = False) -> None:
        geom.contype = geom.conaffinity = 0
        geom.density, geom.group = 0.0, VISIBLE_GROUP
        geom.material, geom.castshadow = material, casts_shadow

    def _add_paint(self, paint: Paint) -> str:
        self._main = self._main or paint
        is_main = paint.rgba == self._main.rgba and paint.texture is self._main.texture
        if self._specimen.color is not None and is_main:
            paint = recolored(paint, self._specimen.color)
        if self._specimen.brightness != 1.0:
            paint = shaded(paint, self._specimen.brightness)
        return add_paint(self._spec, self._next_name(), paint)

    def _next_name(self) -> str:
        self._n_parts += 1
        return f"{self._body.name}_{self._n_parts}"


def add_object(spec: Any, kind: TabletopObject, name: str) -> None:
    """Add a body called `name`; unless the kind is fixed, with a joint ``{name}_free``."""
    body = spec.worldbody.add_body(name=name)
    if not kind.fixed:
        body.add_freejoint(name=f"{name}_free")
    kind.build(ObjectBuilder(spec, body, kind))


def add_paint(spec: Any, name: str, paint: Paint) -> str:
    """Add a material, and its texture, called `name`; returns `name`."""
    material = spec.add_material(name=name, rgba=list(paint.rgba))
    material.specular, material.shininess = paint.specular, paint.shininess
    if paint.glowing:
        *rgb, alpha = paint.rgba
        material.emission, material.rgba = GLOW, [*(value / GLOW for value in rgb), alpha]
    if paint.texture is not None:
        texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D)
        texture.height, texture.width, texture.nchannel = paint.texture.shape
        texture.data = paint.texture.tobytes()
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        material.texrepeat = list(paint.repeat)
    return name
