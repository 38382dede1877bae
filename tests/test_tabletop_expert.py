"""The scripted expert: it solves every task through the public action, or no policy could."""

from __future__ import annotations

import numpy as np
import pytest

from vla_bench.envs.tabletop.suite import TabletopEnv
from vla_bench.envs.tabletop.tasks.registry import TASKS
from vla_bench.episode import EpisodeSpec
from vla_bench.protocols import FloatArray

OPEN = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])


def play(env: TabletopEnv, spec: EpisodeSpec, noise: float) -> tuple[list[float], set[str], bool]:
    """Let the expert act through the public action, its actions disturbed."""
    rng = np.random.default_rng(spec.index)
    scales = noise * np.array([0.005, 0.005, 0.005, 0.05, 0.05, 0.05, 0.0])  # m, rad
    env.reset(spec)
    scores, events = [], set[str]()
    while True:
        action = env.observe([], privileged=True).privileged["expert_action"]
        step = env.step(action + scales * rng.standard_normal(7))
        scores.append(step.score)
        events |= step.events
        if step.truncated:
            return scores, events, step.success


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_expert_solves_a_sample_of_every_task_with_and_without_noise(
    task: str, noise: float
) -> None:
    env = TabletopEnv([task], 24, [0], [32, 32], "fast", "official", "none")
    for index in (1, 22):
        scores, events, success = play(env, env.episodes()[index], noise)
        assert success
        assert scores == sorted(scores)
        assert set(TASKS[task].goal.events) <= events


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_expert_solves_all_96_episodes(noise: float) -> None:
    env = TabletopEnv(list(TASKS), 24, [0], [32, 32], "fast", "official", "none")
    outcomes = [play(env, spec, noise)[2] for spec in env.episodes()]
    assert sum(outcomes) >= 95


def test_the_expert_starts_again_when_the_carrot_is_taken_from_its_hand() -> None:
    env = TabletopEnv(["carrot_on_plate"], 1, [0], [32, 32], "fast", "official", "none")
    env.reset(env.episodes()[0])
    rows: list[FloatArray] = []
    scores: list[float] = []
    taken_at, truncated = None, False
    while not truncated:
        rows.append(env.observe([], privileged=True).privileged["expert_action"])
        step = env.step(rows[-1])
        scores.append(step.score)
        truncated = step.truncated
        if "lifted" in step.events and taken_at is None:
            taken_at = len(rows)
            for _ in range(5):
                scores.append(env.step(OPEN).score)
    assert taken_at is not None
    assert rows[taken_at][6] == 1.0  # noticed at once
    assert scores == sorted(scores)  # partial credit is kept while the carrot is fetched again
    assert step.success


class Counting:
    """An expert that only counts how often it is asked."""

    def __init__(self) -> None:
        self.n_asked = 0

    def act(self) -> FloatArray:
        self.n_asked += 1
        return OPEN


def test_the_expert_advances_once_per_privileged_observation_and_never_otherwise() -> None:
    env = TabletopEnv(["stack_cube"], 1, [0], [32, 32], "fast", "official", "none")
    env.reset(env.episodes()[0])
    env._expert = expert = Counting()
    for _ in range(3):
        env.observe([], privileged=True)
        env.observe([], privileged=False)
        env.step(OPEN)
    assert expert.n_asked == 3
