"""SIMPLER's WidowX table: a dark wooden top before a grey partition (spoon, carrot, blocks).

Poses, cameras, light directions and the table's height: simpler.md §2.1, §2.3, §2.5, §2.7. Edges
and colours follow SIMPLER's photograph of the real table, unprojected by its camera. One light
casts shadows, which SIMPLER's do not.
"""

from __future__ import annotations

from vla_bench.envs.tabletop.controllers import TargetPoseController
from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.objects.builder import Paint, Solid
from vla_bench.envs.tabletop.objects.textures import wood
from vla_bench.envs.tabletop.robots.widowx import WIDOWX
from vla_bench.envs.tabletop.scenes.scene import Camera, Furniture, Light, Mount, Scene, Surface

TABLE_HEIGHT = 0.869532  # m
HOME = (-0.01840777, 0.0398835, 0.22242722, -0.00460194, 1.36524296, 0.00153398, 0.037, 0.037)
FACING_AWAY = (0.0, 0.0, 0.0, 1.0)  # half a turn about z: the robot looks along world -x

CAMERA = Camera(
    "3rd_view_camera",
    Pose((0.0, -0.16, 0.36), (0.899292, -0.092632, 0.358925, 0.232092)),
    (640, 480),
    623.588,
)


def _build(furniture: Furniture) -> None:
    wooden = Paint(texture=wood((132, 72, 46)), repeat=(1.0, 1.0), specular=0.25)
    top = furniture.paint(wooden, part="worktop")
    furniture.add(Solid("box", (0.185, 0.65, 0.02), (-0.162, 0.345, TABLE_HEIGHT - 0.02)), top)
    stand = furniture.paint(Paint((0.16, 0.17, 0.20, 1.0)))
    furniture.add(Solid("box", (0.16, 0.3, 0.05), (0.2, 0.03, TABLE_HEIGHT - 0.05)), stand)
    grey = Paint((0.62, 0.66, 0.70, 1.0), specular=0.0)
    partition = furniture.paint(grey, part="backdrop")
    furniture.add(Solid("box", (0.01, 1.2, 0.6), (-0.375, 0.8, 1.0)), partition)
    furniture.add(Solid("box", (0.5, 0.01, 0.6), (-0.2, -0.33, 1.0)), partition)
    floor = furniture.paint(Paint((0.27, 0.28, 0.30, 1.0)))
    furniture.add(Solid("plane", (3.0, 3.0, 0.1)), floor)


TABLE = Scene(
    name="table",
    mount=Mount(WIDOWX, Pose((0.147, 0.028, 0.870), FACING_AWAY), HOME, TargetPoseController),
    cameras=(CAMERA,),
    lights=(
        Light((-0.12, -0.10, -1.0), 0.50, shadow=True),
        Light((-1.0, -0.5, -1.0), 0.16),
        Light((1.0, 1.0, -1.0), 0.16),
    ),
    ambient=0.38,
    build=_build,
    surfaces=(Surface((-0.28, -0.08, -0.16, 0.16), TABLE_HEIGHT),),
)
