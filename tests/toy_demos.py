"""A toy expert for the toy corridor, and small data sets made with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from toys import LINE, Corridor

from vla_bench import store
from vla_bench.demos import Settings, record
from vla_bench.protocols import FloatArray, Observation, Request


class Stroller:
    """The corridor's expert plus noise, but backwards in the episodes named in `lost`."""

    cameras: Sequence[str] = ()
    history = 1
    privileged = True
    action_spec = LINE
    name = "stroller"

    def __init__(self, noise: float = 0.05, lost: Sequence[str] = (), chunk: int = 1) -> None:
        self._noise, self._lost, self._chunk = noise, tuple(lost), chunk

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        return [self._rows(request) for request in requests]

    def _rows(self, request: Request) -> FloatArray:
        step = request.memory["step"] = request.memory.get("step", 0) + 1
        seed = [step, *request.episode_id.encode()]
        expert = request.observations[-1].privileged["expert_action"]
        noise = np.array([self._noise * np.random.default_rng(seed).normal(), 0.0])
        sign = -1.0 if request.episode_id in self._lost else 1.0
        return np.tile(sign * expert + noise, (self._chunk, 1))


class Orphan(Corridor):
    """A corridor whose expert has left."""

    def observe(self, cameras: Sequence[str], privileged: bool) -> Observation:
        seen = super().observe(cameras, privileged)
        state = {k: v for k, v in seen.privileged.items() if k != "expert_action"}
        return replace(seen, privileged=state)


class Turning(Corridor):
    """A corridor in which the words change on the way."""

    def observe(self, cameras: Sequence[str], privileged: bool) -> Observation:
        seen = super().observe(cameras, privileged)
        return replace(seen, instruction="go on" if self._n_steps > 2 else "go")


def settings(folder: Path | str, **changes: Any) -> Settings:
    """A recording of four corridor episodes of which one, walk-01-s0, fails."""
    policy = {"_target_": "toy_demos.Stroller", "lost": ["walk-01-s0"]}
    usual: dict[str, Any] = {
        "policy": {**policy, **changes.pop("policy", {})},
        "env": {"_target_": "toys.Corridor", **changes.pop("env", {})},
        "n": 4,
        "output": str(folder),
        "cameras": None,
        "images": "video",
        "n_lanes": 2,
        "lane_python": None,
        "lane_timeout_seconds": 60.0,
        "max_errors": 1,
    }
    return Settings(**{**usual, **changes})


def recorded(folder: Path | str, **changes: Any) -> store.Run:
    """Record them."""
    return record(settings(folder, **changes), Console(quiet=True))
