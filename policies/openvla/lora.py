"""LoRA as OpenVLA is fine-tuned with it: low-rank updates beside frozen weights.

y = W x + scale * B (A x). Which modules, scale and start are those
of openvla/openvla@c8f03f4, vla-scripts/finetune.py, run with peft 0.11.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.quantize import FourBitLinear

MAX_ALPHA = 16
"""The published alpha is min(rank, 16)."""


@dataclass(frozen=True)
class LoraSize:
    """How large the updates are.

    Attributes:
        rank: Columns of B.
        alpha: The product B A is scaled by alpha / rank.
        dropout: Share of the inputs of A that are zeroed in training; 0 as published.
    """

    rank: int
    alpha: int
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1:
            raise ConfigError(
                f"Expected a LoRA rank and alpha of at least 1, got {self.rank} and {self.alpha}."
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"Expected a LoRA dropout in [0, 1), got {self.dropout}.")

    @classmethod
    def published(cls, rank: int) -> LoraSize:
        return cls(rank, min(rank, MAX_ALPHA))

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


class LoraModule(nn.Module):
    """A frozen linear, quantized or not, or convolution and its update.

    Acts as the frozen one until trained.
    """

    a: nn.Linear | nn.Conv2d
    b: nn.Linear | nn.Conv2d

    def __init__(
        self,
        base: nn.Linear | nn.Conv2d | FourBitLinear,
        size: LoraSize,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        self.base_layer = base
        self.scale, self.dropout = size.scale, size.dropout
        like = base.scale if isinstance(base, FourBitLinear) else base.weight
        with like.device:
            self.a, self.b = _update(base, size.rank, like.dtype if dtype is None else dtype)

    def start(self, generator: torch.Generator) -> None:
        """A normal with standard deviation 1 / rank, B zero: PEFT's ``gaussian``.

        Drawn on the CPU in fp32, so that one seed starts every device and precision alike.
        """
        weight = self.a.weight
        noise = torch.randn(weight.shape, generator=generator, device="cpu") / len(weight)
        with torch.no_grad():
            weight.copy_(noise)
            self.b.weight.zero_()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base_layer(x)
        seen = functional.dropout(x, self.dropout, self.training) if self.dropout else x
        update: Tensor = self.b(self.a(seen.to(self.a.weight.dtype)))
        return y + (self.scale * update).to(y.dtype)


def _update(
    base: nn.Linear | nn.Conv2d | FourBitLinear, rank: int, dtype: torch.dtype
) -> tuple[nn.Linear, nn.Linear] | tuple[nn.Conv2d, nn.Conv2d]:
    """A and B. The convolutions are patch embeddings; their B sees one patch at a time."""
    if not isinstance(base, nn.Conv2d):
        down = nn.Linear(base.in_features, rank, bias=False, dtype=dtype)
        return down, nn.Linear(rank, base.out_features, bias=False, dtype=dtype)
    side, _ = base.kernel_size
    patch = nn.Conv2d(base.in_channels, rank, side, side, bias=False, dtype=dtype)
    return patch, nn.Conv2d(rank, base.out_channels, 1, bias=False, dtype=dtype)


def add_lora(
    model: OpenVLAModel, size: LoraSize, seed: int, dtype: torch.dtype | None = None
) -> None:
    """Freeze `model` and wrap every linear and convolution in it, output head included.

    439 modules of openvla-7b: PEFT's ``all-linear`` becomes a list of name endings that also match
    `lm_head` and, by ``proj``, the patch embeddings; the last blocks and SigLIP's pool are wrapped
    and never used. Updates change nothing yet, and start alike for one `seed`. They are in `dtype`,
    or in that of their weight (bf16 as published; in fp32 small steps are not lost). Raises
    ConfigError when the model has updates already.
    """
    if lora_modules(model):
        raise ConfigError("The model has LoRA updates already: load the checkpoint anew.")
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    wrapped = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d, FourBitLinear))
    ]
    for name, module in wrapped:
        update = LoraModule(module, size, dtype)
        update.start(generator)
        owner, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(owner), attribute, update)


def lora_modules(model: nn.Module) -> dict[str, LoraModule]:
    """Wrapped modules by their name in the checkpoint."""
    return {name: m for name, m in model.named_modules() if isinstance(m, LoraModule)}
