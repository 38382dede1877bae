"""The OpenVLA paper's 12 Google Robot tasks: rows, initial states, rules, expert."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import mujoco
import numpy as np
import pytest
import yaml

from vla_bench.construct import construct
from vla_bench.envs.tabletop.geometry import Pose, about_axis, matrix, multiply
from vla_bench.envs.tabletop.renderer import LOOKS
from vla_bench.envs.tabletop.scenes.counter import COUNTER_HEIGHT
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.tasks.google_paper.catalog import GOOGLE_PAPER_TASKS as TASKS
from vla_bench.envs.tabletop.tasks.task import Judge, Task, Verdict
from vla_bench.envs.tabletop.world import World
from vla_bench.testing import check_env

CAMERA = "overhead_camera"
HOLD = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
STIR = [np.array([0.03, 0.02, -0.04, 0.0, 0.0, 0.05, 0.0]), HOLD]
# Written down by hand from Appendix B.2.1: what stands before the robot, the named one first.
OBJECTS = {
    "pick_coke_can": ["coke_can"],
    "move_apple_near_green_can": ["apple", "green_can"],
    "move_blue_chip_bag_near_apple": ["blue_chip_bag", "apple"],
    "place_coke_can_upright": ["coke_can"],
    "open_the_middle_drawer": [],
    "move_orange_near_brown_chip_bag": ["orange", "brown_chip_bag"],
    "pick_pepsi_can": ["pepsi_can"],
    "pick_banana": ["banana", "apple", "coke_can"],
    "pick_green_cup": ["green_cup", "banana", "pepsi_can"],
    "place_apple_on_plate": ["apple", "plate"],
    "place_banana_in_pan": ["banana", "pan"],
    "move_coke_can_near_taylor_swift": [
        "coke_can",
        "taylor_swift",
        "dark_haired_face",
        "grey_haired_face",
    ],
}
CLOTHS = {
    "move_orange_near_brown_chip_bag": "counter_sky_tablecloth",
    "pick_pepsi_can": "counter_yellow_tablecloth",
}
FIRST_BANANA = (-0.2932228748, 0.3855705081, 0.87)


@pytest.fixture(scope="module")
def worlds() -> dict[str, World]:
    """One world per task, compiled when first asked for."""

    class Worlds(dict[str, World]):
        def __missing__(self, name: str) -> World:
            task = TASKS[name]
            self[name] = World(task.scene, task.objects, LOOKS["fast"])
            return self[name]

    return Worlds()


def begin(worlds: dict[str, World], name: str, index: int = 0) -> tuple[World, Task, Judge]:
    """An episode's world, just reset, its task and its judge."""
    task, world = TASKS[name], worlds[name]
    world.reset(task.layouts[index], task.home(index))
    return world, task, task.goal.start(world)


def play(world: World, task: Task, judge: Judge) -> list[Verdict]:
    """What `judge` says at each step of an episode of the expert of `task`."""
    expert, verdicts = task.expert(world), []
    for _ in range(task.horizon):
        world.step(expert.act())
        verdicts.append(judge.judge())
    return verdicts


def put(world: World, name: str, pose: Pose, n_steps: int = 6) -> None:
    """Teleport an object's frame and let it come to rest under an idle arm."""
    joint = world.model.joint(f"{name}_free")
    world.data.qpos[joint.qposadr[0] : joint.qposadr[0] + 7] = [*pose.position, *pose.quaternion]
    world.data.qvel[joint.dofadr[0] : joint.dofadr[0] + 6] = 0.0
    mujoco.mj_forward(world.model, world.data)
    for _ in range(n_steps):
        world.step(HOLD)


def over(world: World, name: str, *offset: float) -> Pose:
    """Straight over an object's frame, and `offset` m beside."""
    return Pose(tuple(np.add(world.frame(name)[0], offset)))


def test_tasks_are_the_rows_of_the_papers_table(shared: Path) -> None:
    path = shared / "published/openvla_paper/google_robot_12tasks.csv"
    rows = [r for r in csv.DictReader(path.read_text().splitlines()) if "mean" not in r["task"]]
    splits = {"ID": "in distribution", "OOD": "out of distribution"}
    expected = [(splits[row["category"]], row["task"], int(row["trials"])) for row in rows]
    ours = [(t.facts["split"], t.facts["paper_task"], len(t.layouts)) for t in TASKS.values()]
    assert ours == expected
    assert [t.instruction for t in TASKS.values()] == [row["task"].lower() for row in rows]


def test_scenes_hold_what_the_paper_says_stands_there() -> None:
    assert {name: list(task.objects) for name, task in TASKS.items()} == OBJECTS
    cloths = {n: t.scene.name for n, t in TASKS.items() if t.scene.name.endswith("tablecloth")}
    assert cloths == CLOTHS


def test_the_shipped_config_plans_five_trials_of_every_row(root: Path) -> None:
    env = construct(yaml.safe_load((root / "conf/env/google_robot_tabletop.yaml").read_text()))
    assert env.name == "google_robot_tabletop-v0"
    assert [spec.task for spec in env.episodes()] == [name for name in TASKS for _ in range(5)]
    assert all(card["stand_in"] and card["condition"] for card in env.card["tasks"].values())


def test_no_object_that_shall_be_moved_near_another_starts_near_it() -> None:
    for name in (name for name in TASKS if name.startswith("move")):
        source, target, *_ = OBJECTS[name]
        for layout in TASKS[name].layouts:
            apart = math.dist(layout[source].position[:2], layout[target].position[:2])
            assert apart > 0.19, name


