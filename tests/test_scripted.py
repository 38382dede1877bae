"""The scripted policy's noise: how often, how much, and that it is the episode's own."""

from __future__ import annotations

import numpy as np
import pytest

from vla_bench.errors import ConfigError
from vla_bench.policies.scripted import Scripted
from vla_bench.protocols import Observation, Request

EXPERT = np.array([0.01, 0.0, -0.02, 0.0, 0.1, 0.0, 1.0])


def _rows(noisy_share: float, n: int) -> np.ndarray:
    policy = Scripted("expert", 0.02, 0.2, noisy_share)
    seen = Observation({}, "go", privileged={"expert_action": EXPERT})
    request = Request("episode", [seen], seed=0)
    return np.array([policy.act([request])[0][0] for _ in range(n)])


def test_a_share_of_the_steps_has_noise_and_the_others_are_the_experts() -> None:
    rows = _rows(0.25, 2000)
    noisy = (rows != EXPERT).any(axis=1)
    assert 0.21 < noisy.mean() < 0.29
    assert (rows[noisy] - EXPERT)[:, :3].std() == pytest.approx(0.02, rel=0.1)
    assert (rows[noisy] - EXPERT)[:, 3:6].std() == pytest.approx(0.2, rel=0.1)
    np.testing.assert_array_equal(rows[:, 6], 1.0)


def test_a_share_of_nothing_and_of_everything() -> None:
    np.testing.assert_array_equal(_rows(0.0, 20), np.tile(EXPERT, (20, 1)))
    assert (_rows(1.0, 20)[:, :6] != EXPERT[:6]).all()


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="noisy_share: expected 0 to 1, got 12"):
        Scripted("expert", 0.02, 0.2, 12)
