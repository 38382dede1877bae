"""The settings of the physics, and the MuJoCo model of a scene with its robot and objects.

The settings were swept for grasp stability: the ``discrete`` integrator at 5 ms held 60 of 60
carrots at the slip of a 2 ms ``implicitfast``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco

from vla_bench.envs.tabletop.objects.builder import TabletopObject, add_object
from vla_bench.envs.tabletop.renderer import Look, prepare
from vla_bench.envs.tabletop.robots.build import add_robot
from vla_bench.envs.tabletop.robots.mesh_dress import MeshDress
from vla_bench.envs.tabletop.robots.meshes import mesh_dress
from vla_bench.envs.tabletop.robots.robot import Robot
from vla_bench.envs.tabletop.scenes.scene import (
    Dresser,
    Furniture,
    Mount,
    Scene,
    add_camera,
    add_lights,
)
from vla_bench.errors import ConfigError

TIMESTEP = 0.005  # s, nearly: a control period has a whole number of them


def n_substeps(robot: Robot) -> int:
    """Steps of the physics in one control period."""
    return round(1.0 / (robot.control_hz * TIMESTEP))


def dress_of(mount: Mount, look: Look) -> Dresser | None:
    """What the robot wears instead of its shapes.

    Raises ConfigError where `look` has nothing for this robot, or nothing for it here.
    """
    if not look.meshes:
        return mount.dress
    if mount.dress is not None:
        raise ConfigError(
            f"look={look.name} is not possible here: this scene draws its {mount.robot.name} "
            "itself. Valid: look=default."
        )
    return mesh_dress(mount.robot)


def described(mount: Mount, look: Look) -> str:
    """`look` in words. Raises as `dress_of`, and MissingDependencyError where files are absent."""
    dress = dress_of(mount, look)
    if not isinstance(dress, MeshDress):
        return look.name
    dress.require()
    return f"{look.name}: {dress.source}"


def compile_model(scene: Scene, objects: Mapping[str, TabletopObject], look: Look) -> Any:
    """An MjModel; `look` decides how it is drawn and nothing else."""
    spec = mujoco.MjSpec()
    option = spec.option
    robot = scene.mount.robot
    option.timestep = 1.0 / (robot.control_hz * n_substeps(robot))
    option.integrator = mujoco.mjtIntegrator.mjINT_DISCRETE
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10.0
    option.iterations, option.ls_iterations, option.tolerance = 20, 20, 1e-7
    prepare(spec, look)
    add_robot(spec, robot, scene.mount.base)
    dress = dress_of(scene.mount, look)
    if dress is not None:
        dress(spec, robot)
    scene.build(Furniture(spec, scene))
    add_lights(spec, scene)
    for camera in scene.cameras:
        add_camera(spec, camera, scene.mount.base)
    for name, kind in objects.items():
        add_object(spec, kind, name)
    return spec.compile()
