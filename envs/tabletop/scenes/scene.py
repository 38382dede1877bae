"""What a scene is, and the parts that scenes are made of.

World frame: x towards the robot, z up, metres; SIMPLER's, so that its numbers apply as they are.
A scene knows no task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np

from vla_bench.envs.tabletop.controllers import Controller
from vla_bench.envs.tabletop.geometry import Pose, Vector, matrix, multiply, quaternion_of
from vla_bench.envs.tabletop.objects.builder import Paint, Solid, add_paint
from vla_bench.envs.tabletop.robots.build import COLLISION_GROUP, KINDS, VISIBLE_GROUP
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.protocols import FloatArray, Image

# A camera looks along its own +x with +z up; MuJoCo's looks along -z with +y up.
TO_MUJOCO_CAMERA = quaternion_of(np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
# Against objects (0.5) this is the mean that PhysX takes of SIMPLER's 1.0 and 0.5.
SURFACE_FRICTION = [0.75, 0.02, 0.0005]


Dresser = Callable[[Any, Robot], None]  # gives a robot that is in an MjSpec another look


@dataclass(frozen=True)
class Mount:
    """Where the robot's base stands, its joints at the start (arm, then fingers), its law.

    `dress` is what the scene itself gives it to wear; None: its shapes, or what the look asks for.
    """

    robot: Robot
    base: Pose
    home: Vector
    controller: Callable[[Any, Robot], Controller]
    dress: Dresser | None = None


@dataclass(frozen=True)
class Camera:
    """A pinhole fixed to the robot's base: x forward, y left, z up, as in SIMPLER.

    `size` (width, height) pixels and `focal` (pixels) fix the field of view; images are rendered
    straight at the policy's resolution, which squashes them as resizing would. `principal`: how
    far the optical axis lies left of and above the middle of the image, pixels.
    """

    name: str
    pose: Pose
    size: tuple[int, int]
    focal: float
    principal: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Light:
    """A directional light, `color` per channel."""

    direction: Vector
    color: float
    shadow: bool = False


@dataclass(frozen=True)
class Surface:
    """Where things may be put: `area` is x low, x high, y low, y high of their frames, m."""

    area: tuple[float, float, float, float]
    height: float


@dataclass(frozen=True)
class Scene:
    """Furniture, lights, cameras and the robot's place; `floor` catches what falls.

    Attributes:
        photo: Makes the picture (height, width, 3) that is seen wherever neither robot nor object
            is; None: what is built is seen.
        surfaces: Where variations may put objects, so that they neither hang over an edge nor
            keep the arm from its work.
        repaint: Part of the furniture (``worktop``, ``backdrop`` …) -> paint instead of its own;
            one of alpha 0 takes it out of sight.
        drawer_mass: Factor of the masses of drawers.
    """

    name: str
    mount: Mount
    cameras: tuple[Camera, ...]
    lights: tuple[Light, ...]
    ambient: float
    build: Callable[[Furniture], None]
    surfaces: tuple[Surface, ...] = ()
    repaint: Mapping[str, Paint] = field(default_factory=dict)
    photo: Callable[[], Image] | None = None
    drawer_mass: float = 1.0


@dataclass(frozen=True)
class Slide:
    """How a drawer slides out along its x: `mass` kg, `travel` m, `damping` N s/m, `friction` N."""

    mass: float
    travel: float
    damping: float
    friction: float


class Furniture:
    """Adds geometry to an MjSpec that stands still, or that moves as one drawer."""

    def __init__(self, spec: Any, scene: Scene, body: Any = None) -> None:
        self._spec, self._scene = spec, scene
        self._body = spec.worldbody if body is None else body
        self._n_paints = 0

    def paint(self, paint: Paint, part: str = "") -> str:
        """Register a surface; returns the name to pass to `add`. A `part` may be repainted."""
        self._n_paints += 1
        name = f"furniture_{self._n_paints}"
        return add_paint(self._spec, name, self._scene.repaint.get(part, paint))

    def repainted(self, part: str, otherwise: str) -> str:
        """The surface of a `part` that may be repainted; unless it is, the one `otherwise`."""
        if part not in self._scene.repaint:
            return otherwise
        return add_paint(self._spec, f"furniture_{part}", self._scene.repaint[part])

    def drawer(self, name: str, position: Vector, slide: Slide) -> Furniture:
        """A body and joint called `name` that slides out along x from `position`."""
        part = self.part(name, position)
        body = part._body
        mass = self._scene.drawer_mass * slide.mass
        body.explicitinertial, body.mass = True, mass
        body.inertia = [mass * 0.05] * 3  # of no consequence: it never turns
        joint = body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[1, 0, 0])
        joint.range = [0.0, slide.travel]
        joint.damping = [slide.damping, 0.0, 0.0]
        joint.frictionloss = slide.friction
        return part

    def part(self, name: str, position: Vector = (0.0, 0.0, 0.0)) -> Furniture:
        """A body called `name`, fixed to this one, whose contacts can be told from others'."""
        body = self._body.add_body(name=name, pos=list(position))
        return Furniture(self._spec, self._scene, body)

    def add(self, solid: Solid, paint: str, solid_for_objects: bool = True) -> None:
        """Add a drawn shape; objects and the robot bump into it unless told otherwise."""
        geom = self._geom(solid, solid_for_objects)
        geom.group, geom.material = VISIBLE_GROUP, paint

    def barrier(self, solid: Solid) -> None:
        """Add a shape that is felt but not seen."""
        self._geom(solid, collides=True).group = COLLISION_GROUP

    def barrier_hull(self, name: str, points: FloatArray) -> None:
        """As `barrier`, the convex hull of `points` (n, 3), m."""
        mesh = self._spec.add_mesh(name=name)
        mesh.uservert = points.astype(np.float32).ravel().tolist()
        geom = self._body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, density=0.0)
        self._touch(geom, collides=True).group = COLLISION_GROUP

    def _geom(self, solid: Solid, collides: bool) -> Any:
        size = [*solid.size, 0.0, 0.0][:3]
        kinds = {**KINDS, "plane": mujoco.mjtGeom.mjGEOM_PLANE}
        geom = self._body.add_geom(type=kinds[solid.kind], size=size, density=0.0)
        geom.pos, geom.quat = list(solid.position), list(solid.quaternion)
        return self._touch(geom, collides)

    def _touch(self, geom: Any, collides: bool) -> Any:
        geom.contype, geom.conaffinity = 0, 3 if collides else 0
        geom.condim, geom.friction = 4, SURFACE_FRICTION
        geom.castshadow = False  # a third of a shadow's cost, and large faces show its grain
        geom.solref, geom.solimp = [0.006, 1.0], [0.95, 0.99, 0.001, 0.5, 2.0]
        return geom


