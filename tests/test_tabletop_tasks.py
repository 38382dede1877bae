"""Grids, success rules, sub-goals, the expert."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla_bench.envs.tabletop.contacts import is_pushed_apart
from vla_bench.envs.tabletop.renderer import LOOKS
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.tasks.put_on import (
    MAX_GRASP_ANGLE,
    PutOnJudge,
    half_extents,
    is_on,
)
from vla_bench.envs.tabletop.tasks.registry import TASKS
from vla_bench.envs.tabletop.tasks.task import Verdict
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

OPEN = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
LENGTH = st.floats(0.0, 0.2)
# Written down by hand from simpler.md §2.9: source x, y, yaw in degrees, target x, y.
GRID = [
    ("spoon_on_towel", 0, (-0.235, -0.075, 0), (-0.235, 0.075)),
    ("spoon_on_towel", 1, (-0.235, -0.075, 90), (-0.235, 0.075)),
    ("spoon_on_towel", 23, (-0.085, 0.075, 90), (-0.085, -0.075)),
    ("carrot_on_plate", 0, (-0.235, -0.075, 180), (-0.235, 0.075)),
    ("carrot_on_plate", 3, (-0.235, -0.075, -90), (-0.085, -0.075)),
    ("carrot_on_plate", 6, (-0.235, 0.075, 180), (-0.235, -0.075)),
    ("carrot_on_plate", 23, (-0.085, 0.075, -90), (-0.085, -0.075)),
    ("stack_cube", 0, (-0.21, -0.05, 0), (-0.21, 0.05)),
    ("stack_cube", 3, (-0.21, 0.05, 0), (-0.21, -0.05)),
    ("stack_cube", 12, (-0.26, -0.10, 0), (-0.26, 0.10)),
    ("stack_cube", 23, (-0.06, 0.10, 0), (-0.06, -0.10)),
    ("eggplant_in_basket", 0, (-0.115, 0.191, 0), None),
    ("eggplant_in_basket", 4, (-0.115, 0.201, 45), None),
    ("eggplant_in_basket", 11, (-0.115, 0.221, -45), None),
    ("eggplant_in_basket", 23, (-0.095, 0.221, -45), None),
]


def make_world(task: str, index: int = 0) -> tuple[World, PutOnJudge]:
    """A world at the start of an episode, and its judge."""
    spec = TASKS[task]
    world = World(spec.scene, spec.objects, LOOKS["fast"])
    world.reset(spec.layouts[index])
    judge = spec.goal.start(world)
    assert isinstance(judge, PutOnJudge)
    return world, judge


def put(world: World, name: str, position: Sequence[float] | FloatArray, n_steps: int = 6) -> None:
    """Teleport an object's frame, unturned, and let it come to rest."""
    address = world.model.joint(f"{name}_free").qposadr[0]
    world.data.qpos[address : address + 3] = position
    for _ in range(n_steps):
        world.step(OPEN)


@pytest.mark.parametrize(("task", "index", "source", "target"), GRID)
def test_initial_states_are_simplers(
    task: str, index: int, source: tuple[float, ...], target: tuple[float, ...] | None
) -> None:
    spawns = list(TASKS[task].layouts[index].values())
    assert spawns[0].position[:2] == pytest.approx(source[:2])
    turn = np.array([math.cos(math.radians(source[2]) / 2), math.sin(math.radians(source[2]) / 2)])
    found = np.array([spawns[0].quaternion[0], spawns[0].quaternion[3]])
    assert abs(turn @ found) == pytest.approx(1.0)
    if target is not None:
        assert spawns[1].position[:2] == pytest.approx(target)
        assert spawns[1].quaternion == pytest.approx((1.0, 0.0, 0.0, 0.0))


def test_every_task_has_simplers_24_different_initial_states() -> None:
    for task in TASKS.values():
        assert len({repr(layout) for layout in task.layouts}) == 24


BLOCK = np.array([0.015, 0.015, 0.015])


@pytest.mark.parametrize(
    ("offset", "success"),
    [
        ((0.0, 0.0, 0.030), True),
        ((0.0, 0.0, 0.0499), True),  # 2 cm above is still on
        ((0.0, 0.0, 0.0501), False),
        ((0.0242, 0.0, 0.030), True),  # half the diagonal, 21.2 mm, and 3 mm
        ((0.0243, 0.0, 0.030), False),
        ((0.0, 0.0, 0.0), False),  # beside is not on, however low
        ((0.0, 0.0, -0.001), False),
    ],
)
def test_on_means_within_the_half_diagonal_and_at_most_a_gap_above(
    offset: tuple[float, ...], success: bool
) -> None:
    assert is_on(np.array(offset), BLOCK, BLOCK, max_gap=0.02) is success


