"""Ids of the Gymnasium environments. Importing `vla_bench.envs` registers them.

An id is the robot, the task and the version of its suite: ``vla_bench/WidowXCarrotOnPlate-v0`` is
``carrot_on_plate`` of ``widowx_simpler_tabletop-v0``.

Gymnasium 1 no longer reads entry points, so the package must be imported before
``gymnasium.make("vla_bench/WidowXCarrotOnPlate-v0")``, or be named in the id:
``gymnasium.make("vla_bench.envs:vla_bench/WidowXCarrotOnPlate-v0")``.
"""

from __future__ import annotations

import importlib.util

# Written out, since a lane's interpreter may lack MuJoCo, which the suites import.
_SUITES = {
    "widowx_simpler_tabletop-v0": (
        "WidowX",
        "spoon_on_towel",
        "carrot_on_plate",
        "stack_cube",
        "eggplant_in_basket",
    ),
    "widowx_simpler_visual_matching-v0": (
        "WidowX",
        "spoon_on_towel_visual_matching",
        "carrot_on_plate_visual_matching",
        "stack_cube_visual_matching",
        "eggplant_in_basket_visual_matching",
    ),
    "google_robot_simpler_visual_matching-v1": (
        "GoogleRobot",
        "pick_horizontal_coke_can_visual_matching",
        "pick_vertical_coke_can_visual_matching",
        "pick_standing_coke_can_visual_matching",
        "move_near_visual_matching",
        "open_top_drawer_visual_matching",
        "open_middle_drawer_visual_matching",
        "open_bottom_drawer_visual_matching",
        "close_top_drawer_visual_matching",
        "close_middle_drawer_visual_matching",
        "close_bottom_drawer_visual_matching",
        "place_apple_in_closed_top_drawer_visual_matching",
    ),
    "google_robot_simpler_tabletop-v0": (
        "GoogleRobot",
        "pick_horizontal_coke_can",
        "pick_vertical_coke_can",
        "pick_standing_coke_can",
        "move_near",
        "open_top_drawer",
        "open_middle_drawer",
        "open_bottom_drawer",
        "close_top_drawer",
        "close_middle_drawer",
        "close_bottom_drawer",
        "place_apple_in_closed_top_drawer",
    ),
    "bridge_v2_tabletop-v0": (
        "WidowX",
        "put_eggplant_into_pot_easy",
        "put_eggplant_into_pot",
        "put_cup_from_counter_into_sink",
        "put_eggplant_into_pot_clutter",
        "put_yellow_corn_on_pink_plate",
        "lift_eggplant",
        "put_carrot_on_plate_height_change",
        "put_carrot_on_plate",
        "flip_pot_upright",
        "lift_aaa_battery",
        "move_skull_into_drying_rack",
        "lift_white_tape",
        "take_purple_grapes_out_of_pot",
        "stack_blue_cup_on_pink_cup",
        "put_named_into_pot",
        "lift_named",
        "put_named_cup_on_plate",
    ),
    "google_robot_tabletop-v0": (
        "GoogleRobot",
        "pick_coke_can",
        "move_apple_near_green_can",
        "move_blue_chip_bag_near_apple",
        "place_coke_can_upright",
        "open_the_middle_drawer",
        "move_orange_near_brown_chip_bag",
        "pick_pepsi_can",
        "pick_banana",
        "pick_green_cup",
        "place_apple_on_plate",
        "place_banana_in_pan",
        "move_coke_can_near_taylor_swift",
    ),
    "franka_tabletop-v0": (
        "Franka",
        "put_carrot_in_bowl",
        "put_carrot_in_bowl_ood",
        "pour_corn_into_pot",
        "pour_corn_into_pot_ood",
        "flip_steel_pot_upright",
        "flip_steel_pot_upright_ood",
        "move_object_onto_plate",
        "move_object_onto_plate_ood",
        "knock_object_over",
        "knock_object_over_ood",
        "cover_object_with_towel",
        "cover_object_with_towel_ood",
    ),
    "franka_droid_tabletop-v0": (
        "Franka",
        "wipe_table",
        "wipe_table_ood",
    ),
}
"""Suite -> robot, then its tasks."""

_CLASS = "vla_bench.envs.tabletop.gym:TabletopGymEnv"


def _id(suite: str, robot: str, task: str) -> str:
    _, version = suite.rsplit("-", 1)
    return f"vla_bench/{robot}{task.title().replace('_', '')}-{version}"


IDS = {
    _id(suite, robot, task): task for suite, (robot, *tasks) in _SUITES.items() for task in tasks
}
"""Gymnasium id -> task of a tabletop suite."""


def register_envs() -> None:
    """Make `IDS` known to Gymnasium, where it is installed; harmless when they already are."""
    if importlib.util.find_spec("gymnasium") is None:  # a lane's interpreter may lack it
        return
    import gymnasium

    for name, task in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, _CLASS, kwargs={"task": task})
