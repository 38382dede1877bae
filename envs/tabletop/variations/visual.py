"""Visual: light, surfaces, background, camera, clutter, colours; the task stays what it is.

A photograph can be neither relit nor repainted nor seen from elsewhere: such scenes keep theirs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, Vector, about_axis, multiply
from vla_bench.envs.tabletop.objects.builder import Paint, TabletopObject
from vla_bench.envs.tabletop.objects.held_out import CUCUMBER, DIE, MARKER, MATCHBOX, TOY_CAR
from vla_bench.envs.tabletop.objects.specimen import Specimen
from vla_bench.envs.tabletop.objects.textures import bricks, checked_towel, speckle, weave, wood
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.variations.region import add_missing
from vla_bench.envs.tabletop.variations.variation import Aspect, ChangeTask, Variation

DISTRACTORS = (MATCHBOX, MARKER, TOY_CAR, DIE, CUCUMBER)
DARKER, PALER = 0.7, 1.35  # so that red stays red, neither brown nor pink
SIDEWAYS = (0.25, -1.0, -0.55)  # where the main light shines in ``side``
WORKTOPS = {
    "stone": Paint(texture=speckle((128, 131, 135), depth=16.0), specular=0.3),
    "light_wood": Paint(texture=wood((216, 176, 124), seed=5), specular=0.2),
    "cloth": Paint(
        texture=checked_towel((206, 198, 182), (112, 92, 140)), repeat=(3.0, 3.0), specular=0.0
    ),
}
BACKDROPS = {
    "bricks": Paint(
        texture=bricks((152, 82, 62), (190, 184, 174)), repeat=(3.0, 3.0), specular=0.0
    ),
    "blue": Paint((0.16, 0.30, 0.55, 1.0), specular=0.0),
    "curtain": Paint(texture=weave((96, 128, 92), thread=8), repeat=(4.0, 4.0), specular=0.0),
}
# Kinds whose name says nothing of their colour, and one that they may have but never had here.
OTHER_COLORS: dict[str, Vector] = {
    "spoon": (0.72, 0.16, 0.13),
    "towel": (0.82, 0.50, 0.52),
    "carrot": (0.45, 0.18, 0.48),
    "plate": (0.28, 0.42, 0.68),
    "eggplant": (0.92, 0.90, 0.82),
    "paper_pot": (0.36, 0.52, 0.44),
    "cheese": (0.92, 0.55, 0.20),
}


def _relit(task: Task, brightness: float = 1.0, direction: Vector | None = None) -> Task | None:
    scene = task.scene
    if scene.photo is not None:
        return None
    lights = [replace(light, color=brightness * light.color) for light in scene.lights]
    if direction is not None:
        lights[0] = replace(lights[0], direction=direction)
    ambient = brightness * scene.ambient
    return replace(task, scene=replace(scene, lights=tuple(lights), ambient=ambient))


def _repainted(part: str, paint: Paint, task: Task) -> Task | None:
    """With another `part` of the furniture; a hand that starts low hides the wall."""
    scene = task.scene
    if scene.photo is not None or (part == "backdrop" and task.homes):
        return None
    return replace(task, scene=replace(scene, repaint={**scene.repaint, part: paint}))


def _viewed(
    task: Task, shift: Vector = (0.0, 0.0, 0.0), pan: float = 0.0, tilt: float = 0.0
) -> Task | None:
    """Cameras moved by `shift` m in the base frame, panned left and tilted down by degrees."""
    if task.scene.photo is not None:
        return None
    cameras = []
    for camera in task.scene.cameras:
        panned = multiply(about_axis("z", np.deg2rad(pan)), camera.pose.quaternion)
        looking = multiply(panned, about_axis("y", np.deg2rad(tilt)))
        position = tuple(np.add(camera.pose.position, shift).tolist())
        pose = Pose(position, tuple(looking.tolist()))
        cameras.append(replace(camera, pose=pose))
    return replace(task, scene=replace(task.scene, cameras=tuple(cameras)))


def _cluttered(kinds: Sequence[TabletopObject], task: Task) -> Task | None:
    """With distractors that no instruction could mean; None where there is no place for them."""
    if not task.scene.surfaces:
        return None
    return replace(task, objects={**task.objects, **{kind.kind: kind for kind in kinds}})


def _shaded(brightness: float, task: Task) -> Task | None:
    """All loose objects darker or paler; None where a white one would turn grey."""
    if brightness < 1.0 and "white" in task.instruction.split():
        return None
    shaded = {
        name: kind.made(replace(kind.specimen, brightness=brightness))
        for name, kind in task.objects.items()
        if not kind.fixed
    }
    return replace(task, objects={**task.objects, **shaded}) if shaded else None


def _dyed(task: Task) -> Task | None:
    """In another colour what has one in `OTHER_COLORS`, unless the instruction names its colour."""
    dyed = {
        name: kind.made(Specimen(color=OTHER_COLORS[kind.kind]))
        for name, kind in task.objects.items()
        if kind.kind in OTHER_COLORS
    }
    return replace(task, objects={**task.objects, **dyed}) if dyed else None


def _visual(factor: str, level: str, text: str, task: ChangeTask) -> Variation:
    return Variation("visual", factor, level, text, changes=frozenset({Aspect.IMAGE}), task=task)


def _distractors(level: str, n: int) -> Variation:
    names = ", ".join(kind.kind.replace("_", " ") for kind in DISTRACTORS[:n])
    return replace(
        _visual(
            "distractors",
            level,
            f"{n} more objects that the instruction cannot mean: {names}",
            functools.partial(_cluttered, DISTRACTORS[:n]),
        ),
        layout=add_missing,
    )


VISUAL = (
    _visual("lighting", "dark", "all light at 50 %", functools.partial(_relit, brightness=0.5)),
    _visual("lighting", "bright", "all light at 150 %", functools.partial(_relit, brightness=1.5)),
    _visual(
        "lighting",
        "side",
        "the main light shines flat from the side",
        functools.partial(_relit, direction=SIDEWAYS),
    ),
    *(
        _visual(
            "table",
            level,
            f"the worktop is of {level.replace('_', ' ')}",
            functools.partial(_repainted, "worktop", paint),
        )
        for level, paint in WORKTOPS.items()
    ),
    *(
        _visual(
            "background",
            level,
            f"the wall behind is {level}",
            functools.partial(_repainted, "backdrop", paint),
        )
        for level, paint in BACKDROPS.items()
    ),
    _visual(
        "camera",
        "left",
        "every camera 5 cm further to the robot's left",
        functools.partial(_viewed, shift=(0.0, 0.05, 0.0)),
    ),
    _visual(
        "camera",
        "high",
        "every camera 6 cm higher, tilted 5 degrees further down",
        functools.partial(_viewed, shift=(0.0, 0.0, 0.06), tilt=5.0),
    ),
    _visual(
        "camera",
        "panned",
        "every camera panned 5 degrees to the left",
        functools.partial(_viewed, pan=5.0),
    ),
    _distractors("few", 2),
    _distractors("many", 5),
    _visual(
        "object_color",
        "dark",
        "all objects at 70 % of their brightness",
        functools.partial(_shaded, DARKER),
    ),
    _visual("object_color", "pale", "all objects paler", functools.partial(_shaded, PALER)),
    _visual(
        "object_color",
        "other",
        "objects in colours that they never had, unless the instruction names their colour",
        _dyed,
    ),
)