def mount_camera(camera: Camera, base: Pose) -> Pose:
    """MuJoCo's pose in the world of `camera` on a robot whose base is at `base`."""
    position = np.array(base.position) + matrix(base.quaternion) @ np.array(camera.pose.position)
    looking = multiply(base.quaternion, camera.pose.quaternion)
    return Pose(tuple(position.tolist()), tuple(multiply(looking, TO_MUJOCO_CAMERA).tolist()))


def add_camera(spec: Any, camera: Camera, base: Pose) -> None:
    """Add `camera`, mounted on a robot whose base is at `base`."""
    mounted = mount_camera(camera, base)
    added = spec.worldbody.add_camera(name=camera.name, pos=list(mounted.position))
    added.quat = list(mounted.quaternion)
    added.resolution = list(camera.size)
    added.sensor_size = [pixels * 1e-5 for pixels in camera.size]  # 10 um pixels
    added.focal_pixel = [camera.focal, camera.focal]
    added.principal_pixel = list(camera.principal)


def add_lights(spec: Any, scene: Scene) -> None:
    """Add the scene's lights and its ambient light."""
    spec.visual.headlight.ambient = [scene.ambient] * 3
    spec.visual.headlight.diffuse = [0.0] * 3
    spec.visual.headlight.specular = [0.0] * 3
    for light in scene.lights:
        added = spec.worldbody.add_light(dir=list(light.direction), castshadow=light.shadow)
        added.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        added.pos = [-0.16, 0.1, 2.0]
        added.diffuse, added.specular = [light.color] * 3, [0.3 * light.color] * 3
        added.ambient = [0.0] * 3