def test_the_rule_that_draws_initial_states_has_not_moved() -> None:
    """These numbers change only together with the suite's version."""
    position = TASKS["pick_banana"].layouts[0]["banana"].position
    assert position == pytest.approx(FIRST_BANANA, abs=1e-9)


def test_initial_states_differ() -> None:
    for task in TASKS.values():
        assert len({repr(layout) for layout in task.layouts}) == 5


@pytest.mark.parametrize("name", TASKS)
def test_objects_are_at_rest_where_they_were_put(worlds: dict[str, World], name: str) -> None:
    for index in range(5):
        world, task, _ = begin(worlds, name, index)
        assert min((contact.dist for contact in world.data.contact), default=0.0) > -1e-4
        for thing, kind in task.objects.items():
            if not kind.fixed:
                address = world.model.joint(f"{thing}_free").dofadr[0]
                assert np.linalg.norm(world.data.qvel[address : address + 3]) < 1e-3
                spin = world.data.qvel[address + 3 : address + 6]
                assert np.linalg.norm(spin) < 3e-3  # rad/s: what is round creeps about
            spawn = task.layouts[index][thing]
            rest = matrix(spawn.quaternion) @ kind.rest.position + spawn.position
            assert np.linalg.norm(world.frame(thing)[0] - rest) < 0.003, thing


def test_the_contract_of_an_env_is_kept() -> None:
    names = ["pick_pepsi_can", "place_banana_in_pan"]
    env = TabletopEnv(names, 1, [0], [64, 64], "fast", "official", "none")
    check_env(env, STIR, n_episodes=1)


@pytest.mark.parametrize("name", CLOTHS)
def test_a_tablecloth_changes_most_of_the_counter(worlds: dict[str, World], name: str) -> None:
    images = []
    for each in (name, "pick_coke_can"):
        world, _, _ = begin(worlds, each)
        images.append(world.render(CAMERA, (64, 64)).astype(float))
    assert (np.abs(images[0] - images[1]).max(axis=-1) > 20.0).mean() > 0.25


@pytest.mark.parametrize("name", TASKS)
def test_the_expert_solves_a_sample_and_passes_every_sub_goal(
    worlds: dict[str, World], name: str
) -> None:
    world, task, judge = begin(worlds, name, 3)
    verdicts = play(world, task, judge)
    assert (verdicts[-1].success, verdicts[-1].score) == (True, 1.0)
    assert set(task.goal.events) <= set[str]().union(*(v.events for v in verdicts))


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_the_expert_solves_every_trial(worlds: dict[str, World], name: str) -> None:
    outcomes = []
    for index in range(5):
        world, task, judge = begin(worlds, name, index)
        outcomes.append(play(world, task, judge)[-1].success)
    assert outcomes == [True] * 5


@pytest.mark.parametrize("name", TASKS)
def test_an_idle_arm_earns_nothing(worlds: dict[str, World], name: str) -> None:
    world, _, judge = begin(worlds, name, 1)
    for _ in range(10):
        world.step(HOLD)
        verdict = judge.judge()
    assert (verdict.success, verdict.score) == (False, 0.0)


@pytest.mark.parametrize(
    ("lean", "height", "upright"),
    [(0.0, 0.069, True), (10.0, 0.074, True), (20.0, 0.076, False), (180.0, 0.054, False)],
)
def test_a_can_is_upright_with_its_lid_up_within_15_degrees(
    worlds: dict[str, World], lean: float, height: float, upright: bool
) -> None:
    world, _, judge = begin(worlds, "place_coke_can_upright")
    lid_up = about_axis("x", math.pi / 2)
    turned = multiply(about_axis("x", math.radians(lean)), lid_up)
    put(world, "coke_can", Pose((-0.2, 0.2, COUNTER_HEIGHT + height), tuple(turned)), n_steps=0)
    assert judge.judge().success is upright


def test_an_apple_on_the_plate_is_placed_and_near_it_is_not(worlds: dict[str, World]) -> None:
    world, _, judge = begin(worlds, "place_apple_on_plate")
    put(world, "apple", over(world, "plate", 0.0, 0.0, 0.042))
    assert judge.judge().success
    put(world, "apple", over(world, "plate", 0.0, -0.16, 0.040))
    assert not judge.judge().success


def test_a_banana_in_the_pan_is_placed_and_across_the_rim_is_not(worlds: dict[str, World]) -> None:
    world, _, judge = begin(worlds, "place_banana_in_pan")
    put(world, "banana", over(world, "pan", 0.0, 0.0, 0.010))
    assert judge.judge().success
    put(world, "banana", over(world, "pan", 0.0, -0.13, 0.045), n_steps=0)
    assert not judge.judge().success


@pytest.mark.parametrize("face", ["taylor_swift", "dark_haired_face", "grey_haired_face"])
def test_only_the_named_face_counts(worlds: dict[str, World], face: str) -> None:
    world, task, judge = begin(worlds, "move_coke_can_near_taylor_swift")
    x, y, _ = world.frame(face)[0]
    height = COUNTER_HEIGHT + 0.002 + task.objects["coke_can"].rest.position[2]
    put(world, "coke_can", Pose((x + 0.05, y, height), about_axis("x", math.pi / 2)))
    assert judge.judge().success is (face == "taylor_swift")
