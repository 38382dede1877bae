"""An env that costs nothing and a policy that costs nothing: what is left is the harness."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.episode import EpisodeSpec
from vla_bench.protocols import FloatArray, Observation, Request, Step


class NullEnv:
    """One constant 256×256×3 image, episodes of `horizon` steps that succeed at the end."""

    name = "null-v0"
    action_spec = DELTA_TCP_POSE
    cameras: Sequence[str] = ("front",)

    def __init__(self, n_episodes: int, horizon: int) -> None:
        self._n_episodes, self._horizon, self._n_steps = n_episodes, horizon, 0
        tasks = {"null": {"instruction": "do nothing", "horizon": horizon}}
        self.card: Mapping[str, Any] = {"tasks": tasks, "control_hz": 5}
        image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        self._image = np.kron(image, np.ones((8, 8, 1), np.uint8))

    def episodes(self) -> list[EpisodeSpec]:
        return [EpisodeSpec(f"null-{i}", "null", i, 0) for i in range(self._n_episodes)]

    def reset(self, spec: EpisodeSpec) -> None:
        del spec
        self._n_steps = 0

    def observe(self, cameras: Sequence[str], privileged: bool) -> Observation:
        del privileged
        return Observation(dict.fromkeys(cameras, self._image), "do nothing")

    def step(self, action: FloatArray) -> Step:
        del action
        self._n_steps += 1
        done = self._n_steps >= self._horizon
        return Step(False, done, done, float(done))

    def close(self) -> None:
        pass


class NullPolicy:
    """Looks at the image, does nothing; a batch takes `act_seconds` of wall time."""

    action_spec = DELTA_TCP_POSE
    cameras: Sequence[str] = ("front",)
    history = 1

    def __init__(self, chunk: int = 1, act_seconds: float = 0.0) -> None:
        self.name = f"null, chunk {chunk}"
        self._chunk = np.zeros((chunk, self.action_spec.dim))
        self._act_seconds = act_seconds

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        if self._act_seconds:
            time.sleep(self._act_seconds)
        return [self._chunk] * len(requests)
