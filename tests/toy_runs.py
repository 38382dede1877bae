"""Run folders written by the store itself, holding whatever outcomes a test asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vla_bench import store
from vla_bench.episode import EpisodeRecord, EpisodeSpec, Fault, Outcome
from vla_bench.video import write_mp4

LETTERS = {"S": Outcome.SUCCESS, "f": Outcome.FAILURE, "E": Outcome.ERROR}
TRACEBACK = (
    'Traceback (most recent call last):\n  File "toy.py", line 1\nValueError: <b>no & grip</b>'
)


@dataclass(frozen=True)
class ToyRun:
    """A run in letters: task -> one letter per planned episode.

    `S` success, `f` failure, `E` error, `.` planned but never run.
    """

    outcomes: Mapping[str, str]
    policy: str = "toy"
    env: str = "toy_env-v0"
    privileged: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    env_config: Mapping[str, Any] = field(default_factory=dict)
    first_seed: int = 0
    variation: str = "none"
    image: Callable[[EpisodeSpec], str] = lambda spec: f"image of {spec.task} {spec.index}"
    events: Callable[[EpisodeSpec, Outcome], Mapping[str, int]] = lambda *_: {}
    counts: Mapping[str, int] = field(default_factory=dict)
    session: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None

    def plan(self) -> list[EpisodeSpec]:
        return [
            EpisodeSpec(
                f"{task}-{i:02d}-s{self.first_seed}", task, i, self.first_seed, self.variation
            )
            for task, letters in self.outcomes.items()
            for i in range(len(letters))
        ]

    def write(self, folder: Path) -> Path:
        """The run in `folder`; returns the folder."""
        dimension = {"name": "x", "unit": "m", "frame": "base", "low": -1.0, "high": 1.0}
        identity = {
            "policy": {
                "name": self.policy,
                "privileged": self.privileged,
                "action_spec": [dimension],
                "cameras": ["front"],
                "history": 1,
                "config": dict(self.config),
                **({} if self.weights is None else {"weights": self.weights}),
            },
            "env": {
                "name": self.env,
                "action_spec": [dimension],
                "cameras": ["front"],
                "card": dict(self.card),
                "config": dict(self.env_config),
            },
            "image_check": "passed",
        }
        letters = "".join(self.outcomes.values())
        with store.start(folder, identity, self.plan(), self.session) as writer:
            for spec, letter in zip(self.plan(), letters):
                if letter != ".":
                    writer.append(self._record(spec, LETTERS[letter]))
        return folder

    def _record(self, spec: EpisodeSpec, outcome: Outcome) -> EpisodeRecord:
        if outcome is Outcome.ERROR:
            return EpisodeRecord.of_error(spec, Fault.POLICY, TRACEBACK)
        solved = outcome is Outcome.SUCCESS
        return EpisodeRecord(
            spec,
            outcome,
            score=1.0 if solved else (spec.index % 3) / 4,
            events=self.events(spec, outcome),
            n_steps=10,
            n_inferences=5,
            policy_seconds=0.25,
            env_seconds=0.05,
            instruction=f"do {spec.task}",
            first_image_sha256=self.image(spec),
            image_check="passed",
            actions=np.zeros((10, 1)),
            counts=self.counts,
        )


def film(folder: Path, episode_ids: Sequence[str], size: int = 64) -> None:
    """A short video for each episode: a square that moves."""
    (folder / "videos").mkdir(exist_ok=True)
    for episode_id in episode_ids:
        frames = np.full((6, size, size, 3), 200, dtype=np.uint8)
        for i, frame in enumerate(frames):
            frame[20:36, 4 + 6 * i : 20 + 6 * i] = (180, 40, 30)
        write_mp4(folder / "videos" / f"{episode_id}.mp4", list(frames), 5)
