"""How a robot gets another look than its shapes: they stay, unseen, and so does all they weigh.

What is hung on a link touches nothing and weighs nothing, so bodies, masses, drives and contacts
are those of the bare robot.
"""

from __future__ import annotations

from typing import Any

import mujoco

from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.robots.build import COLLISION_GROUP, VISIBLE_GROUP
from vla_bench.envs.tabletop.robots.robot import Robot


def hide_shapes(spec: Any, robot: Robot) -> None:
    """Draw no shape of `robot`, which is in the MjSpec."""
    for link in robot.links:
        for geom in spec.body(link.name).geoms:
            geom.group = COLLISION_GROUP


def hang(body: Any, mesh: Any, pose: Pose) -> Any:
    """Draw `mesh`, at `pose` in the frame of `body`; returns the MjsGeom, which casts no shadow."""
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # it weighs nothing, and may be thin
    geom = body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name)
    geom.pos, geom.quat = list(pose.position), list(pose.quaternion)
    geom.group, geom.density = VISIBLE_GROUP, 0.0
    geom.contype = geom.conaffinity = 0
    geom.castshadow = False
    return geom
