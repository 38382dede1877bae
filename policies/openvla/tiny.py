"""A tiny OpenVLA in the published layout, for tests and documents.

Same code, 2 M parameters, random weights. It shows that things run and fit together; its actions
mean nothing until it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vla_bench.policies.openvla.action_tokens import N_BINS
from vla_bench.policies.openvla.scratch import (
    ModelSpec,
    TextSpec,
    VisionSpec,
    write_layout,
    write_weights,
)
from vla_bench.policies.openvla.tokenizer import VOCABULARY_ROUND
from vla_bench.store import write_json

_WORDS = "pick up put place move near into on the a red green yellow cup plate spoon carrot towel"
TINY = ModelSpec(
    VisionSpec("dinov2+siglip", 224, 14, width=96, depth=4, n_heads=4, mlp_width=384),
    TextSpec(width=128, n_layers=4, n_heads=4, mlp_width=344, words=_WORDS),
)


def write_tiny_checkpoint(
    folder: Path, seed: int, statistics: Mapping[str, Mapping[str, Any]], spec: ModelSpec = TINY
) -> None:
    """Fill `folder` with a random model in bf16.

    `statistics` is what dataset_statistics.json holds: data set -> {"action": {"q01", "q99", …}}.
    """
    write_layout(folder, spec)
    write_json(folder / "dataset_statistics.json", dict(statistics))
    write_json(folder / "preparation.json", {"resize": "lanczos3", "center_crop": False})
    write_weights(folder, _scaled, seed, torch.bfloat16)


def _scaled(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Scales found by trial: picked tokens differ between images, instructions and positions.

    The head favours action tokens, as a trained one does.
    """
    noise = torch.randn(shape, generator=generator)
    if name.endswith(("norm.weight", "norm1.weight", "norm2.weight", "scale_factor")):
        return 1.0 + 0.1 * noise
    if noise.ndim == 1 or "embed_tokens" in name or name.endswith(("pos_embed", "_token")):
        return 0.3 * noise
    gain = 2.5 if "self_attn" in name or "projector" in name else 1.5
    weights: Tensor = gain * noise / noise[0].numel() ** 0.5
    if name == "language_model.lm_head.weight":
        weights[-N_BINS - VOCABULARY_ROUND : -VOCABULARY_ROUND] *= 4.0
    return weights
