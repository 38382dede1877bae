"""Weight-only quantization of the decoder: int8, nf4, int4. Plain torch, the same on CPU and GPU.

Only the four (fused) projections of every decoder layer are quantized, 86 % of the parameters;
towers, projector, embeddings and head stay as they are. Weights are expanded on the fly,
activations are never quantized: numerics can be checked on any machine, and a CUDA graph can hold
the result.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vla_bench.policies.openvla.kernels import compile_function

GROUP = 64
"""Weights per scale, QLoRA's block size (arXiv 2305.14314, section 3)."""

NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
"""Quantiles of a normal distribution, scaled to [-1, 1] (arXiv 2305.14314, appendix E)."""

PROJECTION = re.compile(r"language_model\.model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj")
"""Names of what is quantized, in a model that is not fused."""

INT4 = tuple(float(level) for level in range(-8, 8))


class Int8Linear(nn.Module):
    """One scale per output: w = scale * code, code in -127..127."""

    codes: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale = (weight.float().abs().amax(dim=1).clamp(min=1e-12) / 127.0).to(weight.dtype)
        codes = (weight.float() / scale.float()[:, None]).round().clamp(-127, 127)
        self.register_buffer("codes", codes.to(torch.int8))
        self.register_buffer("scale", scale)
        self.matvec: Callable[..., Tensor] | None = None

    def dequantize(self) -> Tensor:
        """(n_outputs, n_inputs) as it acts."""
        return self.codes.to(self.scale.dtype) * self.scale[:, None]

    def forward(self, x: Tensor) -> Tensor:
        if self.matvec is not None and x.numel() == x.shape[-1]:
            y = self.matvec(x.flatten(), self.codes, self.scale)
            return y.view(*x.shape[:-1], -1)
        # Codes are exact in bf16, so the sum is scaled instead of every weight.
        return functional.linear(x, self.codes.to(x.dtype)) * self.scale


