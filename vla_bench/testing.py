"""The contracts as checks that anyone can run on their own policy or env.

    def test_my_policy_keeps_the_contract():
        check_policy(MyPolicy(...), some_observation)

Each raises an error that says which rule was broken, and how.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from vla_bench.episode import EpisodeSpec
from vla_bench.errors import EnvError, PolicyError
from vla_bench.evaluate import act
from vla_bench.preflight import check_images_matter
from vla_bench.protocols import Env, FloatArray, Observation, Policy, Request, is_privileged
from vla_bench.rollout import View, rollout

MAX_STEPS = 2_000  # beyond any horizon so far; every image of an episode is kept
_VERSIONED = re.compile(r".+-v\d+")


def check_policy(policy: Policy, observation: Observation, atol: float = 0.0) -> None:
    """Raise PolicyError unless `policy` keeps the contract of `vla_bench.protocols.Policy`.

    `observation` is a real one of an env that it is meant for. Checked: chunk shapes and finite
    values; the same request gives the same chunk; a batch gives each request the chunk that it
    gets alone (within `atol`, 0 for bit-equal); episodes do not leak into each other; the
    observation is left as it was; the images matter, if it has cameras.
    """
    if is_privileged(policy) is False and observation.privileged:
        observation = Observation(observation.images, observation.instruction, observation.proprio)
    before = copy.deepcopy(observation)
    alone = [_first_chunks(policy, observation, [seed])[0] for seed in range(3)]
    again = _first_chunks(policy, observation, [0])[0]
    if not np.array_equal(alone[0], again):
        raise PolicyError(f"{policy.name}: the same request gave two chunks; seed what you sample.")
    for seed, chunk in enumerate(_first_chunks(policy, observation, range(3))):
        if chunk.shape != alone[seed].shape:
            raise PolicyError(
                f"{policy.name}: request {seed} of a batch of 3 got a chunk {chunk.shape}, alone "
                f"{alone[seed].shape}."
            )
        if not np.allclose(chunk, alone[seed], 0.0, atol):
            raise PolicyError(
                f"{policy.name}: request {seed} of a batch of 3 got another chunk than alone "
                f"(largest difference {np.abs(chunk - alone[seed]).max():.3g}, allowed {atol:g})."
            )
    _check_episodes_apart(policy, observation, atol)
    if not _same(before, observation):
        raise PolicyError(f"{policy.name}: act() changed the observation that it was given.")
    if policy.cameras:
        check_images_matter(policy, [observation])


def _first_chunks(
    policy: Policy, observation: Observation, seeds: Sequence[int]
) -> list[FloatArray]:
    return act(policy, [Request(f"check-{s}", (observation,), seed=s) for s in seeds])


def _check_episodes_apart(policy: Policy, observation: Observation, atol: float) -> None:
    """Two episodes played in turns must go as each does on its own."""

    def second_chunk(n_other: int) -> FloatArray:
        mine = Request("check-0", (observation,), seed=0)
        act(policy, [mine])
        for _ in range(n_other):
            act(policy, [Request("other", (observation,), seed=1)])
        return act(policy, [mine])[0]

    if not np.allclose(second_chunk(0), second_chunk(3), 0.0, atol):
        raise PolicyError(
            f"{policy.name}: what one episode gets depends on another. Keep per-episode state in "
            "Request.memory, never in the policy."
        )


def check_env(env: Env, actions: Sequence[FloatArray], n_episodes: int = 2) -> None:
    """Raise EnvError unless `env` keeps the contract of `vla_bench.protocols.Env`.

    `actions` are a few rows that it may execute; they are played over and over. Checked for the
    first `n_episodes` of every task: versioned name; unique episode ids whose tasks are on the
    card; only the cameras that were asked for, as uint8 RGB; nothing privileged unless asked for;
    the episode ends, within `MAX_STEPS`; and the same spec gives the same images, outcome, score
    and events again, whatever ran in between.
    """
    if not _VERSIONED.fullmatch(env.name):
        raise EnvError(f"{env.name}: expected a name that ends in a version, like my_suite-v0.")
    json.dumps(dict(env.card), allow_nan=False)
    plan = env.episodes()
    if len({spec.id for spec in plan}) != len(plan):
        raise EnvError(f"{env.name}: episode ids must be unique.")
    tasks = {spec.task: None for spec in plan}
    absent = [task for task in tasks if task not in env.card["tasks"]]
    if absent:
        raise EnvError(f"{env.name}: the card says nothing of task {absent[0]!r}.")
    chosen = [s for task in tasks for s in [p for p in plan if p.task == task][:n_episodes]]
    first = [_play(env, spec, actions) for spec in chosen]
    for spec, played in zip(reversed(chosen), reversed(first)):
        again = _play(env, spec, actions)
        for name, was in played.items():
            if again[name] != was:
                raise EnvError(
                    f"{env.name}: episode {spec.id} is not a function of its spec: {name} was "
                    f"{was}, and {again[name]} after other episodes had run."
                )


def _play(env: Env, spec: EpisodeSpec, actions: Sequence[FloatArray]) -> dict[str, object]:
    """What of an episode must be the same every time."""
    seen: list[Observation] = []

    def act_from_list(history: Sequence[Observation]) -> FloatArray:
        if len(seen) == MAX_STEPS:
            raise EnvError(f"{env.name}: episode {spec.id} has not ended after {MAX_STEPS} steps.")
        seen.append(history[-1])
        return actions[(len(seen) - 1) % len(actions)][None]

    cameras = tuple(env.cameras)
    record = rollout(env, spec, act_from_list, View(cameras[:1], history=1, privileged=False))
    for observation in seen:
        _check_observation(env, observation, cameras[:1])
    last = seen[-1].images[cameras[0]].tobytes()
    kept = ("outcome", "score", "events", "n_steps", "instruction", "first_image_sha256")
    record_part = {k: v for k, v in record.to_dict().items() if k in kept}
    proprio = {k: v.tolist() for k, v in seen[-1].proprio.items()}
    return {**record_part, "last image": hash(last), "last proprio": proprio}


def _check_observation(env: Env, observation: Observation, cameras: Sequence[str]) -> None:
    if set(observation.images) != set(cameras):
        raise EnvError(
            f"{env.name}: asked for the images of {list(cameras)}, got {list(observation.images)}."
        )
    if observation.privileged:
        raise EnvError(
            f"{env.name}: showed {list(observation.privileged)} to a policy that is not privileged."
        )
    for name, image in observation.images.items():
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise EnvError(
                f"{env.name}: expected camera {name!r} to give (height, width, 3) uint8, got "
                f"{image.shape} {image.dtype}."
            )


def _same(left: Observation, right: Observation) -> bool:
    a, b = asdict(left), asdict(right)
    return all(
        a["instruction"] == b["instruction"]
        and a[part].keys() == b[part].keys()
        and all(np.array_equal(a[part][k], b[part][k]) for k in a[part])
        for part in ("images", "proprio", "privileged")
    )
