"""From weights on disk to a model that is ready to infer: placed, fused, quantized.

Decoder projections stay mapped on the CPU until their layer is fused and uploaded: the host holds
no more than one layer of them, a GPU never both forms nor more than one that is not quantized.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from vla_bench.errors import ConfigError, unknown_name
from vla_bench.policies.openvla.checkpoint import Weights, load_weights
from vla_bench.policies.openvla.config import OpenVLAConfig
from vla_bench.policies.openvla.llama import Decoder, Layer
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.quantize import PRECISIONS, quantize

_PROJECTION = re.compile(r"language_model\.model\.layers\.\d+\.(self_attn|mlp)\.")
_BYTES = {"fp32": 4.0, "bf16": 2.0, "int8": 1.0, "nf4": 0.5 + 2 / 64, "int4": 0.5 + 2 / 64}
_WORKING_BYTES = {"fp32": 1.0e9, "bf16": 1.0e9, "int8": 1.0e9, "nf4": 2.0e9, "int4": 2.0e9}
"""CUDA context, key-value cache and activations of a small batch, and where four bits are expanded
eagerly the indices and levels of the largest projection's 90 million weights: round upper figures.
"""


def build_model(
    config: OpenVLAConfig, weights: Weights, device: torch.device, precision: str
) -> OpenVLAModel:
    """Ready to infer. Raises ConfigError when `device` has too little memory."""
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    model = OpenVLAModel.on_meta(config)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        check_memory(model, precision, free)
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16

    def place(name: str, tensor: Tensor) -> Tensor:
        return tensor if _PROJECTION.match(name) else tensor.to(device).to(dtype)

    try:
        load_weights(model, weights, place)
        model.drop_unused()
        _place_projections(model.language_model.model, device, precision)
    except torch.OutOfMemoryError as error:
        smaller = "" if precision in ("nf4", "int4") else "a policy.precision of fewer bits or "
        raise ConfigError(
            f"Not enough GPU memory to load precision {precision} on {device}: {error} Free some, "
            f"or type {smaller}policy.device=cpu."
        ) from error
    return model


def _place_projections(decoder: Decoder, device: torch.device, precision: str) -> None:
    dtype = torch.float32 if precision == "fp32" else torch.bfloat16
    for layer in decoder.layers:
        assert isinstance(layer, Layer)
        layer.fuse()
        for owner, name in (
            (layer.self_attn, "qkv_proj"),
            (layer.self_attn, "o_proj"),
            (layer.mlp, "gate_up_proj"),
            (layer.mlp, "down_proj"),
        ):
            linear = getattr(owner, name)
            weight = linear.weight.detach().to(device).to(dtype)
            if precision in ("fp32", "bf16"):
                linear.weight = nn.Parameter(weight, requires_grad=False)
            else:
                setattr(owner, name, quantize(weight, precision))


def weight_bytes(model: OpenVLAModel, precision: str) -> float:
    """What the weights of `model` (also on the meta device) take at `precision`."""
    total = 0.0
    for name, parameter in model.named_parameters():
        quantized = _PROJECTION.match(name) or precision == "fp32"
        total += parameter.numel() * _BYTES[precision if quantized else "bf16"]
    return total


def check_memory(model: OpenVLAModel, precision: str, free_bytes: float) -> None:
    """Raises ConfigError with what is needed, what is free, and which precisions would fit."""
    needed = {name: weight_bytes(model, name) + _WORKING_BYTES[name] for name in PRECISIONS}
    if needed[precision] <= free_bytes:
        return
    fitting = [name for name in PRECISIONS if needed[name] <= free_bytes]
    advice = f"policy.precision={'|'.join(fitting)} would fit" if fitting else "no precision fits"
    raise ConfigError(
        f"Not enough GPU memory: precision {precision} needs {needed[precision] / 1e9:.1f} GB, "
        f"{free_bytes / 1e9:.1f} GB are free; {advice}."
    )
