"""One compiled scene with its robot and objects: state, motion, contacts; knows no success rule."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from vla_bench.envs.tabletop.contacts import contact_impulses, is_pushed_apart, is_touch
from vla_bench.envs.tabletop.geometry import Pose, Vector, matrix, multiply, quaternion_of
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.physics import compile_model, n_substeps
from vla_bench.envs.tabletop.renderer import Look, Renderer
from vla_bench.envs.tabletop.scenes.scene import Scene, mount_camera
from vla_bench.errors import EnvError
from vla_bench.protocols import FloatArray, Image

SETTLE_SECONDS = 1.0
SETTLE_MORE_SECONDS = 1.5  # SIMPLER's, when something still moves
HALF_TURN = 1e-6  # w of a quaternion, below which it counts as one
STILL = (1e-3, 1e-2)  # m/s, rad/s, summed over objects (simpler.md §2.1)
ROBOT = "robot"  # in a layout: where the base stands
DRAWER = "_drawer"  # how the joints of drawers end

# After these MuJoCo resets the state by itself and goes on.
BROKEN = tuple(
    getattr(mujoco.mjtWarning, f"mjWARN_BAD{quantity}") for quantity in ("QPOS", "QVEL", "QACC")
)


class World:
    """The simulator's side of one task; every quantity in the world frame unless it says base."""

    def __init__(self, scene: Scene, objects: Mapping[str, TabletopObject], look: Look) -> None:
        self.scene, self.objects = scene, objects
        self.robot = scene.mount.robot
        self.model = compile_model(scene, objects, look)
        self.data = mujoco.MjData(self.model)
        self.controller = scene.mount.controller(self.model, self.robot)
        self._renderer: Renderer | None = None
        self._stands = scene.mount.base
        self._base = np.array(scene.mount.base.position)
        self._base_rotation = matrix(scene.mount.base.quaternion)
        self._bodies = {name: self.model.body(name).id for name in objects}
        self._robot_bodies = {self.model.body(link.name).id for link in self.robot.links}
        fingers = self.robot.gripper.fingers
        self._fingers = [
            ([self.model.body(link).id for link in (f.link, f.tip) if link], np.array(f.opening))
            for f in fingers
        ]
        self._finger_qpos = [self.model.joint(f.joint).qposadr[0] for f in fingers]
        self._arm_qpos = [self.model.joint(name).qposadr[0] for name in self.robot.arm]
        joints = (*self.robot.arm, *(f.joint for f in fingers))
        self._robot_dofs = [self.model.joint(name).dofadr[0] for name in joints]
        self._tcp = self.model.site("tcp").id

    def reset(self, spawns: Mapping[str, Pose], home: Vector | None = None) -> None:
        """Robot at home, each object at rest where `spawns` (x, y, height of support; yaw) says.

        `spawns` may also place the base (``robot``) and open a drawer, by its x in metres. `home`
        has the joints of arm and fingers, the mount's if None. A function of its arguments alone,
        whatever happened before.
        """
        mujoco.mj_resetData(self.model, self.data)
        self._stand(spawns.get(ROBOT, self.scene.mount.base))
        self._home(self.scene.mount.home)
        for name, spawn in spawns.items():
            if name in self.objects:
                self._place(name, spawn)
            elif name != ROBOT:
                self.data.qpos[self.model.joint(name).qposadr[0]] = spawn.position[0]
        self._advance(SETTLE_SECONDS)
        if not self._is_still():
            self._advance(SETTLE_MORE_SECONDS)
        self._home(home or self.scene.mount.home)
        mujoco.mj_forward(self.model, self.data)
        self.data.time = 0.0

    def _stand(self, base: Pose) -> None:
        """Put the robot's base, and the cameras on it, at `base`."""
        if base == self._stands:
            return
        self._stands = base
        self._base, self._base_rotation = np.array(base.position), matrix(base.quaternion)
        root = self.model.body(self.robot.links[0].name).id
        self.model.body_pos[root], self.model.body_quat[root] = base.position, base.quaternion
        for camera in self.scene.cameras:
            mounted = mount_camera(camera, base)
            number = self.model.camera(camera.name).id
            self.model.cam_pos[number] = mounted.position
            self.model.cam_quat[number] = mounted.quaternion

    def _place(self, name: str, spawn: Pose) -> None:
        kind = self.objects[name]
        position = spawn.position + matrix(spawn.quaternion) @ kind.rest.position
        orientation = multiply(spawn.quaternion, kind.rest.quaternion)
        if kind.fixed:
            body = self._bodies[name]
            self.model.body_pos[body], self.model.body_quat[body] = position, orientation
        else:
            address = self.model.joint(f"{name}_free").qposadr[0]
            self.data.qpos[address : address + 7] = [*position, *orientation]

    def step(self, action: FloatArray) -> None:
        """Execute one action (7,) for one control period. Raises EnvError if the physics breaks."""
        n_steps = n_substeps(self.robot)
        targets = self.controller.command(self.data, action, n_steps)
        for row in targets:
            self.data.ctrl[:] = row
            mujoco.mj_step(self.model, self.data, nstep=n_steps // len(targets))
        if any(self.data.warning[kind].number for kind in BROKEN):
            raise EnvError(f"The physics became unstable at action {action.tolist()}.")
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)

    def render(self, camera: str, image_size: tuple[int, int]) -> Image:
        """(height, width, 3) uint8; every call must give the same `image_size`."""
        if self._renderer is None:
            photo = self.scene.photo() if self.scene.photo else None
            self._renderer = Renderer(self.model, image_size, photo)
        return self._renderer.render(self.data, camera)

    def close(self) -> None:
        """Free the GL memory."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def in_base(self, point: FloatArray) -> FloatArray:
        """A world point (3,) in the robot's base frame."""
        return np.asarray(self._base_rotation.T @ (point - self._base))

    def turned_to_base(self, rotation: FloatArray) -> FloatArray:
        """A world rotation (3, 3) in the robot's base frame."""
        return np.asarray(self._base_rotation.T @ rotation)

    def base_pose(self) -> FloatArray:
        """Where the robot's base stands: x y z m, quaternion w x y z, (7,)."""
        return np.array([*self._stands.position, *self._stands.quaternion])

    def tcp_in_base(self) -> tuple[FloatArray, FloatArray]:
        """Position (3,) m and rotation (3, 3) of the tool."""
        rotation = self.data.site_xmat[self._tcp].reshape(3, 3)
        return self.in_base(self.data.site_xpos[self._tcp]), self.turned_to_base(rotation)

    def joint_positions(self) -> FloatArray:
        """Arm joints (n,), rad, base to tip."""
        return np.array(self.data.qpos[self._arm_qpos])

    def gripper_open(self) -> float:
        """Mean finger opening: 0 as closed, 1 as open as the joints go."""
        low, high = self.robot.gripper.travel
        return float(np.mean((self.data.qpos[self._finger_qpos] - low) / (high - low)))

    def frame(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Position (3,) and rotation (3, 3) of an object's frame."""
        body = self._bodies[name]
        return self.data.xpos[body].copy(), self.data.xmat[body].reshape(3, 3).copy()

    def centre_of_mass(self, name: str) -> FloatArray:
        """World position (3,) of an object's centre of mass."""
        return np.array(self.data.xipos[self._bodies[name]])

    def pose_in_base(self, name: str) -> FloatArray:
        """An object's frame in the robot's base frame: x y z m, quaternion w x y z, (7,).

        Of half a turn the quaternion's largest part is positive: rounding alone decides no sign.
        """
        position, rotation = self.frame(name)
        turned = quaternion_of(self.turned_to_base(rotation))
        if turned[0] < HALF_TURN:
            turned *= np.sign(max(turned, key=abs))
        return np.concatenate([self.in_base(position), turned])

    def physics(self, name: str) -> FloatArray:
        """What an object is made of: mass, then sizes, friction and contact rank of each shape."""
        model, body = self.model, self._bodies[name]
        solid = [g for g in np.flatnonzero(model.geom_bodyid == body) if model.geom_contype[g]]
        shapes = [model.geom_size[solid], model.geom_friction[solid], model.geom_priority[solid]]
        return np.concatenate([[model.body_mass[body]], *(part.ravel() for part in shapes)])

    def is_grasped(self, name: str, max_angle: float) -> bool:
        """Whether every finger is pushed apart by the object, within `max_angle` rad."""
        impulses = contact_impulses(self.model, self.data, self._bodies[name])
        return all(
            any(
                is_pushed_apart(
                    impulses.get(body, np.zeros(3)),
                    self.data.xmat[body].reshape(3, 3) @ opening,
                    max_angle,
                )
                for body in links
            )
            for links, opening in self._fingers
        )

    def touches(self, name: str, body: str) -> bool:
        """Whether the object touches the body, e.g. a drawer's floor."""
        impulses = contact_impulses(self.model, self.data, self._bodies[name])
        return is_touch(impulses.get(self.model.body(body).id, np.zeros(3)))

    def drawer_opening(self, name: str) -> float:
        """How far the scene's drawer `name` is open, m."""
        return float(self.data.qpos[self.model.joint(name).qposadr[0]])

    def drawers(self) -> list[str]:
        """Names of the scene's drawers."""
        names = [self.model.joint(index).name for index in range(self.model.njnt)]
        return [name for name in names if name.endswith(DRAWER)]

    def touches_only(self, name: str, *allowed: str) -> bool:
        """Whether the object touches nothing but the robot and the objects `allowed`."""
        fine = self._robot_bodies | {self._bodies[other] for other in allowed}
        impulses = contact_impulses(self.model, self.data, self._bodies[name])
        return all(body in fine or not is_touch(impulse) for body, impulse in impulses.items())

    def _home(self, joints: Vector) -> None:
        """Put the robot, at rest, into a start configuration and make that its target."""
        self.data.qpos[[*self._arm_qpos, *self._finger_qpos]] = joints
        self.data.qvel[self._robot_dofs] = 0.0
        self.controller.reset(self.data)

    def _advance(self, seconds: float) -> None:
        n_steps = round(seconds / self.model.opt.timestep)
        mujoco.mj_step(self.model, self.data, nstep=n_steps)

    def _is_still(self) -> bool:
        linear = angular = 0.0
        for name, kind in self.objects.items():
            if kind.fixed:
                continue
            address = self.model.joint(f"{name}_free").dofadr[0]
            linear += float(np.linalg.norm(self.data.qvel[address : address + 3]))
            angular += float(np.linalg.norm(self.data.qvel[address + 3 : address + 6]))
        return linear <= STILL[0] and angular <= STILL[1]
