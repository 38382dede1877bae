"""The diffusion process: noise added in training, removed in sampling, by diffusers' schedulers.

DDPM samples with exactly as many steps as in training: with fewer, diffusers >= 0.12 computes
something else than the version the published checkpoints were trained with. DDIM is unchanged.
Knows neither networks nor observations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vla_bench.errors import ConfigError, MissingDependencyError, unknown_name
from vla_bench.policies.diffusion.spec import DiffusionSpec

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""Noisy actions (B, T, A) and a scalar diffusion step -> the network's prediction (B, T, A)."""


@dataclass(frozen=True)
class Sampler:
    """How actions are sampled.

    Attributes:
        kind: ``ddim`` (deterministic, eta 0) or ``ddpm``.
        n_steps: Network evaluations per action sequence; for ``ddpm``, as many as in training.
    """

    kind: str
    n_steps: int

    def __call__(
        self,
        spec: DiffusionSpec,
        denoiser: Denoiser,
        noise: Tensor,
        generators: Sequence[torch.Generator],
    ) -> Tensor:
        """Initial noise (B, T, A) -> action sequences (B, T, A), normalized, within [-1, 1].

        `generators`, one per element of the batch, draw ``ddpm``'s own noise.
        """
        self.check(spec)
        scheduler = _scheduler(self.kind, spec)
        scheduler.set_timesteps(self.n_steps)
        sample = noise
        for step in scheduler.timesteps.tolist():
            prediction = denoiser(sample, torch.tensor(step, device=noise.device))
            kwargs: dict[str, Any] = {} if self.kind == "ddim" else {"generator": list(generators)}
            sample = scheduler.step(prediction, step, sample, **kwargs).prev_sample
        return sample

    def check(self, spec: DiffusionSpec) -> None:
        """Raises ConfigError when `spec` cannot be sampled this way."""
        if self.kind not in ("ddim", "ddpm"):
            raise unknown_name("sampler", self.kind, ("ddim", "ddpm"))
        if not 1 <= self.n_steps <= spec.n_train_steps:
            raise ConfigError(
                f"Expected 1 to {spec.n_train_steps} sampling steps, got {self.n_steps}."
            )
        if self.kind == "ddpm" and self.n_steps != spec.n_train_steps:
            raise ConfigError(
                f"DDPM samples with as many steps as in training ({spec.n_train_steps}), got "
                f"{self.n_steps}. Set n_steps={spec.n_train_steps} or kind=ddim."
            )


def add_noise(spec: DiffusionSpec, clean: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
    """Clean (B, T, A) at diffusion steps (B,), int64."""
    noisy: Tensor = _scheduler("ddpm", spec).add_noise(clean, noise, steps)
    return noisy


def _scheduler(kind: str, spec: DiffusionSpec) -> Any:
    try:
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    except ImportError as error:
        raise MissingDependencyError(
            f"Diffusion Policy needs diffusers ({error}): pip install 'vla-bench[diffusion]'."
        ) from error
    common: dict[str, Any] = {
        "num_train_timesteps": spec.n_train_steps,
        "beta_schedule": spec.beta_schedule,
        "prediction_type": spec.prediction,
        "clip_sample": True,
    }
    if kind == "ddpm":
        return DDPMScheduler(**common, variance_type="fixed_small")
    # As in diffusion_policy's real-robot configs: alpha 1 at the last step, no offset.
    return DDIMScheduler(**common, set_alpha_to_one=True, steps_offset=0)
