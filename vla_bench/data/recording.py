"""A policy that keeps what another one sees and does, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vla_bench.errors import PolicyError
from vla_bench.protocols import FloatArray, Image, Observation, Policy, Request


@dataclass
class Frames:
    """What one episode has shown so far."""

    images: dict[str, list[Image]] = field(default_factory=dict)
    instructions: list[str] = field(default_factory=list)
    states: list[FloatArray] = field(default_factory=list)
    actions: list[FloatArray] = field(default_factory=list)
    expert_actions: list[FloatArray] = field(default_factory=list)


class Recording:
    """A policy that lets `policy` act and keeps every frame it was asked about."""

    privileged = True

    def __init__(self, policy: Policy, cameras: Sequence[str]) -> None:
        self.name = policy.name
        self.action_spec = policy.action_spec
        self.cameras: Sequence[str] = tuple(dict.fromkeys([*cameras, *policy.cameras]))
        self.history = policy.history
        self._recorded = tuple(cameras)
        self._policy = policy
        self._episodes: dict[str, Frames] = {}

    def act(self, requests: Sequence[Request]) -> Sequence[FloatArray]:
        chunks = self._policy.act(requests)
        for request, chunk in zip(requests, chunks):
            self._keep(request, np.asarray(chunk))
        return chunks

    def take(self, episode_id: str) -> Frames:
        """The frames of an episode that has ended, which are then forgotten."""
        return self._episodes.pop(episode_id, Frames())

    def _keep(self, request: Request, chunk: FloatArray) -> None:
        if len(chunk) != 1:
            raise PolicyError(
                f"{self.name}: demonstrations need one action per question, so that every control "
                f"step is seen; got a chunk of {len(chunk)}. Set its chunk length to 1."
            )
        frames: Frames = request.memory.setdefault("recording", Frames())
        self._episodes[request.episode_id] = frames
        observation = request.observations[-1]
        for camera in self._recorded:
            frames.images.setdefault(camera, []).append(observation.images[camera])
        frames.instructions.append(observation.instruction)
        frames.states.append(state_of(observation))
        frames.actions.append(chunk[0])
        frames.expert_actions.append(observation.privileged["expert_action"])


def state_of(observation: Observation) -> FloatArray:
    """All proprio values in one vector, in the env's order."""
    return np.concatenate([np.zeros(0), *observation.proprio.values()])


def state_names(observation: Observation) -> tuple[str, ...]:
    """``gripper_open`` for a single number, else ``tcp_pose.0``, ``tcp_pose.1``, …"""
    return tuple(
        name if len(values) == 1 else f"{name}.{i}"
        for name, values in observation.proprio.items()
        for i in range(len(values))
    )
