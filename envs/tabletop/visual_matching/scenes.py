"""SIMPLER's photographed table, sink and counter: felt as its meshes, seen as its photographs.

Lights are SIMPLER's (simpler.md §2.7) as the screen shows them. It adds linear light and encodes
the sum, MuJoCo adds encoded light: so each light here adds what it adds to a face turned its way,
0.3 of ambient light, encoded, being 0.58.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image as PillowImage

from vla_bench.assets import asset
from vla_bench.envs.tabletop.objects.builder import Solid
from vla_bench.envs.tabletop.scenes.counter import COUNTER, COUNTER_HEIGHT, TOP
from vla_bench.envs.tabletop.scenes.scene import Furniture, Light, Scene
from vla_bench.envs.tabletop.scenes.sink import COUNTER_HEIGHT as SINK_TABLE_HEIGHT
from vla_bench.envs.tabletop.scenes.sink import SINK, SINK_SCENE
from vla_bench.envs.tabletop.scenes.table import TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.visual_matching.convert import hulls
from vla_bench.envs.tabletop.visual_matching.robot import (
    DRESS_GOOGLE_ROBOT,
    DRESS_WIDOWX,
    Dress,
)
from vla_bench.protocols import Image

SINK_MESH = "data/custom/models/sink/collision.obj"
AMBIENT = 0.58
PRINCIPAL = (320 - 319.501, 240 - 239.545)  # of SIMPLER's WidowX cameras (simpler.md §2.5)


def _photo(name: str, size: tuple[int, int]) -> Image:
    """At the camera's `size` (width, height), bilinear where it has another, as in SIMPLER."""
    with PillowImage.open(asset("simpler", f"data/real_inpainting/{name}.png")) as image:
        return np.asarray(image.convert("RGB").resize(size, PillowImage.Resampling.BILINEAR))


def _seen_as(scene: Scene, photo: str, build: Callable[[Furniture], None], dress: Dress) -> Scene:
    """`scene` felt as `build` and seen as `photo`, by cameras with SIMPLER's principal point."""
    (camera,) = scene.cameras
    principal = PRINCIPAL if dress is DRESS_WIDOWX else camera.principal
    return replace(
        scene,
        name=f"{scene.name}_photo",
        mount=replace(scene.mount, dress=dress),
        cameras=(replace(camera, principal=principal),),
        ambient=AMBIENT,
        build=build,
        photo=functools.partial(_photo, photo, camera.size),
    )


def _build_table(furniture: Furniture) -> None:
    furniture.barrier(Solid("box", (0.6, 0.9, 0.02), (-0.1, 0.2, TABLE_HEIGHT - 0.02)))


def _build_sink(furniture: Furniture) -> None:
    furniture.barrier(Solid("box", (0.6, 0.9, 0.02), (-0.1, 0.2, SINK_TABLE_HEIGHT - 0.02)))
    for number, points in enumerate(hulls(asset("simpler", SINK_MESH))):
        furniture.barrier_hull(f"sink_{number}", points + SINK)


def _build_counter(furniture: Furniture) -> None:
    x, y, half_x, half_y = TOP
    furniture.barrier(Solid("box", (half_x, half_y, 0.02), (x, y, COUNTER_HEIGHT - 0.02)))


TABLETOP_LIGHTS = (
    Light((0.0, 0.0, -1.0), 0.34),
    Light((-1.0, -0.5, -1.0), 0.17),
    Light((1.0, 1.0, -1.0), 0.17),
)
PHOTO_TABLE = replace(
    _seen_as(TABLE, "bridge_real_eval_1", _build_table, DRESS_WIDOWX), lights=TABLETOP_LIGHTS
)
PHOTO_SINK = replace(
    _seen_as(SINK_SCENE, "bridge_sink", _build_sink, DRESS_WIDOWX),
    lights=(Light((0.0, 0.0, -1.0), 0.08),),
)
PHOTO_COUNTER = replace(
    _seen_as(COUNTER, "google_coke_can_real_eval_1", _build_counter, DRESS_GOOGLE_ROBOT),
    lights=TABLETOP_LIGHTS,
)
