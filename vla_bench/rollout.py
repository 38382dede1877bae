"""One episode, top to bottom. Knows neither processes nor batches: `act` is just a function.

Runs on Python 3.10.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vla_bench.episode import EpisodeRecord, EpisodeSpec, Outcome
from vla_bench.errors import EnvError
from vla_bench.protocols import Env, FloatArray, Observation, Policy, Step, is_privileged

Act = Callable[[Sequence[Observation]], FloatArray]
"""The last observations, oldest first -> a chunk (h, dim), every row executed open loop."""


@dataclass(frozen=True)
class View:
    """What of an env a policy is shown: the part of a policy that travels to a lane."""

    cameras: tuple[str, ...]
    history: int
    privileged: bool

    @classmethod
    def of(cls, policy: Policy) -> View:
        return cls(tuple(policy.cameras), policy.history, is_privileged(policy))


def rollout(env: Env, spec: EpisodeSpec, act: Act, view: View) -> EpisodeRecord:
    """Run `spec` to its end and say what happened.

    The outcome is that of the last executed step: an env whose rule is "once reached, reached"
    latches it itself. ``policy_seconds`` is the time spent waiting for `act`. Rows inside a chunk
    are not observed when ``view.history`` is 1. Raises EnvError when the env returns something
    that is not finite.
    """
    started = time.perf_counter()
    act_seconds = 0.0
    env.reset(spec)
    observation, image_hash = _first_observation(env, view)
    history = deque([observation], maxlen=view.history)
    rows: list[FloatArray] = []
    events: dict[str, int] = {}
    n_inferences = 0
    step: Step | None = None
    while step is None or not (step.terminated or step.truncated):
        asked = time.perf_counter()
        chunk = act(tuple(history))
        act_seconds += time.perf_counter() - asked
        n_inferences += 1
        for rows_left, row in zip(range(len(chunk) - 1, -1, -1), chunk):
            step = env.step(row)
            rows.append(row)
            _check_step(step, n_steps=len(rows))
            for name in step.events:
                events.setdefault(name, len(rows))
            if step.terminated or step.truncated:
                break
            if rows_left == 0 or view.history > 1:
                history.append(_observe(env, view.cameras, view.privileged))
    return EpisodeRecord(
        spec=spec,
        outcome=Outcome.SUCCESS if step.success else Outcome.FAILURE,
        score=float(step.score),
        events=events,
        n_steps=len(rows),
        n_inferences=n_inferences,
        policy_seconds=act_seconds,
        env_seconds=time.perf_counter() - started - act_seconds,
        instruction=observation.instruction,
        first_image_sha256=image_hash,
        image_check="",
        actions=np.array(rows),
    )


def _first_observation(env: Env, view: View) -> tuple[Observation, str]:
    """The first observation of an episode, and the hash of what the env's first camera sees.

    The hash is always of the same camera, so that it is equal for every policy that is given the
    same initial state, blind ones included.
    """
    reference = env.cameras[0]
    seen = _observe(env, tuple(dict.fromkeys((*view.cameras, reference))), view.privileged)
    digest = hashlib.sha256(np.ascontiguousarray(seen.images[reference]).data).hexdigest()
    shown = {camera: seen.images[camera] for camera in view.cameras}
    return replace(seen, images=shown), digest


def _observe(env: Env, cameras: Sequence[str], privileged: bool) -> Observation:
    observation = env.observe(cameras, privileged)
    if not observation.instruction:
        raise EnvError(f"{env.name}: expected an instruction, got an empty one.")
    for name, values in observation.proprio.items():
        if not np.isfinite(values).all():
            raise EnvError(f"{env.name}: proprio {name!r} is not finite: {values}.")
    return observation


def _check_step(step: Step, n_steps: int) -> None:
    if not (math.isfinite(step.score) and 0.0 <= step.score <= 1.0):
        raise EnvError(f"Expected a score in [0, 1] at step {n_steps}, got {step.score}.")
