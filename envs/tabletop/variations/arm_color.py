"""Visual matching: SIMPLER's four colours of the Google Robot's arm, over which it averages.

SIMPLER paints the arm as it looks on photographs of the counter (twice) and of the cabinet, since
policies depend on it (simpler.md §2.11). Before photographs the arm wears SIMPLER's textures;
elsewhere the paints of our own shapes are tinted as much as the means of its textures differ from
those of the default arm (ManiSkill2_real2sim@ef7a4d4, ``3obj*/meta_diffuse.png`` for the arm,
``link_finger_tip_diffuse.png`` for the pads).
"""

from __future__ import annotations

import functools
from dataclasses import replace

from vla_bench.envs.tabletop.geometry import Vector
from vla_bench.envs.tabletop.robots.robot import Material, Robot
from vla_bench.envs.tabletop.tasks.google.catalog import GOOGLE_TASKS
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.variations.variation import Aspect, Role, Variation
from vla_bench.envs.tabletop.visual_matching.scenes import GOOGLE_SCENES, armed

AXIS = "visual_matching"
PARTS = {"white": "arm", "grey": "arm", "rubber": "pad"}  # a material of the robot -> a texture
MEANS: dict[str, dict[str, Vector]] = {  # of SIMPLER's textures, rgb of 255
    "default": {"arm": (218, 215, 208), "pad": (219, 208, 156)},
    "tabletop_1": {"arm": (229, 203, 173), "pad": (200, 151, 97)},
    "tabletop_2": {"arm": (232, 215, 188), "pad": (211, 172, 110)},
    "cabinet_1": {"arm": (199, 168, 134), "pad": (200, 151, 97)},
}
DEFAULT = "default"


def _armed(color: str, task: Task) -> Task | None:
    """One of SIMPLER's Google Robot tasks with another arm; the default arm is the twin's."""
    photographed = task.scene.name in GOOGLE_SCENES
    if task.name not in GOOGLE_TASKS and not photographed:
        return None
    if color == DEFAULT:
        return task
    if photographed:
        return replace(task, scene=armed(task.scene.name, color))
    mount = replace(task.scene.mount, robot=_tinted(task.scene.mount.robot, color))
    return replace(task, scene=replace(task.scene, mount=mount))


def _tinted(robot: Robot, color: str) -> Robot:
    materials = {
        name: _tint(material, color, PARTS[name]) if name in PARTS else material
        for name, material in robot.materials.items()
    }
    return replace(robot, materials=materials)


def _tint(material: Material, color: str, part: str) -> Material:
    """`material` times the ratio of two means, at most 1."""
    *rgb, alpha = material.rgba
    ratios = zip(rgb, MEANS[color][part], MEANS[DEFAULT][part], strict=True)
    return replace(material, rgba=(*(min(c * new / old, 1.0) for c, new, old in ratios), alpha))


def _arm_color(color: str) -> Variation:
    recolored = color != DEFAULT
    return Variation(
        AXIS,
        "arm_color",
        color,
        f"the arm in SIMPLER's colour {color.replace('_', ' ')}: its textures on photographs, else "
        "a tint of ours"
        if recolored
        else "the arm as it is",
        changes=frozenset({Aspect.IMAGE} if recolored else ()),
        role=Role.AVERAGED,
        task=functools.partial(_armed, color),
    )


ARM_COLORS = tuple(_arm_color(color) for color in MEANS)
