from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toys import Corridor, Walker

from vla_bench.errors import EnvError, PolicyError
from vla_bench.protocols import FloatArray, Observation, Request, Step
from vla_bench.testing import check_env, check_policy

ACTIONS = [np.array([0.3, 1.0]), np.array([-0.1, 0.0])]


def observation() -> Observation:
    env = Corridor()
    env.reset(env.episodes()[0])
    return env.observe(["front"], privileged=True)


class Forgetful(Walker):
    """Keeps its episode in itself."""

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        self._speed += 0.01
        return super().act(requests)


class Leaky(Walker):
    """Counts the calls of all episodes together."""

    def __init__(self) -> None:
        super().__init__()
        self.n_calls: dict[str, int] = {}

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        chunks = super().act(requests)
        for request in requests:
            if request.memory["calls"] > 1:
                chunks = [chunk + len(self.n_calls) for chunk in chunks]
            self.n_calls[request.episode_id] = 1
        return chunks


class Longer(Walker):
    """Answers a batch with longer chunks."""

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        chunks = super().act(requests)
        return chunks if len(chunks) == 1 else [np.tile(chunk, (2, 1)) for chunk in chunks]


class BatchMean(Walker):
    """Mixes the requests of a batch."""

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        chunks = super().act(requests)
        return [np.mean(chunks, axis=0)] * len(chunks)


class Drifting(Corridor):
    """Remembers the episode before."""

    _drift = 0.0

    def reset(self, spec: Any) -> None:
        super().reset(spec)
        self._drift += 0.01
        self._x += self._drift


class Generous(Corridor):
    """Shows more than was asked for."""

    def observe(self, cameras: Sequence[str], privileged: bool) -> Observation:
        del cameras
        return super().observe(["front", "side"], privileged)


class Indiscreet(Corridor):
    """Shows its state to everybody."""

    def observe(self, cameras: Sequence[str], privileged: bool) -> Observation:
        del privileged
        return super().observe(cameras, privileged=True)


def test_sound_toys_pass() -> None:
    check_policy(Walker(), observation())
    check_env(Corridor(), ACTIONS)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (Forgetful(), "the same request gave two chunks"),
        (Longer(), r"request 0 of a batch of 3 got a chunk \(2, 2\), alone \(1, 2\)"),
        (BatchMean(), "request 0 of a batch of 3 got another chunk than alone"),
        (Leaky(), "what one episode gets depends on another"),
        (Walker(trouble="blind"), "ignores its images"),
        (Walker(trouble="nan"), "expected finite actions"),
        (Walker(trouble="shape"), "expected a chunk of shape"),
    ],
)
def test_a_policy_that_breaks_the_contract_is_told_which_rule(policy: Walker, text: str) -> None:
    with pytest.raises(PolicyError, match=text):
        check_policy(policy, observation())


def test_an_env_that_remembers_is_found_out() -> None:
    with pytest.raises(EnvError, match="is not a function of its spec"):
        check_env(Drifting(), ACTIONS)


def test_an_env_that_shows_too_much_is_found_out() -> None:
    with pytest.raises(EnvError, match=r"asked for the images of \['front'\], got"):
        check_env(Generous(), ACTIONS)
    with pytest.raises(EnvError, match=r"showed \['x', 'expert_action'\] to a policy that is not"):
        check_env(Indiscreet(), ACTIONS)


class Endless(Corridor):
    """Never says that an episode is over."""

    def step(self, action: FloatArray) -> Step:
        return replace(super().step(action), terminated=False, truncated=False)


def test_an_env_whose_episodes_never_end_is_found_out() -> None:
    with pytest.raises(EnvError, match="episode walk-00-s0 has not ended after 2000 steps"):
        check_env(Endless(), ACTIONS)


def test_an_env_without_a_version_is_found_out() -> None:
    env = Corridor()
    env.name = "corridor"
    with pytest.raises(EnvError, match="expected a name that ends in a version"):
        check_env(env, ACTIONS)
