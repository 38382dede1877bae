"""Ids of the Gymnasium environments. Importing `vla_bench.envs` registers them.

Gymnasium 1 no longer reads entry points, so the package must be imported before
``gymnasium.make("vla_bench/WidowXCarrotOnPlate-v0")``, or be named in the id:
``gymnasium.make("vla_bench.envs:vla_bench/WidowXCarrotOnPlate-v0")``.
"""

from __future__ import annotations

import importlib.util

IDS = {
    "vla_bench/WidowXSpoonOnTowel-v0": "spoon_on_towel",
    "vla_bench/WidowXCarrotOnPlate-v0": "carrot_on_plate",
    "vla_bench/WidowXStackCube-v0": "stack_cube",
    "vla_bench/WidowXEggplantInBasket-v0": "eggplant_in_basket",
}
"""Gymnasium id -> task of the tabletop suite."""

_CLASS = "vla_bench.envs.tabletop.gym:TabletopGymEnv"


def register_envs() -> None:
    """Make `IDS` known to Gymnasium, where it is installed; harmless when they already are."""
    if importlib.util.find_spec("gymnasium") is None:  # a lane's interpreter may lack it
        return
    import gymnasium

    for name, task in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, _CLASS, kwargs={"task": task})
