"""What was asked (`EpisodeSpec`) and what happened (`EpisodeRecord`).

An episode's initial state, images and outcome under a fixed policy are a pure function of its
spec. Success and error are different things: an error is retried on resume and never counted
as a failure. Knows neither policies nor envs. Runs on Python 3.10.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Outcome(str, enum.Enum):
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


class Fault(str, enum.Enum):
    """Who is to blame for an error."""

    POLICY = "policy"
    ENV = "env"


@dataclass(frozen=True)
class EpisodeSpec:
    """One planned episode.

    Attributes:
        id: Unique in its plan and safe as a file name, e.g. ``carrot_on_plate-07-s0``.
        task: Name of the task in its env.
        index: Which of the task's initial states, counted from 0 (SIMPLER's ``episode_id``).
        seed: Seed of everything random in this trial, the policy's sampling included.
        variation: What differs from the task's nominal condition (``axis/factor/level``), or
            ``none``.
    """

    id: str
    task: str
    index: int
    seed: int
    variation: str = "none"


@dataclass(frozen=True)
class EpisodeRecord:
    """One finished episode: a line of ``episodes.jsonl`` plus its actions in a file beside it.

    Attributes:
        spec: The episode that was asked for.
        outcome: Success and failure by the env's own rule at the episode's end; error otherwise.
        score: Partial credit in [0, 1]; 1.0 on success; None on error.
        events: Sub-goal name -> control step (from 1) at which it was first reached.
        n_steps: Control steps executed.
        n_inferences: Times that the policy was asked for a chunk.
        policy_seconds: This episode's share of time inside ``policy.act`` (a batch's wall time
            divided by its size).
        env_seconds: Wall time inside reset, step and observe.
        instruction: The text that was delivered to the policy with the first observation.
        first_image_sha256: Of the env's first camera at the first observation; equal for every
            policy that was given this episode.
        image_check: ``passed``, ``skipped`` or ``no cameras``: the image-sensitivity self-test.
        actions: (n_steps, dim), every executed row, in the env's action spec.
        fault, error: On error: whose fault, and the traceback.
        counts: What the policy counted (`Request.counts`), e.g. tokens it replaced.
    """

    spec: EpisodeSpec
    outcome: Outcome
    score: float | None
    events: Mapping[str, int]
    n_steps: int
    n_inferences: int
    policy_seconds: float
    env_seconds: float
    instruction: str
    first_image_sha256: str
    image_check: str
    actions: NDArray[np.float64]
    fault: Fault | None = None
    error: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def success(self) -> bool | None:
        """True, False, or None where an error left the question open."""
        return None if self.outcome is Outcome.ERROR else self.outcome is Outcome.SUCCESS

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; everything but `actions`."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "actions"}
        data["spec"] = asdict(self.spec)
        data["events"], data["counts"] = dict(self.events), dict(self.counts)
        data["outcome"] = self.outcome.value
        data["fault"] = None if self.fault is None else self.fault.value
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], actions: NDArray[np.float64]) -> EpisodeRecord:
        """Inverse of `to_dict`."""
        plain = dict(data)
        plain["spec"] = EpisodeSpec(**plain["spec"])
        plain["outcome"] = Outcome(plain["outcome"])
        plain["fault"] = None if plain["fault"] is None else Fault(plain["fault"])
        return cls(**plain, actions=actions)

    @classmethod
    def of_error(cls, spec: EpisodeSpec, fault: Fault, error: str) -> EpisodeRecord:
        """Record of an episode that `fault` broke; `error` is the traceback."""
        nothing = np.zeros((0, 0))
        return cls(spec, Outcome.ERROR, None, {}, 0, 0, 0.0, 0.0, "", "", "", nothing, fault, error)
