"""The tasks as ordinary Gymnasium environments."""

from __future__ import annotations

import subprocess
import sys
from typing import cast

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from vla_bench.envs.registration import IDS, register_envs
from vla_bench.envs.tabletop.gym import PROPRIO, TabletopGymEnv
from vla_bench.envs.tabletop.suites import SUITES, Suite, suite_of
from vla_bench.errors import MissingDependencyError


def test_every_task_of_every_suite_has_an_id_with_its_suites_version() -> None:
    assert sorted(IDS.values()) == sorted(task for suite in SUITES.values() for task in suite.tasks)
    for name, task in IDS.items():
        assert name.rsplit("-", 1)[1] == suite_of([task]).name.rsplit("-", 1)[1]


def test_an_id_begins_with_its_robot() -> None:
    robots = {"widowx": "WidowX", "google_robot": "GoogleRobot", "panda": "Franka"}
    for name, task in IDS.items():
        robot = suite_of([task]).tasks[task].scene.mount.robot.name
        assert name.startswith(f"vla_bench/{robots[robot]}")


@pytest.mark.parametrize("name", IDS)
def test_gymnasiums_own_checker_is_content(name: str) -> None:
    _require_files(suite_of([IDS[name]]), IDS[name])
    env = gymnasium.make(name, image_size=(48, 48), look="fast", render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


def test_frames_are_shown_at_the_robots_own_rate() -> None:
    rates = {}
    for name in ("WidowXStackCube", "GoogleRobotMoveNear", "FrankaWipeTable"):
        env = gymnasium.make(f"vla_bench/{name}-v0")
        rates[name] = env.metadata["render_fps"]
        env.close()
    assert rates == {"WidowXStackCube": 5, "GoogleRobotMoveNear": 3, "FrankaWipeTable": 15}


def test_an_id_that_names_the_package_needs_no_import() -> None:
    env = gymnasium.make("vla_bench.envs:vla_bench/WidowXStackCube-v0")
    observation, _ = env.reset(seed=0)
    assert observation["images"]["3rd_view_camera"].shape == (224, 224, 3)
    env.close()


@pytest.mark.parametrize("imports", ["gymnasium, vla_bench.envs", "vla_bench.envs, gymnasium"])
def test_importing_the_package_is_enough_in_any_order(imports: str) -> None:
    code = f"import {imports}; gymnasium.make('vla_bench/WidowXCarrotOnPlate-v0')"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["WidowXStackCube", "GoogleRobotPickBanana", "FrankaWipeTable"])
def test_the_joints_bound_is_beyond_every_joints_range(name: str) -> None:
    env = gymnasium.make(f"vla_bench/{name}-v0", image_size=(32, 32), look="fast")
    env.reset(seed=0)
    suite = cast("TabletopGymEnv", env.unwrapped)._env
    model = suite.world.model
    arm = suite.world.robot.arm
    ranges = [model.joint(joint).range for joint in arm]
    assert max(abs(low_high).max() for low_high in ranges) < PROPRIO["joint_positions"]
    env.close()


def test_registering_twice_is_harmless() -> None:
    register_envs()
    assert set(IDS) <= set(gymnasium.registry)


def test_an_episode_can_be_asked_for_and_the_return_is_the_score() -> None:
    env = gymnasium.make("vla_bench/WidowXCarrotOnPlate-v0", image_size=(32, 32), look="fast")
    suite = cast("TabletopGymEnv", env.unwrapped)._env
    observation, info = env.reset(options={"episode": 7})
    assert info == {
        "success": False,
        "score": 0.0,
        "events": [],
        "instruction": "put carrot on plate",
        "episode": 7,
    }
    assert observation["instruction"] == "put carrot on plate"
    rewards: list[float] = []
    truncated = False
    while not truncated:
        action = suite.observe([], privileged=True).privileged["expert_action"]
        _, reward, terminated, truncated, info = env.step(action)
        rewards.append(float(reward))
        assert not terminated
    assert len(rewards) == 60
    assert info["success"]
    assert sum(rewards) == info["score"] == 1.0
    env.close()


def test_seeds_draw_different_initial_states() -> None:
    env = gymnasium.make("vla_bench/WidowXStackCube-v0", image_size=(16, 16), look="fast")
    drawn = [env.reset(seed=seed)[1]["episode"] for seed in range(8)]
    assert len(set(drawn)) > 3
    assert drawn == [env.reset(seed=seed)[1]["episode"] for seed in range(8)]
    env.close()


def _require_files(suite: Suite, task: str) -> None:
    if suite.require is None:
        return
    try:
        suite.require([suite.tasks[task]])
    except MissingDependencyError as error:
        pytest.skip(str(error))
