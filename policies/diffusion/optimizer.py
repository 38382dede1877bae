"""Which parameters decayed in the published trainings."""

from __future__ import annotations

from torch import nn

_DECAYED = (nn.Linear, nn.MultiheadAttention, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d)


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
