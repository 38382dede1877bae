"""The learning rate over time."""

from __future__ import annotations

import math

from vla_bench.policies.training.settings import Optimization


def learning_rate(chosen: Optimization, step: int, n_steps: int) -> float:
    """At optimizer step `step`, from 0: linear from 0, then half a cosine to 0 or constant."""
    if chosen.schedule == "constant":
        if step >= chosen.n_warmup_steps:
            return chosen.learning_rate
        return chosen.learning_rate * (step / chosen.n_warmup_steps)
    return chosen.learning_rate * cosine_with_warmup(step, chosen.n_warmup_steps, n_steps)


def cosine_with_warmup(step: int, n_warmup: int, n_total: int) -> float:
    """Factor on the learning rate at optimizer step `step`: linear up, then half a cosine to 0."""
    if step < n_warmup:
        return step / max(1, n_warmup)
    progress = (step - n_warmup) / max(1, n_total - n_warmup)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
