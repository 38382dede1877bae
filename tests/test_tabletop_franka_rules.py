"""What counts as a success, as half of one and as none in the Franka tasks."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest

from vla_bench.envs.tabletop.geometry import Pose, about_axis
from vla_bench.envs.tabletop.objects.cleaning import BLUE_TOWEL, N_FLAPS, towel_parts
from vla_bench.envs.tabletop.objects.cookware import SMALL_POT
from vla_bench.envs.tabletop.objects.grains import GRAINS
from vla_bench.envs.tabletop.renderer import LOOKS
from vla_bench.envs.tabletop.scenes.franka import PLAIN_TABLE, TABLE_HEIGHT
from vla_bench.envs.tabletop.tasks.franka.catalog import DROID_TASKS, FRANKA_TASKS
from vla_bench.envs.tabletop.tasks.franka.flip_pot import ON_TABLE
from vla_bench.envs.tabletop.tasks.franka.goal import TOUCHED
from vla_bench.envs.tabletop.tasks.franka.pour import MOST
from vla_bench.envs.tabletop.tasks.task import Judge, Task
from vla_bench.envs.tabletop.world import World
from vla_bench.protocols import FloatArray

TASKS = {**FRANKA_TASKS, **DROID_TASKS}
OPEN = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
LOWER = np.array([0.0, 0.0, -0.01, 0.0, 0.0, 0.0, 0.0])  # holding on


def begin(name: str, index: int = 0) -> tuple[World, Task, Judge]:
    """An episode's world, just reset, what it asks for, and its judge."""
    task = TASKS[name].asked(index)
    world = World(task.scene, task.objects, LOOKS["fast"])
    world.reset(TASKS[name].layouts[index])
    return world, task, task.goal.start(world)


def put(world: World, name: str, pose: Pose, n_steps: int = 6) -> None:
    """Teleport an object's frame and let it come to rest under an idle arm."""
    joint = world.model.joint(f"{name}_free")
    world.data.qpos[joint.qposadr[0] : joint.qposadr[0] + 7] = [*pose.position, *pose.quaternion]
    world.data.qvel[joint.dofadr[0] : joint.dofadr[0] + 6] = 0.0
    mujoco.mj_forward(world.model, world.data)
    for _ in range(n_steps):
        world.step(OPEN)


def over(world: World, name: str, *offset: float) -> Pose:
    """Straight over an object's frame, and `offset` m beside."""
    return Pose(tuple(np.add(world.frame(name)[0], offset)))


def run_until(world: World, task: Task, judge: Judge, event: str) -> None:
    """Let the expert act until a sub-goal holds."""
    expert = task.expert(world)
    for _ in range(task.horizon):
        if event in judge.judge().events:
            return
        world.step(expert.act())
    pytest.fail(f"the expert of {task.name} never came to {event}")


def test_a_carrot_is_in_the_bowl_and_not_beside_it() -> None:
    world, _, judge = begin("put_carrot_in_bowl")
    put(world, "carrot", over(world, "bowl", 0.0, 0.0, 0.04))
    assert judge.judge().success
    put(world, "carrot", over(world, "bowl", 0.0, 0.13, 0.03))
    assert not judge.judge().success


def test_corn_in_the_bowl_is_not_in_the_pot() -> None:
    world, _, judge = begin("pour_corn_into_pot")
    assert not judge.judge().success
    for n, grain in enumerate(list(GRAINS)[:MOST], 1):
        turn = 2 * math.pi * n / MOST
        put(world, grain, over(world, "pot", 0.05 * math.cos(turn), 0.05 * math.sin(turn), 0.02))
        verdict = judge.judge()
        done = n == MOST
        events = {"some_poured", "poured"} if done else {"some_poured"}
        assert (verdict.success, verdict.score, set(verdict.events)) == (done, done, events)


STANDING = Pose((-0.12, 0.03, TABLE_HEIGHT))


def test_a_pot_that_was_only_knocked_upright_is_half_a_success() -> None:
    world, _, judge = begin("flip_steel_pot_upright")
    assert judge.judge().score == 0.0
    put(world, "pot", STANDING)
    verdict = judge.judge()
    assert (verdict.success, verdict.score) == (False, 0.5)


def test_a_pot_that_was_grasped_and_dropped_is_half_a_success() -> None:
    world, task, judge = begin("flip_steel_pot_upright")
    run_until(world, task, judge, "grasped")
    for _ in range(5):
        world.step(OPEN)
    verdict = judge.judge()
    assert (verdict.success, verdict.score) == (False, 0.5)


def test_a_pot_must_be_let_go() -> None:
    world, task, judge = begin("flip_steel_pot_upright")
    run_until(world, task, judge, "held_upright")
    assert not judge.judge().success
    put(world, "pot", STANDING)
    assert judge.judge().success
    put(world, "pot", Pose((-0.12, 0.03, TABLE_HEIGHT + 0.05)), n_steps=0)
    assert not judge.judge().success
    put(world, "pot", Pose((-0.12, 0.03, TABLE_HEIGHT + SMALL_POT.height), about_axis("x", 3.1416)))
    assert not judge.judge().success


def test_a_pot_that_is_held_on_the_table_has_not_been_let_go() -> None:
    world, task, judge = begin("flip_steel_pot_upright")
    run_until(world, task, judge, "held_upright")
    for _ in range(40):
        world.step(LOWER)
        events = judge.judge().events
        if world.frame("pot")[0][2] < TABLE_HEIGHT + ON_TABLE:
            break
    assert world.frame("pot")[0][2] < TABLE_HEIGHT + ON_TABLE
    assert "grasped" in events
    assert "placed" not in events


