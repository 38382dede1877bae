"""The seams: `Policy` acts, `Env` is acted in, `Request`, `Observation`, `Step` pass between them.

Start reading here. A policy holds weights and no episode: any mix of episodes can share a batch,
and a batch of one gives the same action as a batch of sixteen. The env owns its protocol: tasks,
horizon, success. A policy cannot see or set them. Runs on Python 3.10 with numpy 1.24.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vla_bench.actions import ActionSpec
from vla_bench.episode import EpisodeSpec
from vla_bench.errors import PolicyError

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Observation:
    """What a robot perceives at one control step.

    Attributes:
        images: Camera name -> (height, width, 3) uint8 RGB, row 0 at the top.
        instruction: What the robot was told to do. Never empty.
        proprio: Name -> 1-D float64: the robot's own sensors. Names, units and frames are on the
            env's card.
        privileged: Name -> 1-D float64: what no robot could sense (object poses, an expert's
            action). Empty unless the policy declares ``privileged = True``.
    """

    images: Mapping[str, Image]
    instruction: str
    proprio: Mapping[str, FloatArray] = field(default_factory=dict)
    privileged: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """What one executed action led to.

    Attributes:
        terminated: The task itself ended the episode.
        truncated: The horizon was reached.
        success: Whether the episode would count as a success if it ended now.
        score: Partial credit in [0, 1] if it ended now.
        events: Names of the sub-goals that hold now, e.g. ``grasped``.
    """

    terminated: bool
    truncated: bool
    success: bool
    score: float
    events: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Request:
    """One episode's question to the policy.

    Attributes:
        episode_id: Names the episode; equal for all its requests.
        observations: The last observations of consecutive control steps, oldest first; at least
            one, at most ``policy.history``, fewer only at the beginning of the episode.
        seed: The episode's seed. Whatever a policy samples must follow from it alone.
        memory: A dict that belongs to this episode, empty at its start, kept between its
            requests: the policy's to use as it likes.
        counts: As `memory`, but written into the episode's record when it ends: name -> how often
            something happened that a reader of the results must know, e.g. tokens replaced.
    """

    episode_id: str
    observations: Sequence[Observation]
    seed: int
    memory: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


class Policy(Protocol):
    """Anything that acts.

    Attributes:
        name: Names it in tables; says which weights.
        action_spec: What it emits; must equal the env's.
        cameras: What it looks at, by the env's camera names; empty for a blind policy.
        history: How many observations it wants, at least 1.

    A policy that reads ``Observation.privileged`` also has ``privileged = True`` (see
    `PrivilegedPolicy`); tables mark it, since no robot could run it. One that loads weights may
    say which in ``weights``, a string that changes with them, such as a fingerprint of the files
    (`vla_bench.policies.weights`): a run is never continued with other weights.
    """

    # Properties, so that an implementation's plain attributes may have narrower types.
    @property
    def name(self) -> str: ...
    @property
    def action_spec(self) -> ActionSpec: ...
    @property
    def cameras(self) -> Sequence[str]: ...
    @property
    def history(self) -> int: ...

    def act(self, requests: Sequence[Request]) -> Sequence[FloatArray]:
        """One chunk (h, action_spec.dim), h >= 1, per request; every row is executed, open loop."""
        ...


@runtime_checkable
class PrivilegedPolicy(Protocol):
    """A policy that is shown the simulator's state; it must set ``privileged = True``."""

    privileged: bool


def is_privileged(policy: object) -> bool:
    """Whether `policy` asked to be shown the simulator's state."""
    return isinstance(policy, PrivilegedPolicy) and policy.privileged


def weights_of(policy: object) -> str | None:
    """What `policy` says that it loaded, if anything. Raises PolicyError for what is no string."""
    weights = getattr(policy, "weights", None)
    if weights is None or isinstance(weights, str):
        return weights
    raise PolicyError(
        f"weights: expected a string that names what the policy has loaded, got "
        f"{type(weights).__name__}. Keep the tensors themselves under another name."
    )


class Env(Protocol):
    """Anything that is acted in. Runs in a lane: a process of its own.

    Attributes:
        name: With a version, ``widowx_simpler_tabletop-v0``: a change that can move a number
            makes a new version.
        action_spec: What it executes.
        cameras: Names of the cameras that `observe` can render; at least one.
        card: The protocol in words for the report: JSON types, keys such as ``control_hz``,
            ``horizon``, ``success``, ``image_size``, ``source``; every task under ``tasks``.
    """

    @property
    def name(self) -> str: ...
    @property
    def action_spec(self) -> ActionSpec: ...
    @property
    def cameras(self) -> Sequence[str]: ...
    @property
    def card(self) -> Mapping[str, Any]: ...

    def episodes(self) -> Sequence[EpisodeSpec]:
        """The plan, in a fixed order."""
        ...

    def reset(self, spec: EpisodeSpec) -> None:
        """Put the world into the initial state of `spec`, whatever happened before."""
        ...

    def observe(self, cameras: Sequence[str], privileged: bool) -> Observation:
        """What there is to see now; renders `cameras` and no others.

        Called at most once per control step, and not at all for rows inside an open-loop chunk
        that nobody looks at. `privileged` fills ``Observation.privileged``.
        """
        ...

    def step(self, action: FloatArray) -> Step:
        """Execute one row (dim,) for one control period."""
        ...

    def close(self) -> None:
        """Release what the env holds."""
        ...
