"""The CNN denoiser: a conditional 1-D U-Net over time.

Parameter names and results are those of real-stanford/diffusion_policy's published checkpoints
(model/diffusion/conditional_unet1d.py), so their state dicts load unchanged. Sequences are
(batch, time, channels) outside and (batch, channels, time) inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from vla_bench.policies.diffusion.spec import UnetSpec

_FINAL_GROUPS = 8  # the published output block ignores n_groups


class StepEmbedding(nn.Module):
    """Diffusion step (batch,) -> (batch, dim): sines, then cosines, of geometric frequencies."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, steps: Tensor) -> Tensor:
        half = self.dim // 2
        exponents = torch.arange(half, device=steps.device) * -(math.log(10000) / (half - 1))
        angles = steps[:, None] * torch.exp(exponents)[None, :]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class ConvBlock(nn.Module):
    """Conv1d, GroupNorm, Mish; keeps the length."""

    def __init__(self, n_in: int, n_out: int, kernel: int, n_groups: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv1d(n_in, n_out, kernel, padding=kernel // 2),
            nn.GroupNorm(n_groups, n_out),
            nn.Mish(),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x)
        return out


class ResidualBlock(nn.Module):
    """Two conv blocks; the condition scales and shifts (or only shifts) what is between them."""

    def __init__(self, n_in: int, n_out: int, n_condition: int, spec: UnetSpec) -> None:
        super().__init__()
        self._scales = spec.predicts_scale
        self.blocks = nn.ModuleList(
            ConvBlock(n, n_out, spec.kernel_size, spec.n_groups) for n in (n_in, n_out)
        )
        n_modulation = 2 * n_out if self._scales else n_out
        self.cond_encoder = nn.Sequential(nn.Mish(), nn.Linear(n_condition, n_modulation))
        self.residual_conv = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h: Tensor = self.blocks[0](x)
        modulation = self.cond_encoder(condition)[:, :, None]
        if self._scales:
            scale, shift = modulation.chunk(2, dim=1)
            h = scale * h + shift  # no "1 +"
        else:
            h = h + modulation
        out: Tensor = self.blocks[1](h) + self.residual_conv(x)
        return out


class Downsample(nn.Module):
    """Halves the length."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class Upsample(nn.Module):
    """Doubles the length."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(channels, channels, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class Unet1d(nn.Module):
    """Noisy action sequence, diffusion step and condition -> predicted noise."""

    def __init__(self, spec: UnetSpec, action_dim: int, condition_dim: int) -> None:
        """`condition_dim` is the width of the global condition, 0 for none."""
        super().__init__()
        n_step = spec.step_embedding_dim
        n_condition = n_step + condition_dim
        widths = list(spec.widths)
        self.diffusion_step_encoder = nn.Sequential(
            StepEmbedding(n_step),
            nn.Linear(n_step, 4 * n_step),
            nn.Mish(),
            nn.Linear(4 * n_step, n_step),
        )
        self.local_cond_encoder = (
            None
            if spec.local_condition_dim is None
            else nn.ModuleList(
                ResidualBlock(spec.local_condition_dim, widths[0], n_condition, spec)
                for _ in range(2)
            )
        )
        self.down_modules = _down_levels([action_dim, *widths], n_condition, spec)
        self.mid_modules = nn.ModuleList(
            ResidualBlock(widths[-1], widths[-1], n_condition, spec) for _ in range(2)
        )
        self.up_modules = _up_levels(widths, n_condition, spec)
        self.final_conv = nn.Sequential(
            ConvBlock(widths[0], widths[0], spec.kernel_size, _FINAL_GROUPS),
            nn.Conv1d(widths[0], action_dim, 1),
        )

    def forward(
        self,
        actions: Tensor,
        steps: Tensor,
        condition: Tensor | None = None,
        local_condition: Tensor | None = None,
    ) -> Tensor:
        """Actions (B, T, A), steps (B,) or scalar, condition (B, ...) flattened -> (B, T, A).

        T must be divisible by 2 ** (levels - 1).
        """
        c = self.diffusion_step_encoder(steps.expand(len(actions)))
        if condition is not None:
            c = torch.cat((c, condition.flatten(start_dim=1)), dim=-1)
        x = actions.transpose(1, 2)
        skips: list[Tensor] = []
        for level, module in enumerate(self.down_modules):
            first, second, resample = _stages(module)
            x = first(x, c)
            if level == 0 and self.local_cond_encoder is not None and local_condition is not None:
                # The published code never reaches the second local encoder; it only has weights.
                x = x + self.local_cond_encoder[0](local_condition.transpose(1, 2), c)
            x = second(x, c)
            skips.append(x)
            x = resample(x)
        for block in self.mid_modules:
            x = block(x, c)
        for module in self.up_modules:
            first, second, resample = _stages(module)
            x = second(first(torch.cat((x, skips.pop()), dim=1), c), c)
            x = resample(x)
        out: Tensor = self.final_conv(x)
        return out.transpose(1, 2)


def _down_levels(channels: Sequence[int], n_condition: int, spec: UnetSpec) -> nn.ModuleList:
    levels = nn.ModuleList()
    for level, (n_in, n_out) in enumerate(pairwise(channels), start=1):
        is_last = level == len(channels) - 1
        levels.append(
            nn.ModuleList(
                (
                    ResidualBlock(n_in, n_out, n_condition, spec),
                    ResidualBlock(n_out, n_out, n_condition, spec),
                    nn.Identity() if is_last else Downsample(n_out),
                )
            )
        )
    return levels


def _up_levels(widths: Sequence[int], n_condition: int, spec: UnetSpec) -> nn.ModuleList:
    """From the deepest level up; one stage fewer than levels, each of which doubles the length."""
    return nn.ModuleList(
        nn.ModuleList(
            (
                ResidualBlock(2 * n_deep, n_shallow, n_condition, spec),
                ResidualBlock(n_shallow, n_shallow, n_condition, spec),
                Upsample(n_shallow),
            )
        )
        for n_shallow, n_deep in reversed(list(pairwise(widths)))
    )


def _stages(level: nn.Module) -> tuple[nn.Module, nn.Module, nn.Module]:
    assert isinstance(level, nn.ModuleList)
    first, second, resample = level
    return first, second, resample
