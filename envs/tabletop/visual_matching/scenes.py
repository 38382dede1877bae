"""SIMPLER's photographed table, sink and counter: felt as its meshes, seen as its photographs.

Lights are SIMPLER's (simpler.md §2.7) as the screen shows them. It adds linear light and encodes
the sum, MuJoCo adds encoded light: so each light here adds what it adds to a face turned its way,
0.3 of ambient light, encoded, being 0.58.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from vla_bench.assets import asset
from vla_bench.envs.tabletop.objects.builder import Paint, Solid
from vla_bench.envs.tabletop.scenes.cabinet import (
    CABINET,
    CABINET_SCENE,
    DRAWERS,
    add_chest,
)
from vla_bench.envs.tabletop.scenes.counter import (
    COUNTER,
    COUNTER_HEIGHT,
    MOVE_NEAR_COUNTER,
    TOP,
)
from vla_bench.envs.tabletop.scenes.scene import Furniture, Light, Scene
from vla_bench.envs.tabletop.scenes.sink import COUNTER_HEIGHT as SINK_TABLE_HEIGHT
from vla_bench.envs.tabletop.scenes.sink import SINK, SINK_SCENE
from vla_bench.envs.tabletop.scenes.table import TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.visual_matching.convert import hulls
from vla_bench.envs.tabletop.visual_matching.robot import (
    ARM_COLORS,
    DRESS_GOOGLE_ROBOT,
    DRESS_WIDOWX,
    Dress,
)
from vla_bench.protocols import Image

SINK_MESH = "data/custom/models/sink/collision.obj"
AMBIENT = 0.58
# SIMPLER's mk_station_recolor as the screen shows it; the shade as in its picture of closed drawers
BROWN = Paint((0.605, 0.470, 0.376, 1.0), specular=0.0)
BLACK = Paint((0.116, 0.029, 0.006, 1.0), specular=0.0)
INSIDE = Paint((0.50, 0.39, 0.31, 1.0), specular=0.0)
SHADE = (0.18, 0.13, 0.105, 1.0)
BRIGHT = 0.04  # m, from the chest's front
ABOVE_WALLS = 0.032  # m, above the drawer's frame
PRINCIPAL = (320 - 319.501, 240 - 239.545)  # of SIMPLER's WidowX cameras (simpler.md §2.5)


def _photo(name: str, size: tuple[int, int]) -> Image:
    """At the camera's `size` (width, height), bilinear where it has another, as in SIMPLER."""
    return _resized(asset("simpler", f"data/real_inpainting/{name}.png"), size)


@functools.cache
def _resized(file: Path, size: tuple[int, int]) -> Image:
    with PillowImage.open(file) as image:
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


def _build_cabinet(furniture: Furniture) -> None:
    furniture.barrier(Solid("plane", (3.0, 3.0, 0.1)))
    add_chest(furniture)
    _shade_chest(furniture)


def _shade_chest(furniture: Furniture) -> None:
    """Paint the shade on that SIMPLER's ray tracer finds in the chest: nothing of it is felt.

    It lines the back and, behind the brightest strip, the sides; a sheet above each drawer's walls
    leaves of it in the light what has been pulled out.
    """
    shade = furniture.paint(Paint(SHADE, specular=0.0))
    x, y, z = CABINET
    half, tall = (0.589 / 2, 0.574 / 2), 0.845 / 2  # m, of the chest's inside
    walls = [((0.0005, half[1], tall), (x - half[0], y, z + tall))]
    for side in (-half[1], half[1]):
        walls.append(((half[0] - BRIGHT / 2, 0.0005, tall), (x - BRIGHT / 2, y + side, z + tall)))
    for height in DRAWERS.values():
        walls.append(((*half, 0.0005), (x, y, z + height + ABOVE_WALLS)))
    for size, centre in walls:
        furniture.add(Solid("box", size, centre), shade, solid_for_objects=False)


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
PHOTO_MOVE_NEAR = replace(
    _seen_as(MOVE_NEAR_COUNTER, "google_move_near_real_eval_1", _build_counter, DRESS_GOOGLE_ROBOT),
    name="move_near_photo",
    lights=TABLETOP_LIGHTS,
)
CABINET_POSES = ("a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2")
CABINET_LIGHTS = (Light((-0.259, 0.0, -0.966), 0.12),)


def _cabinet(pose: str) -> Scene:
    """As seen from one of the poses at which the robot was photographed."""
    return replace(
        _seen_as(CABINET_SCENE, f"open_drawer_{pose}", _build_cabinet, DRESS_GOOGLE_ROBOT),
        name=f"cabinet_photo_{pose}",
        lights=CABINET_LIGHTS,
        ambient=1.0,
        repaint={"veneer": BROWN, "inside": INSIDE, "worktop": BROWN, "handle": BLACK},
    )


PHOTO_CABINETS = {pose: _cabinet(pose) for pose in CABINET_POSES}
GOOGLE_SCENES = {
    scene.name: scene for scene in (PHOTO_COUNTER, PHOTO_MOVE_NEAR, *PHOTO_CABINETS.values())
}


@functools.cache
def armed(scene: str, color: str) -> Scene:
    """One of `GOOGLE_SCENES` with the arm in one of `ARM_COLORS`; the same object every time."""
    plain = GOOGLE_SCENES[scene]
    return replace(plain, mount=replace(plain.mount, dress=ARM_COLORS[color]))
