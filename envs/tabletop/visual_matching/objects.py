"""SIMPLER's objects, from its mesh files.

Sizes of the boxes and masses as SIMPLER loads them: simpler.md §2.8. Rests: the settled poses
measured there, from which the physics here settles anew.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

from vla_bench.assets import asset
from vla_bench.envs.tabletop.geometry import Pose
from vla_bench.envs.tabletop.objects.builder import ROLLING, ObjectBuilder, TabletopObject
from vla_bench.envs.tabletop.objects.food import CARROT_REST
from vla_bench.envs.tabletop.objects.tableware import SPOON_REST
from vla_bench.envs.tabletop.visual_matching.convert import parts
from vla_bench.envs.tabletop.visual_matching.pieces import pieces

FOLDER = "data/custom/models"
CUBE = (0.03, 0.03, 0.03)


@dataclass(frozen=True)
class Model:
    """One of SIMPLER's model folders.

    Attributes:
        mass: kg, shared among its pieces by their volume.
        table: Where it rests above a table; None where it rests on no plane.
        visual: The file of what is drawn.
        n_directions: How finely its hulls are kept (see `pieces`); None: as they are.
    """

    folder: str
    mass: float
    table: Pose | None
    visual: str = "textured.dae"
    n_directions: int | None = None

    def require(self) -> None:
        """Raises MissingDependencyError unless both files, and what reads them, are there."""
        parts(self._file(self.visual))
        self._file("collision.obj")

    def __call__(self, builder: ObjectBuilder) -> None:
        """Build it."""
        for part in _parts(self._file(self.visual)):
            builder.draw_mesh(part.mesh, part.paint)
        collision = self._file("collision.obj")
        for points, mass in pieces(collision, self.mass, self.table, self.n_directions):
            builder.collide_hull(points, mass)

    def _file(self, name: str) -> Path:
        return asset("simpler", f"{FOLDER}/{self.folder}/{name}")


_parts = functools.cache(parts)  # unpacking a texture takes longer than compiling a scene
TOWEL_REST = Pose((0.0, 0.0, 0.004882), (1.0, 0.0007, 0.0, 0.0))
PLATE_REST = Pose((0.0, 0.0, 0.0))
CUBE_REST = Pose((0.0, 0.0, 0.015))

SPOON = TabletopObject(
    "spoon",
    (0.14, 0.0346, 0.026042),
    SPOON_REST,
    Model("bridge_spoon_generated_modified", 0.0431, SPOON_REST),
)
TOWEL = TabletopObject(
    "towel",
    (0.1, 0.1, 0.01),
    TOWEL_REST,
    Model("table_cloth_generated_shorter", 0.0267, TOWEL_REST),
)
CARROT = TabletopObject(
    "carrot",
    (0.115, 0.032, 0.038),
    CARROT_REST,
    Model("bridge_carrot_generated_modified", 0.0547, CARROT_REST),
    rolling_friction=ROLLING,
)
PLATE = TabletopObject(
    "plate",
    (0.11, 0.11, 0.006),
    PLATE_REST,
    Model("bridge_plate_objaverse_larger", 0.0392, PLATE_REST),
)
GREEN_BLOCK = TabletopObject(
    "green_block", CUBE, CUBE_REST, Model("baked_green_cube_3cm", 0.027, CUBE_REST)
)
YELLOW_BLOCK = TabletopObject(
    "yellow_block", CUBE, CUBE_REST, Model("baked_yellow_cube_3cm", 0.027, CUBE_REST)
)
EGGPLANT = TabletopObject(
    "eggplant",
    (0.0783, 0.0374, 0.038),
    Pose((0.0, 0.0, 0.018)),
    Model("eggplant", 0.0209, None),
    rolling_friction=0.008,  # for PhysX, which puts to sleep what hardly moves (simpler.md §2.1)
)


def coke(twin: TabletopObject) -> TabletopObject:
    """SIMPLER's opened coke can, lying or standing as the `twin` does."""
    return replace(twin, build=Model("opened_coke_can", 0.0200, twin.rest))
