"""Learning-rate curve and weight-decay groups of the published trainings."""

from __future__ import annotations

import math

from torch import nn

_DECAYED = (nn.Linear, nn.MultiheadAttention, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d)


def cosine_with_warmup(step: int, n_warmup: int, n_total: int) -> float:
    """Factor on the learning rate at optimizer step `step`: linear up, then half a cosine to 0."""
    if step < n_warmup:
        return step / max(1, n_warmup)
    progress = (step - n_warmup) / max(1, n_total - n_warmup)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))


def decayed_parameters(module: nn.Module) -> set[str]:
    """Names of the parameters that weight decay applies to: weights of linear maps, no others.

    Biases, norms, position embeddings and placeholders do not decay
    (diffusion_policy, model/diffusion/transformer_for_diffusion.py).
    """
    decayed = set()
    for prefix, child in module.named_modules():
        if isinstance(child, _DECAYED):
            for name, _ in child.named_parameters(recurse=False):
                if name.endswith("weight"):
                    decayed.add(f"{prefix}.{name}" if prefix else name)
    return decayed
