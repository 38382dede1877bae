"""Toy policies and a toy env, real implementations of the seams; lanes import them by name."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vla_bench.actions import DELTA_TCP_POSE, ActionSpec, Dimension
from vla_bench.episode import EpisodeSpec
from vla_bench.protocols import FloatArray, Observation, Request, Step

LINE = ActionSpec(
    (Dimension("x", "m", "base", -1.0, 1.0), Dimension("gripper_open", "1", "-", 0.0, 1.0))
)


class Corridor:
    """A point on a line that must end beyond 1 m; `image` shows where it is.

    `trouble` names what goes wrong in episode `troubled`: crash, exit, hang, nan, once (crash in
    the first attempt only, remembered by a file in `scratch`).
    """

    name = "corridor-v0"
    action_spec = LINE
    cameras: Sequence[str] = ("front", "side")

    def __init__(
        self,
        n_episodes: int = 6,
        horizon: int = 5,
        trouble: str = "none",
        troubled: int = 1,
        scratch: str = "",
        step_seconds: float = 0.0,
    ) -> None:
        self.card: dict[str, Any] = {
            "suite": "corridor",
            "control_hz": 5,
            "image_size": [16, 16],
            "seeds": [0],
            "success": "x > 1 m at the end",
            "tasks": {
                "walk": {
                    "instruction": "walk to the end",
                    "horizon": horizon,
                    "success": "x > 1 m",
                    "events": ["moved", "arrived"],
                    "n_episodes": n_episodes,
                }
            },
        }
        self._n_episodes, self._horizon = n_episodes, horizon
        self._trouble, self._troubled, self._scratch = trouble, troubled, scratch
        self._step_seconds = step_seconds

    def episodes(self) -> list[EpisodeSpec]:
        return [EpisodeSpec(f"walk-{i:02d}-s0", "walk", i, 0) for i in range(self._n_episodes)]

    def reset(self, spec: EpisodeSpec) -> None:
        self._spec, self._n_steps = spec, 0
        self._x = 0.05 * spec.index
        if spec.index == self._troubled:
            self._cause_trouble()

    def _cause_trouble(self) -> None:
        if self._trouble == "crash":
            raise RuntimeError("the simulator fell over")
        if self._trouble == "eof":
            raise EOFError("No data left in file")
        if self._trouble == "exit":
            os._exit(7)
        if self._trouble == "segfault":
            ctypes.string_at(0)
        if self._trouble == "hang":
            time.sleep(1000)
        if self._trouble == "once":
            mark = Path(self._scratch) / f"tried-{self._spec.id}"
            if not mark.exists():
                mark.touch()
                raise RuntimeError("the simulator fell over, once")

    def observe(self, cameras: Sequence[str], privileged: bool) -> Observation:
        shade = np.uint8(np.clip(40 + 40 * self._x, 0, 255))
        images = {c: np.full((16, 16, 3), shade, np.uint8) for c in cameras}
        for name in images:
            images[name][0, 0] = len(name)
        state = {"x": np.array([self._x]), "expert_action": np.array([0.5, 1.0])}
        proprio = {"x": np.array([self._x])}
        return Observation(images, "walk to the end", proprio, state if privileged else {})

    def step(self, action: FloatArray) -> Step:
        if self._step_seconds:
            time.sleep(self._step_seconds)
        self._n_steps += 1
        self._x += float(action[0])
        arrived = self._x > 1.0
        score = float(np.clip(self._x, 0.0, 1.0))
        if self._trouble == "nan" and self._spec.index == self._troubled:
            score = float("nan")
        events = {"moved"} if abs(self._x) > 0.2 else set()
        events |= {"arrived"} if arrived else set()
        return Step(False, self._n_steps >= self._horizon, arrived, score, frozenset(events))

    def close(self) -> None:
        sys.stdout.flush()


class OtherCorridor(Corridor):
    """A corridor that is walked by a tool's pose."""

    action_spec = DELTA_TCP_POSE


class Walker:
    """Walks at a speed that follows from what it sees; `trouble` breaks its contract.

    trouble: none, raise, shape, nan, count, blind: in every episode, or in `troubled` alone.
    """

    action_spec = LINE

    def __init__(
        self,
        name: str = "walker",
        speed: float = 0.3,
        chunk: int = 1,
        history: int = 1,
        trouble: str = "none",
        troubled: str = "",
        act_seconds: float = 0.0,
    ) -> None:
        self.name, self.history, self.cameras = name, history, ("front",)
        self._speed, self._chunk = speed, chunk
        self._trouble, self._troubled = trouble, troubled
        self._act_seconds = act_seconds
        self.batch_sizes: list[int] = []

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        time.sleep(self._act_seconds)
        self.batch_sizes.append(len(requests))
        if self._trouble == "count":
            return []
        return [self._rows(r) for r in requests]

    def _rows(self, request: Request) -> FloatArray:
        request.memory["calls"] = request.counts["calls"] = request.memory.get("calls", 0) + 1
        if not self._troubled or request.episode_id == self._troubled:
            if self._trouble == "raise":
                raise ValueError("the policy fell over")
            if self._trouble == "shape":
                return np.zeros((1, 3))
            if self._trouble == "nan":
                return np.full((1, 2), np.nan)
            if self._trouble == "blind":
                return np.full((1, 2), 0.1)
        shade = float(np.mean([o.images["front"].mean() for o in request.observations]))
        rng = np.random.default_rng([request.seed, request.memory["calls"]])
        speed = self._speed + 1e-4 * shade + 1e-3 * rng.normal()
        return np.tile([speed, 1.0], (self._chunk, 1))


class Trained(Walker):
    """A walker whose speed is its weights: the text of a file."""

    def __init__(self, checkpoint: str) -> None:
        self.weights = Path(checkpoint).read_text()
        super().__init__("trained", float(self.weights))


def explode() -> None:
    """Fails inside, as a constructor with a fault of its own does."""
    _ = "a" - 1  # type: ignore[operator]