@pytest.mark.parametrize(("degrees", "fallen"), [(0, False), (50, False), (70, True), (90, True)])
def test_fallen_is_a_lean_of_more_than_60_degrees(degrees: float, fallen: bool) -> None:
    world, _, judge = begin("knock_object_over")
    x, y, z = world.frame("juice_box")[0]
    leaning = Pose((x, y, z + 0.06), about_axis("x", math.radians(degrees)))
    put(world, "juice_box", leaning, n_steps=0)
    assert judge.judge().success is fallen


def test_knocking_another_object_first_forfeits_the_half_but_not_the_success() -> None:
    world, _, judge = begin("knock_object_over")
    lying = about_axis("x", math.pi / 2)
    for name, score in (("blue_bottle", 0.0), ("juice_box", 1.0)):
        x, y, z = world.frame(name)[0]
        put(world, name, Pose((x, y, z + 0.04), lying))
        verdict = judge.judge()
        assert verdict.score == score
        assert TOUCHED not in verdict.events


@pytest.mark.parametrize(
    ("first", "second", "score"),
    [("juice_box", "orange_bottle", 0.5), ("orange_bottle", "juice_box", 0.0)],
)
def test_moving_the_named_object_first_is_half_a_success(
    first: str, second: str, score: float
) -> None:
    world, _, judge = begin("knock_object_over")
    for name in (first, second):
        put(world, name, over(world, name, 0.02, 0.0, 0.0))
        assert judge.judge().score == score


def test_a_touch_of_two_at_once_is_no_first_touch_of_either() -> None:
    world, _, judge = begin("move_object_onto_plate")
    for name in ("carrot", "corn"):
        put(world, name, over(world, name, 0.03, 0.0, 0.0), n_steps=0)
    assert judge.judge().score == 0.0


@pytest.mark.parametrize("name", ["cover_object_with_towel", "cover_object_with_towel_ood"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_towel_that_lies_over_an_object_covers_it_alone(name: str, index: int) -> None:
    world, task, judge = begin(name, index)
    goals = [TASKS[name].asked(other).goal.start(world) for other in range(3)]
    target = ("pot", "bowl", "mug")[index]
    top = world.centre_of_mass(target) * (1.0, 1.0, 0.0)
    top[2] = TABLE_HEIGHT + world.objects[target].extents[2] + 0.008
    put(world, "towel", Pose(tuple(top)), n_steps=8)
    assert judge.judge().success
    assert [goal.judge().success for goal in goals].count(True) == 1
    assert task.goal.events[-1] == "covered"


def test_a_towel_beside_or_still_in_the_hand_does_not_cover() -> None:
    world, task, judge = begin("cover_object_with_towel", 1)
    put(world, "towel", over(world, "bowl", 0.0, -0.14, 0.02))
    assert not judge.judge().success
    world, task, judge = begin("cover_object_with_towel", 1)
    run_until(world, task, judge, TOUCHED)
    verdict = judge.judge()
    assert (verdict.success, verdict.score) == (False, 0.5)


def test_a_towel_under_a_pot_does_not_cover_it() -> None:
    world, _, judge = begin("cover_object_with_towel", 0)
    x, y, _ = world.frame("pot")[0]
    put(world, "pot", Pose((x, y, TABLE_HEIGHT + 0.3)), n_steps=0)
    put(world, "towel", Pose((x, y, TABLE_HEIGHT + 0.006)), n_steps=0)
    put(world, "pot", Pose((x, y, TABLE_HEIGHT + 0.012)))
    assert not judge.judge().success


def test_the_towel_droops_when_it_is_held_in_the_middle_and_lies_flat_on_the_table() -> None:
    world = World(PLAIN_TABLE, {"towel": BLUE_TOWEL}, LOOKS["fast"])
    world.reset({"towel": Pose((-0.1, 0.0, TABLE_HEIGHT))})
    assert len(towel_parts("towel")) == 1 + 2 * N_FLAPS
    heights = [world.data.body(part).xpos[2] for part in towel_parts("towel")]
    assert np.ptp(heights) < 2e-3
    root = world.model.joint("towel_free")
    for _ in range(200):  # pinned in the air
        world.data.qpos[root.qposadr[0] : root.qposadr[0] + 3] = (-0.1, 0.0, 1.2)
        world.data.qvel[root.dofadr[0] : root.dofadr[0] + 6] = 0.0
        mujoco.mj_step(world.model, world.data)
    tips = [world.data.body(part).xipos[2] for part in towel_parts("towel")]
    assert 0.005 < tips[0] - min(tips) < 0.06


@pytest.mark.parametrize(("n_swept", "score"), [(0, 0.0), (1, 0.5), (2, 0.5), (3, 1.0)])
def test_each_piece_in_the_dustpan_counts_as_in_the_paper(n_swept: int, score: float) -> None:
    world, _, judge = begin("wipe_table")
    for number in range(n_swept):
        place: FloatArray = world.frame("dustpan")[0] + (0.04 * (number - 1), 0.0, 0.004)
        put(world, f"crumb_{number + 1}", Pose(tuple(place)))
    verdict = judge.judge()
    assert (verdict.success, verdict.score) == (n_swept == 3, score)
