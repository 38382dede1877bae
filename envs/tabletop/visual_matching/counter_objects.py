"""What SIMPLER's Google Robot moves, from its mesh files: opened cans, a bottle, fruit, a sponge.

Of each, how it rests is the mean of the settled poses measured in SIMPLER, before the yaw that
SIMPLER's layouts give the bottle, the orange and the sponge; masses are its densities (simpler.md
§2.8) times the volume of the hulls.
"""

from __future__ import annotations

from dataclasses import replace

from vla_bench.envs.tabletop.geometry import Pose, Vector
from vla_bench.envs.tabletop.objects.builder import TabletopObject
from vla_bench.envs.tabletop.objects.drinks import BLUE_BOTTLE, COKE, PEPSI, REDBULL, SEVEN_UP
from vla_bench.envs.tabletop.objects.fruit import APPLE, LIGHT_APPLE, ORANGE, SPONGE
from vla_bench.envs.tabletop.visual_matching.objects import Model

BAKED = "textured.glb"
THINNED = 150  # directions: an orange of 27514 corners keeps about 500


def _resting(kind: TabletopObject, model: Model, position: Vector, turn: Vector) -> TabletopObject:
    """`kind` as SIMPLER's `model`, at rest in a frame turned by `turn`."""
    rest = Pose(position, turn)
    return replace(kind, rest=rest, build=replace(model, table=rest, n_directions=THINNED))


def _apple(kind: TabletopObject, folder: str, mass: float) -> TabletopObject:
    position, turn = (0.000287, 0.000917, 0.035875), (0.999902, -0.013267, 0.001787, -0.004177)
    return _resting(kind, Model(folder, mass, None, BAKED), position, turn)


MOVED: dict[str, TabletopObject] = {  # by the names that they have in the task
    "blue_plastic_bottle": _resting(
        BLUE_BOTTLE,
        Model("blue_plastic_bottle", 0.0292, None),
        (0.004164, 0.001828, 0.087207),
        (0.714279, 0.699457, 0.015768, -0.01779),
    ),
    "pepsi_can": _resting(
        PEPSI.standing(),
        Model("baked_opened_pepsi_can", 0.0206, None, BAKED),
        (0.0, -2e-06, 0.064289),
        (0.707106, 0.707108, -5e-06, -5e-06),
    ),
    "orange": _resting(
        ORANGE,
        Model("orange", 0.0374, None),
        (0.000242, -0.00013, 0.035877),
        (0.999993, 0.001828, 0.003377, -2.5e-05),
    ),
    "7up_can": _resting(
        SEVEN_UP.standing(),
        Model("baked_opened_7up_can", 0.0197, None, BAKED),
        (-3.9e-05, 0.0, 0.062956),
        (0.707107, 0.707106, -0.000218, 0.00022),
    ),
    "apple": _apple(LIGHT_APPLE, "baked_apple", 0.0546),
    "sponge": _resting(
        SPONGE,
        Model("baked_sponge", 0.0358, None, BAKED),
        (2.9e-05, 3.1e-05, 0.018549),
        (0.999999, -0.000836, 0.00078, -1e-06),
    ),
    "coke_can": _resting(
        COKE.standing(),
        Model("baked_opened_coke_can", 0.02, None, BAKED),
        (-0.000322, -0.000168, 0.068941),
        (0.705632, 0.708574, -0.001985, 0.001612),
    ),
    "redbull_can": _resting(
        REDBULL.standing(),
        Model("baked_opened_redbull_can", 0.0173, None),
        (-0.000108, 0.000246, 0.065065),
        (0.70844, 0.705771, -0.000584, 0.00059),
    ),
}
PLACED_APPLE = _apple(APPLE, "baked_apple_v2", 0.2185)