def int8_matvec(x: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
    """One input (n_inputs,) -> (n_outputs,); compiled, a single pass over the codes."""
    return ((codes.float() * x.float()).sum(dim=1) * scale.float()).to(x.dtype)


class FourBitLinear(nn.Module):
    """A level table and one scale per group of inputs: w = scale * levels[code].

    Byte j of a row holds the codes of inputs j (low half) and j + n_inputs / 2 (high half), so that
    a kernel reads two contiguous stretches of its input.
    """

    codes: Tensor
    scale: Tensor
    levels: Tensor

    def __init__(self, weight: Tensor, levels: tuple[float, ...]) -> None:
        super().__init__()
        n_outputs, n_inputs = weight.shape
        self.in_features, self.out_features = n_inputs, n_outputs
        self.group = math.gcd(GROUP, n_inputs // 2)
        groups = weight.float().view(n_outputs, -1, self.group)
        scale = group_scales(groups, levels).to(weight.dtype)
        table = torch.tensor(levels, device=weight.device)
        middles = (table[1:] + table[:-1]) / 2
        codes = torch.bucketize(groups / scale.float()[..., None], middles, out_int32=True)
        codes = codes.to(torch.uint8).view(n_outputs, 2, n_inputs // 2)
        for name, value in (
            ("codes", codes[:, 0] | codes[:, 1] << 4),
            ("scale", scale),
            ("levels", table.to(weight.dtype)),
        ):
            self.register_buffer(name, value, persistent=False)  # checkpoints hold the weight
        self.matvec: Callable[..., Tensor] | None = None
        self.expand: Callable[..., Tensor] = expand

    def dequantize(self) -> Tensor:
        """(n_outputs, n_inputs) as it acts."""
        return self.expand(self.codes, self.scale, self.levels).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        if self.matvec is not None and x.numel() == x.shape[-1]:
            y = self.matvec(x.flatten(), self.codes, self.scale, self.levels)
            return y.view(*x.shape[:-1], -1)
        if torch.is_grad_enabled() and x.requires_grad:
            return _frozen_product(x, self.codes, self.scale, self.levels)
        return functional.linear(x, self.dequantize())


class _FrozenProduct(torch.autograd.Function):
    """x W^T of four-bit codes. Autograd would keep every expanded weight for the backward pass;
    this keeps the codes and expands them again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, codes: Tensor, scale: Tensor, levels: Tensor) -> Tensor:
        ctx.save_for_backward(codes, scale, levels)
        ctx.dtype = x.dtype
        return functional.linear(x.to(scale.dtype), expand(codes, scale, levels).flatten(1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        weight = expand(*ctx.saved_tensors).flatten(1)
        return (gradient.to(weight.dtype) @ weight).to(ctx.dtype), None, None, None


_frozen_product: Callable[..., Tensor] = _FrozenProduct.apply  # torch leaves it untyped


def group_scales(groups: Tensor, levels: tuple[float, ...]) -> Tensor:
    """(n_outputs, n_groups): what makes the largest weight of each group the first or last level.

    With levels -8..7 the scale takes the sign that puts the largest weight on -8, so that no level
    is wasted.
    """
    index = groups.abs().argmax(dim=-1, keepdim=True)
    largest = groups.gather(-1, index).squeeze(-1)
    scale = largest / levels[0] if levels == INT4 else largest.abs()
    return torch.where(scale == 0, torch.ones_like(scale), scale)


def expand(codes: Tensor, scale: Tensor, levels: Tensor) -> Tensor:
    """Weights (n_outputs, n_groups, group) in the dtype of `scale`.

    Compiled, a single pass that reads half a byte per weight; eagerly six passes.
    """
    both = torch.stack((codes & 15, codes >> 4), dim=1)
    return _look_up(levels, both).view(*scale.shape, -1) * scale[..., None]


def _look_up(levels: Tensor, codes: Tensor) -> Tensor:
    """Flat. `index_select` takes four-byte indices as they are; `levels[...]` would widen them."""
    return levels.index_select(0, codes.flatten().int())


def four_bit_matvec(x: Tensor, codes: Tensor, scale: Tensor, levels: Tensor) -> Tensor:
    """One input (n_inputs,) -> (n_outputs,); compiled, a single pass over the codes."""
    n_groups = scale.shape[1] // 2  # in either half of the inputs
    shape = (len(codes), n_groups, -1)
    low = _look_up(levels, codes & 15).view(shape) * scale[:, :n_groups, None]
    high = _look_up(levels, codes >> 4).view(shape) * scale[:, n_groups:, None]
    x_low, x_high = x.float().view(2, 1, n_groups, -1)
    y: Tensor = (low.float() * x_low + high.float() * x_high).sum(dim=(1, 2))
    return y.to(x.dtype)


PRECISIONS = ("bf16", "fp32", "int8", "nf4", "int4")


def quantize(weight: Tensor, precision: str) -> nn.Module:
    """A module that acts as a bias-free linear with `weight` (n_outputs, n_inputs)."""
    if precision == "int8":
        return Int8Linear(weight)
    return FourBitLinear(weight, NF4 if precision == "nf4" else INT4)


def quantize_decoder(model: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """NF4 for every projection of the decoder's layers, in place, with scales in `dtype`.

    For training beside them: projections stay apart, as checkpoints name them.
    """
    for path, module in list(model.named_modules()):
        if PROJECTION.fullmatch(path):
            assert isinstance(module, nn.Linear)
            owner, _, attribute = path.rpartition(".")
            setattr(
                model.get_submodule(owner),
                attribute,
                FourBitLinear(module.weight.detach().to(device, dtype), NF4),
            )


def has_four_bits(model: nn.Module) -> bool:
    """Whether no precision would make `model` smaller."""
    return any(isinstance(module, FourBitLinear) for module in model.modules())


def compile_quantized(model: nn.Module) -> None:
    """Give every quantized module in `model` the compiled product for a single token, and one of
    four bits the compiled expansion for more.
    """
    int8, four_bit, expansion = (
        compile_function(function, any_shape=False)
        for function in (int8_matvec, four_bit_matvec, expand)
    )
    for module in model.modules():
        if isinstance(module, Int8Linear):
            module.matvec = int8
        elif isinstance(module, FourBitLinear):
            module.matvec, module.expand = four_bit, expansion
