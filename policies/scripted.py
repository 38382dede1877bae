"""The ceiling of every table: an env's own privileged expert, through the public action.

The expert itself lives with the env, which knows its tasks; it reaches this policy as
``Observation.privileged["expert_action"]`` and the world only through the same action rows as any
other policy. Gaussian noise on those rows gives a policy of stated, intermediate skill.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.errors import ConfigError, PolicyError
from vla_bench.policies.sampling import generator
from vla_bench.protocols import FloatArray, Request


class Scripted:
    """Plays the env's expert, with white noise on translation and rotation of some of its steps."""

    cameras: Sequence[str] = ()
    history = 1
    privileged = True
    action_spec = DELTA_TCP_POSE

    def __init__(
        self, name: str, translation_noise: float, rotation_noise: float, noisy_share: float
    ) -> None:
        """Standard deviations per axis, in m and rad, and the probability that a step has noise.

        Raises ConfigError for a probability outside of [0, 1].
        """
        if not 0.0 <= noisy_share <= 1.0:
            raise ConfigError(f"noisy_share: expected 0 to 1, got {noisy_share}.")
        self.name = name
        self._noisy_share = noisy_share
        self._noise = np.array([translation_noise] * 3 + [rotation_noise] * 3 + [0.0])

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        return [self._row(request)[None] for request in requests]

    def _row(self, request: Request) -> FloatArray:
        privileged = request.observations[-1].privileged
        if "expert_action" not in privileged:
            raise PolicyError(
                f"{self.name} needs an env that has an expert (privileged 'expert_action'); this "
                f"one offers: {', '.join(sorted(privileged)) or 'nothing'}."
            )
        rng = generator(request)
        noise = rng.normal(0.0, 1.0, self._noise.shape) * self._noise
        if self._noisy_share < 1.0 and rng.random() >= self._noisy_share:
            noise[:] = 0.0
        row: FloatArray = privileged["expert_action"] + noise
        return row
