"""Rooms, tables, cabinets and lights of SIMPLER's variant aggregation, as repainted furniture.

SIMPLER puts the tasks into whole scanned or modelled rooms. Its counter scene is taken to be what
COUNTER is; every other room, and the two tables, are stand-ins: another wall, floor and worktop,
without their shapes. Cabinets have the colours of SIMPLER's ``mk_station`` files
(ManiSkill2_real2sim@ef7a4d4), sRGB; lights are those of simpler.md §2.7.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace

from vla_bench.envs.tabletop.objects.builder import Paint
from vla_bench.envs.tabletop.objects.textures import Color, bricks, speckle, weave, wood
from vla_bench.envs.tabletop.scenes.cabinet import CABINET_SCENE
from vla_bench.envs.tabletop.scenes.counter import COUNTER, MOVE_NEAR_COUNTER
from vla_bench.envs.tabletop.scenes.scene import Light, Scene

Paints = Mapping[str, Paint]
COUNTERS = {"pick": COUNTER, "move_near": MOVE_NEAR_COUNTER}
GONE = Paint((0.0, 0.0, 0.0, 0.0))
AMBIENT, GAMMA = 0.3, 2.2  # of SIMPLER; of a screen


def _seen(intensity: float) -> float:
    """What a light of SIMPLER's adds on the screen to a white face turned its way.

    SIMPLER adds linear light and encodes the sum, MuJoCo adds encoded light.
    """
    return math.pow(AMBIENT + intensity / math.pi, 1 / GAMMA) - math.pow(AMBIENT, 1 / GAMMA)


def _relit(lights: tuple[Light, ...], new: tuple[float, float, float]) -> tuple[Light, ...]:
    """The counter's lights, as much brighter or darker as SIMPLER's `new` are on the screen."""
    was = (2.2, 0.7, 0.7)
    return tuple(
        replace(light, color=light.color * _seen(after) / _seen(before))
        for light, before, after in zip(lights, was, new, strict=True)
    )


COUNTER_LIGHTS = {"slightly_brighter": (3.6, 1.3, 1.3), "slightly_darker": (0.8, 0.0, 0.8)}
CABINET_LIGHTS = {"brighter": 2.0, "darker": 0.5}  # the main light; 1.0 as a rule


def _room(wall: Paint, floor: Paint) -> Paints:
    """Without the stands of the room that SIMPLER's photographs show."""
    return {"backdrop": wall, "floor": floor, "stands": GONE}


def _planks(color: Color) -> Paint:
    return Paint(texture=wood(color, seed=7), repeat=(8.0, 8.0), specular=0.1)


def _plaster(color: Color) -> Paint:
    return Paint(texture=speckle(color, 4.0), repeat=(4.0, 4.0), specular=0.0)


def _carpet(color: Color) -> Paint:
    return Paint(texture=weave(color), repeat=(24.0, 24.0), specular=0.0)


def _apartment() -> Paints:
    return _room(_plaster((214, 208, 196)), _planks((178, 142, 104)))


def _staging() -> Paints:
    return _room(_plaster((196, 204, 206)), _planks((142, 112, 84)))


def _table(top: Paint, front: Color) -> Paints:
    chest = Paint(texture=wood(front, seed=3), specular=0.1)
    return {**_staging(), "worktop": top, "carcass": chest, "front": chest}


def _station(inside: Color, top: Paint) -> Paints:
    r, g, b = (value / 255 for value in inside)
    return {
        "veneer": Paint(texture=wood((168, 154, 143)), specular=0.15),
        "inside": Paint((r, g, b, 1.0), specular=0.05),
        "worktop": top,
        "handle": Paint((0.35, 0.35, 0.35, 1.0), specular=0.3),
    }


def _counter_paints(level: str) -> Paints:
    match level:
        case "cabinet_1":
            dark = Paint(texture=wood((96, 64, 44), seed=5), specular=0.2)
            return _table(dark, (84, 56, 40))
        case "cabinet_2":
            pale = Paint(texture=wood((206, 186, 158), seed=6), specular=0.2)
            return _table(pale, (188, 164, 134))
        case "alt_1":
            brick = bricks((150, 96, 76), (196, 188, 176))
            wall = Paint(texture=brick, repeat=(3.0, 3.0), specular=0.0)
            return _room(wall, _planks((120, 88, 62)))
        case "alt_2":
            return _room(_plaster((120, 148, 176)), _carpet((92, 96, 104)))
    return {}


def _cabinet_paints(level: str) -> Paints:
    white, brown = (250, 250, 248), (168, 154, 143)
    board = Paint(texture=speckle((208, 192, 172), 3.0), specular=0.3)
    match level:
        case "bedroom":
            room = _room(_plaster((176, 158, 172)), _carpet((164, 148, 132)))
            return {**room, **_station(white, board)}
        case "office":
            room = _room(_plaster((232, 233, 234)), _carpet((78, 90, 106)))
            return {**room, **_station(white, board)}
        case "station_2":
            return {**_apartment(), **_station(brown, board)}
        case "station_3":
            stone = Paint(texture=speckle((122, 118, 114), 22.0), specular=0.5, shininess=0.6)
            return {**_apartment(), **_station(brown, stone)}
    return {**_apartment(), **_station(white, board)}


@functools.cache
def counter_variant(counter: str, level: str) -> Scene:
    """The counter (``pick`` or ``move_near``) at a level; other levels than those here leave it."""
    scene = COUNTERS[counter]
    lights = scene.lights
    if level in COUNTER_LIGHTS:
        lights = _relit(lights, COUNTER_LIGHTS[level])
    return replace(scene, lights=lights, repaint=_counter_paints(level))


@functools.cache
def cabinet_variant(level: str) -> Scene:
    """The cabinet in the apartment or, at a level of its own, other than there."""
    fill = _seen(0.5)
    lights = (
        Light((-0.2, 0.0, -1.0), _seen(CABINET_LIGHTS.get(level, 1.0)), shadow=True),
        Light((-1.0, 1.0, -0.05), fill),
        Light((-1.0, -1.0, -0.05), fill),
    )
    return replace(
        CABINET_SCENE,
        name="cabinet_variant",
        lights=lights,
        ambient=math.pow(AMBIENT, 1 / GAMMA),
        repaint=_cabinet_paints(level),
    )