@given(LENGTH, LENGTH, LENGTH, LENGTH)
def test_moving_nearer_to_the_target_never_ends_a_success(
    x: float, z: float, nearer: float, lower: float
) -> None:
    if is_on(np.array([x, 0.0, z]), BLOCK, BLOCK, 0.02):
        closer = np.array([max(x - nearer, 0.0), 0.0, max(z - lower, 1e-6)])
        assert is_on(closer, BLOCK, BLOCK, 0.02)


def test_a_tilted_box_keeps_the_signs_of_its_turned_extents() -> None:
    """SIMPLER turns the size vector itself: the tilted carrot counts 28 mm high, not 47."""
    world, _ = make_world("carrot_on_plate")
    height = 2 * half_extents(world, "carrot")[2]
    assert height == pytest.approx(0.038 * math.cos(0.0865) - 0.115 * math.sin(0.0865), abs=1e-4)


def test_a_block_on_the_other_one_is_a_success_and_beside_it_is_not() -> None:
    world, judge = make_world("stack_cube")
    target, _ = world.frame("yellow_block")
    put(world, "green_block", target + np.array([0.0, 0.0, 0.0302]))
    assert judge.judge() == Verdict(True, 1.0, frozenset({"moved_correct_object", "placed"}))
    put(world, "green_block", target + np.array([0.045, 0.0, 0.0]))
    verdict = judge.judge()
    assert (verdict.success, verdict.score) == (False, 0.0)


def test_a_carrot_that_leans_from_the_plate_onto_the_table_is_no_success() -> None:
    """The rule's contact condition: geometry alone passes in both cases."""
    world, judge = make_world("carrot_on_plate")
    plate, _ = world.frame("plate")
    for offset, leans in ((0.04, False), (0.065, True)):
        put(world, "carrot", plate + np.array([-offset, 0.0, 0.03]), n_steps=15)
        apart = world.centre_of_mass("carrot") - world.centre_of_mass("plate")
        halves = half_extents(world, "carrot"), half_extents(world, "plate")
        assert is_on(apart, *halves, max_gap=0.02)
        assert world.touches_only("carrot", "plate") is not leans
        assert judge.is_placed() is not leans


def test_the_spoon_may_touch_the_table_but_the_carrot_may_not() -> None:
    rules = {name: task.goal.text for name, task in TASKS.items()}
    assert "touches only" in rules["carrot_on_plate"]
    assert "touches only" in rules["stack_cube"]
    assert "touches only" not in rules["spoon_on_towel"]
    assert "at most 60 mm above" in rules["eggplant_in_basket"]


def test_an_eggplant_in_the_basket_is_a_success_and_in_the_basin_it_is_not() -> None:
    world, judge = make_world("eggplant_in_basket")
    assert not judge.judge().success
    put(world, "eggplant", (-0.14, 0.03, 0.97))
    assert judge.judge().success


def test_pushing_the_wrong_object_is_reported() -> None:
    world, judge = make_world("stack_cube")
    target, _ = world.frame("yellow_block")
    put(world, "yellow_block", target + np.array([0.04, 0.0, 0.0]))
    assert judge.judge().events == {"moved_wrong_object"}


@pytest.mark.parametrize(
    ("impulse", "pushed"),
    [
        ((0.0, 1e-3, 0.0), True),
        ((0.0, -1e-3, 0.0), False),
        ((1e-3 * math.sin(1.04), 1e-3 * math.cos(1.04), 0.0), True),  # just under 60 degrees
        ((1e-3 * math.sin(1.05), 1e-3 * math.cos(1.05), 0.0), False),
        ((0.0, 1e-7, 0.0), False),
    ],
)
def test_a_finger_is_pushed_apart_within_60_degrees(
    impulse: tuple[float, ...], pushed: bool
) -> None:
    opening = np.array([0.0, 1.0, 0.0])
    assert is_pushed_apart(np.array(impulse), opening, MAX_GRASP_ANGLE) is pushed


def test_doing_nothing_fails_every_task() -> None:
    env = TabletopEnv(list(TASKS), 1, [0], [32, 32], "fast", "official", "none")
    for spec in env.episodes():
        env.reset(spec)
        for _ in range(TASKS[spec.task].horizon):
            step = env.step(OPEN)
        assert step.truncated
        assert (step.success, step.score) == (False, 0.0)
