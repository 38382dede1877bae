"""SIMPLER's four WidowX tasks and its Google Robot tasks in its own look.

Only scenes and objects differ from the twins without photographs.

SIMPLER's eggplant is dropped into an uneven sink and rolls, by up to half a turn, before an episode
begins; no two engines roll alike. So where its pose after that was measured (`ROLLED`) it starts
there; elsewhere it is put down as dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from vla_bench.envs.tabletop.geometry import Pose, matrix
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.counter import standing_at
from vla_bench.envs.tabletop.scenes.scene import Scene
from vla_bench.envs.tabletop.tasks.carrot_on_plate import CARROT_ON_PLATE
from vla_bench.envs.tabletop.tasks.eggplant_in_basket import BASKET_PLANE, EGGPLANT_IN_BASKET
from vla_bench.envs.tabletop.tasks.google.drawers import (
    BASES,
    CLOSE_DRAWERS,
    NO_OBJECTS,
    OPEN_DRAWERS,
)
from vla_bench.envs.tabletop.tasks.google.move_near import MOVE_NEAR
from vla_bench.envs.tabletop.tasks.google.pick_can import (
    CAN,
    PICK_HORIZONTAL,
    PICK_STANDING,
    PICK_VERTICAL,
)
from vla_bench.envs.tabletop.tasks.google.place_apple import OBJECT, PLACE_APPLE
from vla_bench.envs.tabletop.tasks.spoon_on_towel import SPOON_ON_TOWEL
from vla_bench.envs.tabletop.tasks.stack_cube import STACK_CUBE
from vla_bench.envs.tabletop.tasks.task import Layout, Task
from vla_bench.envs.tabletop.visual_matching import objects
from vla_bench.envs.tabletop.visual_matching.counter_objects import MOVED, PLACED_APPLE
from vla_bench.envs.tabletop.visual_matching.robot import Dress
from vla_bench.envs.tabletop.visual_matching.scenes import (
    CABINET_POSES,
    PHOTO_CABINETS,
    PHOTO_COUNTER,
    PHOTO_MOVE_NEAR,
    PHOTO_SINK,
    PHOTO_TABLE,
)
from vla_bench.envs.tabletop.world import ROBOT

ROLLED = {  # initial state -> pose measured in SIMPLER, golden data of ManiSkill2_real2sim@ef7a4d4
    0: Pose((-0.119319, 0.193955, 0.938541), (0.990213, -0.079527, -0.113049, 0.019345)),
    1: Pose((-0.119489, 0.190078, 0.938725), (0.908766, -0.027452, -0.116982, 0.399633)),
    3: Pose((-0.123144, 0.238797, 0.936907), (0.48842, -0.861122, -0.139833, 0.019033)),
    4: Pose((-0.11934, 0.199538, 0.938311), (0.903687, -0.022616, -0.118783, 0.410765)),
    6: Pose((-0.119391, 0.213131, 0.937846), (0.99188, -0.055913, -0.113892, 0.008779)),
    7: Pose((-0.119657, 0.209703, 0.937979), (0.912675, -0.016629, -0.12405, 0.389049)),
    9: Pose((-0.119419, 0.223156, 0.93787), (0.991887, -0.05602, -0.113841, 0.00789)),
    10: Pose((-0.119591, 0.219363, 0.937862), (0.912797, -0.006519, -0.127531, 0.387936)),
    12: Pose((-0.10465, 0.180435, 0.939096), (0.843351, -0.007083, -0.113906, 0.525104)),
    13: Pose((-0.09952, 0.190125, 0.938609), (0.90976, -0.027811, -0.117014, 0.39733)),
    15: Pose((-0.129335, 0.221655, 0.936998), (0.525278, -0.746318, -0.364777, 0.184474)),
    16: Pose((-0.099257, 0.199233, 0.938274), (0.899468, -0.015189, -0.122378, 0.419226)),
    18: Pose((-0.110373, 0.210527, 0.937854), (0.988953, -0.055053, -0.118306, 0.070328)),
    19: Pose((-0.099659, 0.209964, 0.937969), (0.913825, -0.022009, -0.121897, 0.386758)),
    21: Pose((-0.111082, 0.219314, 0.937828), (0.988377, -0.046852, -0.11797, 0.083657)),
    22: Pose((-0.099609, 0.219367, 0.937783), (0.912137, -0.006297, -0.127551, 0.389483)),
}
SUFFIX = "_visual_matching"  # a name of its own, since its rates are another benchmark's
DROP = 0.006  # m, from the spawn point to a position that is free of the basin's floor


def _eggplant_layouts() -> tuple[Layout, ...]:
    def spawn(index: int, dropped: Pose) -> Pose:
        x, y, z = dropped.position
        if index not in ROLLED:
            return Pose((x, y, z + DROP), dropped.quaternion)
        rest = matrix(ROLLED[index].quaternion) @ objects.EGGPLANT.rest.position
        position = np.array(ROLLED[index].position) - rest
        return Pose(tuple(position.tolist()), ROLLED[index].quaternion)

    return tuple(
        {**layout, "eggplant": spawn(index, layout["eggplant"])}
        for index, layout in enumerate(EGGPLANT_IN_BASKET.layouts)
    )


def _matched(task: Task, scene: Scene, kinds: Mapping[str, TabletopObject]) -> Task:
    """`task` as SIMPLER draws it."""
    return replace(task, name=f"{task.name}{SUFFIX}", scene=scene, objects=kinds)


MATCHED = (
    _matched(SPOON_ON_TOWEL, PHOTO_TABLE, {"spoon": objects.SPOON, "towel": objects.TOWEL}),
    _matched(CARROT_ON_PLATE, PHOTO_TABLE, {"carrot": objects.CARROT, "plate": objects.PLATE}),
    _matched(
        STACK_CUBE,
        PHOTO_TABLE,
        {"green_block": objects.GREEN_BLOCK, "yellow_block": objects.YELLOW_BLOCK},
    ),
    _matched(
        replace(EGGPLANT_IN_BASKET, layouts=_eggplant_layouts()),
        PHOTO_SINK,
        {"eggplant": objects.EGGPLANT, "basket": BASKET_PLANE},
    ),
)
PICKED = tuple(
    _matched(task, PHOTO_COUNTER, {CAN: objects.coke(task.objects[CAN])})
    for task in (PICK_HORIZONTAL, PICK_VERTICAL, PICK_STANDING)
)


def _matched_turns(task: Task, turns: Iterable[Task]) -> Task:
    """A task whose initial states differ in scene or objects; the first one's stand on the card."""
    turns = tuple(replace(turn, name=f"{task.name}{SUFFIX}") for turn in turns)
    return replace(turns[0], layouts=task.layouts, turns=turns, facts=task.facts)


