"""The small functions between the matrix products: what launch overhead and memory traffic cost.

Each is plain torch, so that one definition serves the CPU, training and the GPU. `compile_kernels`
has torch.compile turn each into one GPU kernel; intermediate roundings stay those of eager mode, so
that a compiled model picks the same tokens but where the order of a sum decides between two.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from vla_bench.errors import MissingDependencyError


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root-mean-square norm over the last axis; statistics in fp32, scale in x's dtype.

    The order of the casts is that of transformers 4.40.1 (LlamaRMSNorm).
    """
    wide = x.float()
    wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return weight * wide.to(x.dtype)


def add_rms_norm(x: Tensor, update: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The residual sum and its norm."""
    total = x + update
    return total, rms_norm(total, weight, eps)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding: channel i turns with channel i + d/2, by the angle of i.

    `x` is (..., d); `cos` and `sin` broadcast against (..., d/2).
    """
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(gate) * up of the two halves of the last axis."""
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up


@dataclass(frozen=True)
class Kernels:
    """The versions in use; one set per model."""

    rms_norm: Callable[[Tensor, Tensor, float], Tensor]
    add_rms_norm: Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]
    rotate: Callable[[Tensor, Tensor, Tensor], Tensor]
    swiglu: Callable[[Tensor], Tensor]


EAGER = Kernels(rms_norm, add_rms_norm, rotate, swiglu)


def compile_kernels() -> Kernels:
    """Every kernel through torch.compile: needs Triton on a GPU, a C++ compiler on a CPU."""
    return Kernels(*(compile_function(function, True) for function in vars(EAGER).values()))


def check_compiler(device: torch.device) -> None:
    """Raises MissingDependencyError unless torch.compile works for `device` here."""
    try:
        compile_function(_doubled, any_shape=True)(torch.ones(2, device=device))
    except RuntimeError as error:  # of torch's compiler, of Triton or of its launcher
        needed = "a C++ compiler (g++)" if device.type == "cpu" else "Triton and a C compiler (gcc)"
        reason = str(error).partition("\n")[0]
        raise MissingDependencyError(
            f"policy.compile=true needs {needed}, but torch.compile ended in: {reason} Install it, "
            "or type policy.compile=false."
        ) from error


def _doubled(x: Tensor) -> Tensor:
    return x + x


@functools.cache  # torch counts every compilation of a function against one limit per process
def compile_function(function: Callable[..., Any], any_shape: bool) -> Callable[..., Any]:
    """`function` as one kernel with eager mode's roundings.

    `any_shape` has it serve every batch and length; else each shape is compiled on its own.
    """
    options: dict[str, Any] = {"emulate_precision_casts": True}
    return torch.compile(function, dynamic=any_shape, options=options)


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """fp32 convolutions in fp32: by default cuDNN rounds their operands to TF32's 10 bits, unlike
    matrix products. Nothing else changes, on a CPU nothing at all.
    """
    backend: Any = torch.backends.cudnn  # its stubs lack `conv`
    convolutions = backend.conv
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


@contextmanager
def quick_attention(device: torch.device) -> Iterator[None]:
    """In training: plain products for bf16 on a CPU, where torch 2.13's fused attention has a slow
    gradient; elsewhere what torch chooses.
    """
    if device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield
