"""The running average of a network's weights that is evaluated and published.

The decay is real-stanford/diffusion_policy's (model/diffusion/ema_model.py), which warms up from
0; diffusers' own average lags it by one call.
"""

from __future__ import annotations

import copy

import torch
from torch import nn


def ema_decay(n_updates: int, power: float, maximum: float) -> float:
    """Weight of the old average at the update that follows `n_updates` earlier ones.

    0 for the first two updates, then ``min(maximum, 1 - k ** -power)`` with k = `n_updates`.
    """
    return 0.0 if n_updates <= 1 else min(maximum, 1.0 - float(n_updates) ** -power)


class Ema:
    """A frozen copy of a module, moved towards it by every `update`."""

    def __init__(self, module: nn.Module, power: float = 0.75, maximum: float = 0.9999) -> None:
        """Defaults are those of every published Diffusion Policy checkpoint."""
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.n_updates = 0
        self._power, self._maximum = power, maximum

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Call once after each optimizer step. Buffers and frozen parameters are copied."""
        decay = ema_decay(self.n_updates, self._power, self._maximum)
        live = dict(module.named_parameters())
        for name, average in self.module.named_parameters():
            source = live[name].detach()
            if live[name].requires_grad:
                average.mul_(decay).add_(source, alpha=1.0 - decay)
            else:
                average.copy_(source)
        for kept, buffer in zip(self.module.buffers(), module.buffers()):
            kept.copy_(buffer)
        self.n_updates += 1
