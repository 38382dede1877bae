"""Open Middle Drawer, from five of the places where SIMPLER's robot stands."""

from __future__ import annotations

from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.hand import Script
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.scenes.cabinet import CABINET_SCENE, joint_of
from vla_bench.envs.tabletop.scenes.counter import standing_at
from vla_bench.envs.tabletop.tasks.google.drawer_script import open_drawer
from vla_bench.envs.tabletop.tasks.google.drawers import BASES, MoveDrawer
from vla_bench.envs.tabletop.tasks.google_paper.row import Row, Setting, make_task
from vla_bench.envs.tabletop.world import ROBOT

DRAWER = "middle"
NO_OBJECTS: dict[str, TabletopObject] = {}
ROW = Row("open_the_middle_drawer", "Open Middle Drawer")

OPEN_THE_MIDDLE_DRAWER = make_task(
    ROW,
    Setting(
        CABINET_SCENE,
        NO_OBJECTS,
        [
            {ROBOT: standing_at(*base), joint_of(DRAWER): Pose((0.0, 0.0, 0.0))}
            for base in BASES[::2]
        ],
    ),
    MoveDrawer(DRAWER, opens=True),
    lambda world: Script(open_drawer(world, DRAWER)),
)
