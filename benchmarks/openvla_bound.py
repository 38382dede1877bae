"""The least time that a device's peaks allow an OpenVLA for one batch of actions."""

from __future__ import annotations

from torch import nn

from vla_bench.policies.openvla.build import weight_bytes
from vla_bench.policies.openvla.config import OpenVLAConfig
from vla_bench.policies.openvla.model import OpenVLAModel

N_PROMPT_TOKENS = 24  # of published instructions: 18 to 36
N_ACTION_TOKENS = 7


def bound_ms(
    config: OpenVLAConfig, precision: str, batch: int, peaks: tuple[float, float]
) -> float:
    """Milliseconds at `peaks`, bytes/s and FLOP/s.

    Prefill is bound by arithmetic (2 FLOP per weight and token, attention besides), each of six
    more tokens by reading decoder, head and cache.
    """
    bytes_per_second, flop_per_second = peaks
    model = OpenVLAModel.on_meta(config)
    model.drop_unused()
    n_tokens = config.n_patches + N_PROMPT_TOKENS
    text, decoder = config.decoder, model.language_model
    n_vision = count(model.vision_backbone) + count(model.projector)
    n_text = count(decoder.model.layers)
    attention = 2 * n_tokens**2 * text.width * text.n_layers
    prefill = 2 * (n_vision * config.n_patches + n_text * n_tokens) + attention
    size = 4 if precision == "fp32" else 2  # bytes of what is never quantized
    cache = size * 2 * text.width * text.n_layers * n_tokens
    unread = size * (n_vision + count(decoder.model.embed_tokens))
    step = (weight_bytes(model, precision) - unread + batch * cache) / bytes_per_second
    return 1000 * (batch * prefill / flop_per_second + (N_ACTION_TOKENS - 1) * step)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
