"""`TabletopEnv`: the contract, the plan, determinism, what it refuses."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from vla_bench.construct import construct
from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.suites import SUITES
from vla_bench.envs.tabletop.tasks.registry import TASKS
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import ConfigError, EnvError
from vla_bench.protocols import FloatArray
from vla_bench.testing import check_env

CAMERA = "3rd_view_camera"
HOLD = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
STIR = [  # reaches the objects of the table, and pushes them
    np.array([0.03, 0.02, -0.04, 0.0, 0.0, 0.05, 0.0]),
    np.array([-0.02, -0.04, -0.02, 0.03, 0.0, 0.0, 0.4]),
    np.array([0.01, 0.03, 0.01, 0.0, 0.04, -0.1, 1.0]),
]


def make_env(**changes: Any) -> TabletopEnv:
    arguments: dict[str, Any] = {
        "tasks": list(TASKS),
        "n_episodes": 24,
        "seeds": [0],
        "image_size": [64, 64],
        "look": "fast",
        "layouts": "official",
        "variation": "none",
    }
    return TabletopEnv(**{**arguments, **changes})


@pytest.fixture(scope="module")
def env() -> TabletopEnv:
    return make_env()


def spec_of(task: str, index: int = 0) -> EpisodeSpec:
    return EpisodeSpec(f"{task}-{index:02d}-s0", task, index, 0)


def fingerprint(env: TabletopEnv, spec: EpisodeSpec, actions: list[FloatArray]) -> str:
    """A hash of all that the env says during a few fixed steps of an episode."""
    env.reset(spec)
    digest = hashlib.sha256()
    for action in actions:
        seen = env.observe([CAMERA], privileged=True)
        for values in (*seen.images.values(), *seen.proprio.values(), *seen.privileged.values()):
            digest.update(np.ascontiguousarray(values).data)
        step = env.step(action)
        digest.update(repr((step.success, step.score, sorted(step.events))).encode())
    return digest.hexdigest()


def test_the_contract_of_an_env_is_kept_for_every_task() -> None:
    check_env(make_env(n_episodes=1), STIR, n_episodes=1)


def test_another_process_in_another_order_sees_the_same_to_the_last_bit() -> None:
    code = (
        "import test_tabletop_env as t; e = t.make_env(); "
        "print([t.fingerprint(e, t.spec_of(n, 5), t.STIR) for n in reversed(t.TASKS)][::-1])"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    env = make_env()
    assert (
        repr([fingerprint(env, spec_of(name, 5), STIR) for name in TASKS]) == other.stdout.strip()
    )


def test_the_shipped_config_plans_24_initial_states_of_each_of_the_four_tasks(root: Path) -> None:
    config = yaml.safe_load((root / "conf/env/widowx_simpler_tabletop.yaml").read_text())
    plan = construct(config).episodes()
    assert [spec.id for spec in plan[:2]] == ["spoon_on_towel-00-s0", "spoon_on_towel-01-s0"]
    assert [spec.task for spec in plan] == [task for task in config["tasks"] for _ in range(24)]


def test_seeds_are_trials_of_one_initial_state() -> None:
    plan = make_env(tasks=["stack_cube"], n_episodes=2, seeds=[0, 7]).episodes()
    assert [spec.id for spec in plan] == [
        "stack_cube-00-s0",
        "stack_cube-00-s7",
        "stack_cube-01-s0",
        "stack_cube-01-s7",
    ]
    assert [(spec.index, spec.seed, spec.variation) for spec in plan[:2]] == [
        (0, 0, "none"),
        (0, 7, "none"),
    ]


def test_all_24_initial_states_of_a_task_look_different(env: TabletopEnv) -> None:
    for task in TASKS:
        images = set()
        for index in range(24):
            env.reset(spec_of(task, index))
            images.add(env.observe([CAMERA], privileged=False).images[CAMERA].tobytes())
        assert len(images) == 24


def test_an_episode_ends_at_the_horizon_and_not_before(env: TabletopEnv) -> None:
    env.reset(spec_of("carrot_on_plate"))
    steps = [env.step(HOLD) for _ in range(60)]
    assert [step.truncated for step in steps] == [False] * 59 + [True]
    assert not any(step.terminated for step in steps)


def test_the_card_says_that_it_is_a_twin_and_names_every_horizon(env: TabletopEnv) -> None:
    card = json.loads(json.dumps(env.card))
    assert "primitive shapes" in card["description"]
    assert "not SIMPLER rates" in card["description"]
    assert {task: card["tasks"][task]["horizon"] for task in card["tasks"]} == {
        "spoon_on_towel": 60,
        "carrot_on_plate": 60,
        "stack_cube": 60,
        "eggplant_in_basket": 120,
    }
    assert card["tasks"]["carrot_on_plate"]["instruction"] == "put carrot on plate"


def test_proprio_has_the_promised_shapes_and_starts_at_simplers_home(env: TabletopEnv) -> None:
    env.reset(spec_of("carrot_on_plate"))
    proprio = env.observe([], privileged=False).proprio
    # simpler.md §2.3: the TCP in the base frame at the official initial joint positions
    expected = [0.292069, -0.006091, 0.135321, 0.686712, 0.005257, 0.726866, -0.008084]
    np.testing.assert_allclose(proprio["tcp_pose"], expected, atol=2e-6)
    np.testing.assert_allclose(proprio["gripper_open"], [1.0], atol=1e-6)
    assert proprio["joint_positions"].shape == (6,)


def test_privileged_state_is_only_given_when_asked_for(env: TabletopEnv) -> None:
    env.reset(spec_of("carrot_on_plate"))
    assert env.observe([], privileged=False).privileged == {}
    shown = env.observe([], privileged=True).privileged
    assert {name: values.shape for name, values in shown.items()} == {
        "carrot_pose": (7,),
        "plate_pose": (7,),
        "expert_action": (7,),
    }


@pytest.mark.parametrize("bad", [np.full(7, np.nan), np.r_[np.inf, np.zeros(6)], np.zeros(6)])
def test_an_action_that_is_not_seven_finite_numbers_is_refused(
    env: TabletopEnv, bad: FloatArray
) -> None:
    env.reset(spec_of("carrot_on_plate"))
    with pytest.raises(EnvError, match=r"Expected 7 finite numbers \(x, y, z, rx, ry, rz, grip"):
        env.step(bad)


def test_a_huge_finite_action_is_executed_without_harm(env: TabletopEnv) -> None:
    env.reset(spec_of("carrot_on_plate"))
    before = env.observe([], privileged=False).proprio["tcp_pose"]
    env.step(np.array([50.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0]))
    after = env.observe([], privileged=False).proprio["tcp_pose"]
    np.testing.assert_allclose(after, before, atol=1e-6)  # out of reach: the arm holds


def test_physics_that_breaks_is_an_error_and_not_a_silent_restart(
    env: TabletopEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where MuJoCo leaves its log
    env.reset(spec_of("carrot_on_plate"))
    env._running()[0].data.qvel[10] = np.nan
    with pytest.raises(EnvError, match="The physics became unstable at action"):
        env.step(HOLD)
    env.reset(spec_of("carrot_on_plate"))
    env.step(HOLD)


def test_a_misspelt_task_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as caught:
        make_env(tasks=["carrot_on_plat"])
    assert str(caught.value) == (
        "Unknown task 'carrot_on_plat'. Did you mean 'carrot_on_plate'? "
        f"Valid: {', '.join(sorted(task for suite in SUITES.values() for task in suite.tasks))}."
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_episodes": 25}, "n_episodes=25 is not possible: expected 1 to 24"),
        ({"n_episodes": 0}, "n_episodes=0 is not possible"),
        ({"seeds": []}, r"seeds=\[\]: expected one or more different integers"),
        ({"seeds": [1, 1]}, r"seeds=\[1, 1\]: expected one or more different"),
        ({"look": "defualt"}, "Unknown look 'defualt'. Did you mean 'default'"),
        ({"tasks": []}, "tasks is empty"),
    ],
)
def test_a_config_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_env(**changes)


def test_what_was_not_planned_is_refused(env: TabletopEnv) -> None:
    with pytest.raises(ConfigError, match="Unknown variation 'visual/lighting/drak'"):
        env.reset(EpisodeSpec("x", "stack_cube", 0, 0, variation="visual/lighting/drak"))
    with pytest.raises(ConfigError, match="initial states 0 to 23, got 24"):
        env.reset(spec_of("stack_cube", 24))
    with pytest.raises(ConfigError, match="Unknown task 'stack_cube'"):
        make_env(tasks=["spoon_on_towel"]).reset(spec_of("stack_cube"))
    env.reset(spec_of("stack_cube"))
    with pytest.raises(EnvError, match="has cameras"):
        env.observe(["wrist"], privileged=False)
    with pytest.raises(EnvError, match=r"expected reset\(spec\) before"):
        make_env().step(HOLD)
