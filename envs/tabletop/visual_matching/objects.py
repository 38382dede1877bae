"""SIMPLER's objects, from its mesh files.

Sizes of the boxes and masses as SIMPLER loads them: simpler.md §2.8. Rests: the settled poses
measured there, from which the physics here settles anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vla_bench.assets import asset
from vla_bench.envs.tabletop.geometry import Pose, matrix
from vla_bench.envs.tabletop.objects.builder import ObjectBuilder, TabletopObject
from vla_bench.envs.tabletop.objects.food import CARROT_REST
from vla_bench.envs.tabletop.objects.tableware import SPOON_REST
from vla_bench.envs.tabletop.visual_matching.convert import hulls, parts
from vla_bench.protocols import FloatArray

FOLDER = "data/custom/models"
CUBE = (0.03, 0.03, 0.03)


@dataclass(frozen=True)
class Model:
    """One of SIMPLER's model folders; `mass` kg, shared among its pieces by their volume.

    PhysX thins out each hull's corners, MuJoCo does not. What sticks out below the table where
    SIMPLER's object rests (`table`), 0.4 mm of the spoon, is planed off: else it would rest 3
    degrees askew. None where it rests on no plane.
    """

    folder: str
    mass: float
    table: Pose | None

    def require(self) -> None:
        """Raises MissingDependencyError unless both files, and what reads them, are there."""
        parts(self._file("textured.dae"))
        self._file("collision.obj")

    def __call__(self, builder: ObjectBuilder) -> None:
        """Build it."""
        for part in parts(self._file("textured.dae")):
            builder.draw_mesh(part.mesh, part.paint)
        pieces = hulls(self._file("collision.obj"))
        for points, share in zip(pieces, _shares(pieces), strict=True):
            planed = points if self.table is None else _planed(points, self.table)
            builder.collide_hull(planed, share * self.mass)

    def _file(self, name: str) -> Path:
        return asset("simpler", f"{FOLDER}/{self.folder}/{name}")


def _planed(points: FloatArray, rest: Pose) -> FloatArray:
    """`points` (n, 3), those below the support that `rest` stands on moved up to it."""
    turn = matrix(rest.quaternion)
    standing = points @ turn.T + rest.position
    standing[:, 2] = np.maximum(standing[:, 2], 0.0)
    planed: FloatArray = (standing - rest.position) @ turn
    return planed


def _shares(pieces: Sequence[FloatArray]) -> list[float]:
    """Each piece's part of the volume of all."""
    from scipy.spatial import ConvexHull

    volumes = [float(ConvexHull(points).volume) for points in pieces]
    return [volume / sum(volumes) for volume in volumes]


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
    rolls=True,
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
    rolls=True,
)


def coke(twin: TabletopObject) -> TabletopObject:
    """SIMPLER's opened coke can, lying or standing as the `twin` does."""
    return replace(twin, build=Model("opened_coke_can", 0.0200, twin.rest))
