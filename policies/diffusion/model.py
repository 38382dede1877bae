"""Diffusion Policy as one network: its loss, and the action sequences it samples.

Observations and actions come in and go out in their own units; the normalizer is part of the
network and travels with its weights. Knows neither episodes nor files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vla_bench.errors import ConfigError
from vla_bench.policies.diffusion.encoder import ObservationEncoder
from vla_bench.policies.diffusion.normalizer import Normalizer
from vla_bench.policies.diffusion.process import Sampler, add_noise
from vla_bench.policies.diffusion.spec import ModelSpec, UnetSpec
from vla_bench.policies.diffusion.transformer import TransformerDenoiser
from vla_bench.policies.diffusion.unet import Unet1d


class DiffusionModel(nn.Module):
    """Observation encoder, normalizer and denoiser.

    A batch maps the observation keys of the spec to (B, >= To, ...) tensors (images float32 in
    [0, 1], channels first) and ``action`` to (B, T, A); ``action_is_pad`` (B, T) marks rows beyond
    the episode's end. A spec with a keyframe also needs ``keyframe`` (B, D): its key's value then.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = ObservationEncoder(spec.observation)
        shapes = {k: s for k, s in spec.observation.shapes.items() if k != "language"}
        self.normalizer = Normalizer({**shapes, "action": (spec.action_dim,)})
        n_features = self.encoder.n_features
        if spec.keyframe is not None:
            self.keyframe = _keyframe_head(spec, n_features)
            if spec.keyframe.conditions:
                n_features += 2 * spec.keyframe_dim
        self.denoiser = _denoiser(spec, n_features)

    def draws(self, generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """What `loss` needs beside a batch, on the CPU: ``noise`` (B, draws, T, A) and the
        diffusion ``steps`` (B,), each sample's by its own one of the `generators`.
        """
        diffusion = self.spec.diffusion
        shape = (diffusion.n_noise_draws, self.spec.horizons.n_prediction, self.spec.action_dim)
        noise = [torch.randn(shape, generator=one) for one in generators]
        steps = [torch.randint(diffusion.n_train_steps, (), generator=one) for one in generators]
        return {"noise": torch.stack(noise), "steps": torch.stack(steps)}

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean squared error of the prediction at a batch with its `draws`."""
        noise = batch["noise"].transpose(0, 1).to(batch["action"].dtype)
        return self.loss_at(batch, noise, batch["steps"])

    def loss_at(self, batch: Mapping[str, Tensor], noise: Tensor, steps: Tensor) -> Tensor:
        """`loss` with its random draws given: noise (draws, B, T, A), int64 steps (B,)."""
        spec = self.spec.diffusion
        n_draws = len(noise)
        condition, keyframe = self._encoded(batch)
        clean = self.normalizer.normalize("action", batch["action"]).repeat(n_draws, 1, 1)
        flat_noise, all_steps = noise.flatten(end_dim=1), steps.repeat(n_draws)
        noisy = add_noise(spec, clean, flat_noise, all_steps)
        repeats = [n_draws] + [1] * (condition.ndim - 1)
        predicted = self.denoiser(noisy, all_steps, condition.repeat(repeats))
        target = flat_noise if spec.prediction == "epsilon" else clean
        error = functional.mse_loss(predicted, target, reduction="none")
        if spec.masks_padding:
            error = error * ~batch["action_is_pad"].repeat(n_draws, 1)[:, :, None]
        return error.mean() + self._keyframe_loss(keyframe, batch)

    def _keyframe_loss(self, predicted: Tensor | None, batch: Mapping[str, Tensor]) -> Tensor:
        chosen = self.spec.keyframe
        if chosen is None or predicted is None:
            return batch["action"].new_zeros(())
        target = self.normalizer.normalize(chosen.key, batch["keyframe"])
        return chosen.weight * functional.mse_loss(predicted, target)

    @torch.no_grad()
    def sample(
        self,
        observations: Mapping[str, Tensor],
        sampler: Sampler,
        generators: Sequence[torch.Generator],
        noise: Tensor | None = None,
    ) -> Tensor:
        """One action sequence per generator, in the actions' own units: (B, T, A).

        Each generator (on the CPU, so that every device samples the same actions) draws what its
        sequence needs and nothing else; `noise` (B, T, A) replaces the initial draw.
        """
        shape = (self.spec.horizons.n_prediction, self.spec.action_dim)
        if noise is None:
            noise = torch.stack([torch.randn(shape, generator=g) for g in generators])
        condition = self.condition(observations)

        def denoise(noisy: Tensor, step: Tensor) -> Tensor:
            prediction: Tensor = self.denoiser(noisy, step, condition)
            return prediction

        start = noise.to(condition.device, condition.dtype)
        normalized = sampler(self.spec.diffusion, denoise, start, generators)
        return self.normalizer.unnormalize("action", normalized)

    def condition(self, observations: Mapping[str, Tensor]) -> Tensor:
        """What the denoiser is told, (B, To, C), from the oldest To time steps given."""
        return self._encoded(observations)[0]

    def _encoded(self, observations: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """`condition`, and the keyframe (B, D), normalized, that the newest step foresees."""
        n_obs = self.spec.horizons.n_obs_steps
        normalized = {}
        for key in self.spec.observation.shapes:
            if key == "language":  # (B, L): one vector per episode, of the encoder's own scale
                normalized[key] = observations[key][:, None].expand(-1, n_obs, -1)
            else:
                values = observations[key][:, :n_obs]
                normalized[key] = self.normalizer.normalize(key, values)
        features: Tensor = self.encoder(normalized)
        chosen = self.spec.keyframe
        if chosen is None:
            return features, None
        keyframe: Tensor = self.keyframe(features[:, -1])
        if chosen.conditions:
            ahead = torch.cat((keyframe, keyframe - normalized[chosen.key][:, -1]), dim=-1)
            features = torch.cat((features, ahead[:, None].expand(-1, n_obs, -1)), dim=-1)
        return features, keyframe


def _keyframe_head(spec: ModelSpec, n_features: int) -> nn.Module:
    outputs = nn.Linear(n_features, spec.keyframe_dim)
    return nn.Sequential(nn.Linear(n_features, n_features), nn.ReLU(), outputs)


def _denoiser(spec: ModelSpec, n_features: int) -> nn.Module:
    horizons = spec.horizons
    lengths = (horizons.n_prediction, horizons.n_obs_steps)
    if not isinstance(spec.denoiser, UnetSpec):
        return TransformerDenoiser(spec.denoiser, spec.action_dim, n_features, lengths)
    divisor = 2 ** (len(spec.denoiser.widths) - 1)
    if horizons.n_prediction % divisor:
        raise ConfigError(
            f"A U-Net of {len(spec.denoiser.widths)} levels predicts a multiple of {divisor} rows, "
            f"not {horizons.n_prediction}: change n_prediction or the number of widths."
        )
    return Unet1d(spec.denoiser, spec.action_dim, n_features * horizons.n_obs_steps)
