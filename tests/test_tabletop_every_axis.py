"""Which tasks the five axes reach, and what that takes: objects of a hand's size, painted parts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES
from vla_bench.envs.tabletop.tasks.task import Task
from vla_bench.envs.tabletop.variations import check, registry
from vla_bench.envs.tabletop.variations.roles import called
from vla_bench.envs.tabletop.variations.variation import Aspect, Role
from vla_bench.envs.tabletop.world import ROBOT
from vla_bench.episode import EpisodeSpec

TASKS: dict[str, Task] = {
    task.name: task
    for suite in SUITES.values()
    if suite.require is None
    for task in suite.tasks.values()
}
LACKING = {  # docs/generalization.md has the same as a table
    "visual": set[str](),
    "motion": set[str](),
    "physical": set[str](),
    "semantic": {"place_coke_can_upright", "wipe_table", "wipe_table_ood"},
    "language": set[str](),
    "language/attribute": set[str](),
}


def reached(prefix: str) -> set[str]:
    """The tasks that have any level of an axis or factor."""
    levels = [
        variation
        for name, variation in registry.VARIATIONS.items()
        if variation.role is Role.DROP and f"{name}/".startswith(f"{prefix}/")
    ]
    return {name for name, task in TASKS.items() if any(registry.applies(v, task) for v in levels)}


def make_env(task: str, variation: str, image_size: Sequence[int] = (32, 32)) -> TabletopEnv:
    return TabletopEnv([task], None, [0], image_size, "fast", "official", variation)


def is_solved(task: str, variation: str, index: int) -> bool:
    env = make_env(task, variation)
    env.reset(EpisodeSpec("x", task, index, 0, variation))
    while True:
        action = env.observe([], privileged=True).privileged["expert_action"]
        step = env.step(action)
        if step.truncated:
            return step.success


@pytest.mark.parametrize("prefix", LACKING)
def test_every_axis_reaches_every_task_but_those_that_the_docs_name(prefix: str) -> None:
    assert set(TASKS) - reached(prefix) == LACKING[prefix]


@pytest.mark.parametrize("task", TASKS)
def test_every_level_changes_what_it_says_in_every_task(task: str) -> None:
    env = make_env(task, "all", (128, 128))
    levels = {spec.variation for spec in env.episodes()} - {"none"}
    found = check.verify(env, range(1))
    assert {finding.episode.variation for finding in found} == levels
    assert len(levels) > 20
    env.close()


@pytest.mark.parametrize(
    ("task", "index"),
    [
        ("pick_standing_coke_can", 24),
        ("move_near", 4),
        ("move_blue_chip_bag_near_apple", 1),
        ("place_banana_in_pan", 2),
    ],
)
def test_the_google_robot_brings_objects_of_its_hands_size(task: str, index: int) -> None:
    held_out = [f"semantic/object/{name}" for name in ("tennis_ball", "jam_jar", "candle")]
    small = registry.VARIATIONS["semantic/object/cucumber"]
    assert not registry.applies(small, TASKS[task])
    assert [name for name in held_out if not is_solved(task, name, index)] == []


@pytest.mark.parametrize("task", ["put_carrot_in_bowl", "move_object_onto_plate"])
def test_the_franka_brings_held_out_objects(task: str) -> None:
    assert is_solved(task, "semantic/object/matchbox", 1)
    assert is_solved(task, "language/other_object/named", 1)


def test_a_second_object_lies_where_the_robot_reaches() -> None:
    bag = TASKS["move_blue_chip_bag_near_apple"]
    (near,) = bag.reach.surfaces["blue_chip_bag"]
    env = make_env(bag.name, "language/other_object/unnamed")
    for spec in env.episodes():
        env.reset(spec)
        (x, y, _), _ = env.world.frame("tennis_ball")
        x_low, x_high, y_low, y_high = near.area
        assert x_low < x < x_high and y_low < y < y_high, spec.id  # noqa: PT018


def test_a_drawer_is_painted_and_called_by_its_colour_in_both_stages() -> None:
    apple = "place_apple_in_closed_top_drawer"
    env = make_env(apple, "semantic/target/red", (128, 160))
    env.reset(EpisodeSpec("x", apple, 0, 0, "semantic/target/red"))
    first = env.observe([], privileged=False).instruction
    varied = registry.VARIATIONS["semantic/target/red"].task(TASKS[apple])
    assert varied is not None
    assert varied.then is not None
    assert (first, varied.then.instruction) == ("open red drawer", "place apple into red drawer")
    for task in ("open_bottom_drawer", "close_middle_drawer"):
        findings = check.verify(make_env(task, "semantic", (128, 160)), range(3, 4))
        assert {finding.episode.variation for finding in findings} == {
            "semantic/target/red",
            "semantic/target/blue",
        }


def test_a_drawer_is_heavier_and_its_robot_stands_elsewhere() -> None:
    env = make_env("close_top_drawer", "physical/mass/heavy")
    findings = check.verify(env, range(1))
    assert [finding.changed for finding in findings] == [{Aspect.PHYSICS}]
    assert is_solved("close_top_drawer", "physical/mass/heavy", 0)
    env = make_env("open_bottom_drawer", "motion")
    official = [layout[ROBOT].position[:2] for layout in TASKS["open_bottom_drawer"].layouts]
    unseen = []
    for spec in env.episodes():
        env.reset(spec)
        unseen.append(env.world.base_pose()[:2])
    assert len(official) == len(unseen) == 9
    assert min(math.dist(a, b) for a in official for b in unseen) > 0.04
    assert is_solved("open_bottom_drawer", "motion/position/elsewhere", 0)


def test_a_drawer_is_called_by_its_neighbours() -> None:
    for name, words in {
        "open_middle_drawer": "open the drawer between the other two",
        "close_bottom_drawer": "close the drawer below the middle one",
    }.items():
        env = make_env(name, "language/relation")
        env.reset(EpisodeSpec("x", name, 0, 0, "language/relation/neighbours"))
        assert env.observe([], privileged=False).instruction == words


@pytest.mark.parametrize(
    ("task", "variation", "indices"),
    [
        ("move_near", "motion/position/outside", (10, 37, 40, 46, 48)),  # something is in the way
        ("flip_pot_upright", "visual/distractors/many", (1, 5, 6)),  # something was where it rolls
    ],
)
def test_the_hand_has_room_or_goes_round(task: str, variation: str, indices: Sequence[int]) -> None:
    solved = [index for index in indices if is_solved(task, variation, index)]
    assert len(solved) >= len(indices) - 1  # last bits of a sum, and so a push, differ by CPU


def test_a_pot_that_is_flipped_may_be_larger_and_is_taken_at_its_own_rim() -> None:
    assert is_solved("flip_steel_pot_upright", "physical/size/large", 0)
    assert is_solved("flip_steel_pot_upright", "physical/friction/slippery", 0)


@pytest.mark.parametrize(
    ("name", "words", "found"),
    [
        ("corn", "yellow corn", "yellow corn"),
        ("pink_cup", "cup from counter", "cup"),
        ("top_drawer", "top drawer", "top drawer"),
        ("towel", "pot", None),
        ("pot", "potato", None),
    ],
)
def test_what_an_instruction_calls_an_object(name: str, words: str, found: str | None) -> None:
    assert called(name, words) == found
