"""SIMPLER's cabinet with three drawers before the Google Robot (drawer and place-apple tasks).

Every box is that of SIMPLER's ``mk_station`` (ManiSkill2_real2sim@ef7a4d4); poses, camera, masses
and joints: simpler.md §2.4, §2.5, §2.9. One deviation: here the handles can be touched. SIMPLER
draws them only, so that a gripper passes through what a policy sees and reaches for.
"""

from __future__ import annotations

import dataclasses

from vla_bench.envs.tabletop.objects.builder import Paint, Solid
from vla_bench.envs.tabletop.objects.textures import speckle, wood
from vla_bench.envs.tabletop.scenes.counter import COUNTER, add_room, standing_at
from vla_bench.envs.tabletop.scenes.scene import Furniture, Light, Slide, Surface
from vla_bench.envs.tabletop.world import DRAWER

CABINET = (-0.295, 0.0, 0.017)  # m, where the chest stands
CABINET_TOP = 0.882
DRAWERS = {"top": 0.668, "middle": 0.423, "bottom": 0.178}  # heights in the chest, m
SLIDE = Slide(mass=11.4, travel=0.5, damping=1.0, friction=0.05)
HANDLE = (0.3425, 0.0, 0.02)  # the bar's middle, in the drawer's frame


def joint_of(drawer: str) -> str:
    """The joint, and body, of the ``top``, ``middle`` or ``bottom`` drawer."""
    return f"{drawer}{DRAWER}"


def floor_of(drawer: str) -> str:
    """The body that is the drawer's floor."""
    return f"{drawer}_drawer_floor"


def front_of(joint: str) -> str:
    """The part of the furniture that is seen of the closed drawer with that joint."""
    return f"{joint}_front"


def handle_of(drawer: str, opening: float) -> tuple[float, float, float]:
    """The handle bar's middle in the world, m, with the drawer `opening` m open."""
    x, y, z = HANDLE
    return CABINET[0] + x + opening, CABINET[1] + y, CABINET[2] + DRAWERS[drawer] + z


def _build(furniture: Furniture) -> None:
    add_room(furniture)
    add_chest(furniture)


def add_chest(furniture: Furniture) -> None:
    """The chest and its three drawers, which slide."""
    wooden = Paint(texture=wood((158, 128, 104)), specular=0.15)
    veneer = furniture.paint(wooden, part="veneer")
    inside = furniture.paint(Paint((0.70, 0.60, 0.51, 1.0), specular=0.05), part="inside")
    board = Paint(texture=speckle((176, 150, 128), 3.0), specular=0.3)
    top = furniture.paint(board, part="worktop")
    black = furniture.paint(Paint((0.04, 0.035, 0.03, 1.0), specular=0.3), part="handle")
    chest = furniture.part("cabinet", CABINET)
    chest.add(_box((0.02, 0.615, 0.845), (-0.305, 0.0, 0.4225)), veneer)
    for side in (-0.2975, 0.2975):
        chest.add(_box((0.59, 0.02, 0.845), (0.0, side, 0.4225)), veneer)
    chest.add(_box((0.63, 0.615, 0.02), (0.0, 0.0, 0.855)), top)
    for drawer, height in DRAWERS.items():
        position = (CABINET[0], CABINET[1], CABINET[2] + height)
        moving = furniture.drawer(joint_of(drawer), position, SLIDE)
        _add_drawer(moving, drawer, (veneer, inside, black))


def _add_drawer(moving: Furniture, drawer: str, paints: tuple[str, str, str]) -> None:
    """Front, box and handle, in the drawer's frame."""
    veneer, inside, black = paints
    front = moving.repainted(front_of(joint_of(drawer)), otherwise=veneer)
    moving.add(_box((0.015, 0.615, 0.14), (0.305, 0.0, 0.0)), front)
    moving.add(_box((0.02, 0.515, 0.10), (-0.285, 0.0, -0.02)), inside)
    moving.add(_box((0.02, 0.515, 0.10), (0.285, 0.0, -0.02)), inside)
    for side in (-0.2675, 0.2675):
        moving.add(_box((0.59, 0.02, 0.10), (0.0, side, -0.02)), inside)
    floor = moving.part(floor_of(drawer))
    floor.add(_box((0.55, 0.515, 0.02), (0.0, 0.0, -0.06)), inside)
    x, y, z = HANDLE
    moving.add(_box((0.005, 0.10, 0.005), HANDLE), black)
    for side in (-0.05, 0.05):
        moving.add(_box((0.02, 0.005, 0.005), (x - 0.01, y + side, z)), black)


def _box(size: tuple[float, float, float], centre: tuple[float, float, float]) -> Solid:
    """`size` is the whole edge lengths, as URDFs have them."""
    return Solid("box", tuple(edge / 2 for edge in size), centre)


CABINET_SCENE = dataclasses.replace(
    COUNTER,
    name="cabinet",
    mount=dataclasses.replace(COUNTER.mount, base=standing_at(0.652, 0.009)),
    lights=(Light((-0.26, 0.0, -0.97), 0.42, shadow=True), Light((-1.0, -0.3, -0.4), 0.16)),
    ambient=0.46,
    build=_build,
    surfaces=(Surface((-0.40, -0.04, -0.20, 0.20), CABINET_TOP),),
)