def _moved_near() -> Task:
    kinds = {
        id(turn.objects): {name: MOVED[name] for name in turn.objects} for turn in MOVE_NEAR.turns
    }
    turns = (
        replace(turn, scene=PHOTO_MOVE_NEAR, objects=kinds[id(turn.objects)])
        for turn in MOVE_NEAR.turns
    )
    return _matched_turns(MOVE_NEAR, turns)


def _before_cabinet(task: Task, kinds: Mapping[str, TabletopObject]) -> Task:
    """With the photograph of the pose at which the robot stands."""
    poses = {standing_at(*base): pose for base, pose in zip(BASES, CABINET_POSES, strict=True)}
    scenes = [PHOTO_CABINETS[poses[layout[ROBOT]]] for layout in task.layouts]
    return _matched_turns(task, (replace(task, scene=x, objects=kinds) for x in scenes))


MOVED_NEAR = _moved_near()
DRAWERS = tuple(_before_cabinet(task, NO_OBJECTS) for task in (*OPEN_DRAWERS, *CLOSE_DRAWERS))
PLACED = _before_cabinet(PLACE_APPLE, {OBJECT: PLACED_APPLE})
WIDOWX_TASKS: dict[str, Task] = {task.name: task for task in MATCHED}
GOOGLE_TASKS: dict[str, Task] = {
    task.name: task for task in (*PICKED, MOVED_NEAR, *DRAWERS, PLACED)
}


def require_assets(tasks: Iterable[Task]) -> None:
    """Raises MissingDependencyError, with what to type, unless all files of `tasks` are there."""
    tasks = list(tasks)
    for build in dict.fromkeys(kind.build for task in tasks for kind in task.objects.values()):
        if isinstance(build, objects.Model):
            build.require()
    scenes = {id(task.scene): task.scene for task in tasks}.values()
    for scene in scenes:
        if scene.photo is not None:
            scene.photo()
    for dress in dict.fromkeys(scene.mount.dress for scene in scenes):
        if isinstance(dress, Dress):
            dress.require()
