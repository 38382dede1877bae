"""SIMPLER's photographed table and sink: felt as its meshes, seen as its photographs.

Lights are SIMPLER's (simpler.md §2.7) as the screen shows them. It adds linear light and encodes
the sum, MuJoCo adds encoded light: so each light here adds what it adds to a face turned its way,
0.3 of ambient light, encoded, being 0.58.
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
from PIL import Image as PillowImage

from vla_bench.assets import asset
from vla_bench.envs.tabletop.objects.builder import Solid
from vla_bench.envs.tabletop.scenes.scene import Furniture, Light
from vla_bench.envs.tabletop.scenes.sink import COUNTER_HEIGHT, SINK, SINK_SCENE
from vla_bench.envs.tabletop.scenes.table import TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.visual_matching.convert import hulls
from vla_bench.envs.tabletop.visual_matching.robot import dress_widowx
from vla_bench.protocols import Image

SINK_MESH = "data/custom/models/sink/collision.obj"
AMBIENT = 0.58
PRINCIPAL = (320 - 319.501, 240 - 239.545)  # of SIMPLER's cameras (simpler.md §2.5)


def _photo(name: str) -> Image:
    with PillowImage.open(asset("simpler", f"data/real_inpainting/{name}.png")) as image:
        return np.asarray(image.convert("RGB"))


def _build_table(furniture: Furniture) -> None:
    furniture.barrier(Solid("box", (0.6, 0.9, 0.02), (-0.1, 0.2, TABLE_HEIGHT - 0.02)))


def _build_sink(furniture: Furniture) -> None:
    furniture.barrier(Solid("box", (0.6, 0.9, 0.02), (-0.1, 0.2, COUNTER_HEIGHT - 0.02)))
    for number, points in enumerate(hulls(asset("simpler", SINK_MESH))):
        furniture.barrier_hull(f"sink_{number}", points + SINK)


PHOTO_TABLE = replace(
    TABLE,
    name="table_photo",
    mount=replace(TABLE.mount, dress=dress_widowx),
    cameras=tuple(replace(camera, principal=PRINCIPAL) for camera in TABLE.cameras),
    lights=(
        Light((0.0, 0.0, -1.0), 0.34),
        Light((-1.0, -0.5, -1.0), 0.17),
        Light((1.0, 1.0, -1.0), 0.17),
    ),
    ambient=AMBIENT,
    build=_build_table,
    photo=functools.partial(_photo, "bridge_real_eval_1"),
)
PHOTO_SINK = replace(
    SINK_SCENE,
    name="sink_photo",
    mount=replace(SINK_SCENE.mount, dress=dress_widowx),
    cameras=tuple(replace(camera, principal=PRINCIPAL) for camera in SINK_SCENE.cameras),
    lights=(Light((0.0, 0.0, -1.0), 0.08),),
    ambient=AMBIENT,
    build=_build_sink,
    photo=functools.partial(_photo, "bridge_sink"),
)
