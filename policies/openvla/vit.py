"""One vision transformer for both towers, DINOv2 with registers and SigLIP.

Parameters carry timm's names, so that a checkpoint loads by name. OpenVLA takes the output of the
second-to-last block: the last block, the final norm and SigLIP's attention pool are in every
checkpoint and are never computed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vla_bench.policies.openvla.config import TowerConfig
from vla_bench.policies.openvla.kernels import exact_convolutions

NORM_EPS = 1e-6  # timm 0.9.10, vision_transformer.py: both towers


class LayerScale(nn.Module):
    """A factor per channel. timm's `gamma`; OpenVLA's checkpoints call it `scale_factor`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_factor = nn.Parameter(torch.empty(width))


class Attention(nn.Module):
    """Full self-attention."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, n_tokens, width = x.shape
        qkv = self.qkv(x).view(batch, n_tokens, 3, self.n_heads, width // self.n_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        heads = functional.scaled_dot_product_attention(q, k, v)
        y: Tensor = self.proj(heads.transpose(1, 2).reshape(batch, n_tokens, width))
        return y


class Mlp(nn.Module):
    """Two layers around an exact (erf) GELU; other ports of SigLIP use the tanh form."""

    def __init__(self, width: int, mlp_width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, mlp_width)
        self.fc2 = nn.Linear(mlp_width, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return y


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, NORM_EPS)
        self.attn = Attention(config.width, config.n_heads)
        self.norm2 = nn.LayerNorm(config.width, NORM_EPS)
        self.mlp = Mlp(config.width, config.mlp_width)
        self.ls1 = LayerScale(config.width) if config.layer_scale else None
        self.ls2 = LayerScale(config.width) if config.layer_scale else None

    def forward(self, x: Tensor) -> Tensor:
        x = _add(x, self.attn(self.norm1(x)), self.ls1)
        return _add(x, self.mlp(self.norm2(x)), self.ls2)


def _add(x: Tensor, update: Tensor, scale: LayerScale | None) -> Tensor:
    return x + update if scale is None else x + update * scale.scale_factor


class AttentionPool(nn.Module):
    """SigLIP's pooling head: weights without a forward pass."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.empty(1, 1, config.width))
        self.q = nn.Linear(config.width, config.width)
        self.kv = nn.Linear(config.width, 2 * config.width)
        self.proj = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width, NORM_EPS)
        self.mlp = Mlp(config.width, config.mlp_width)


class PatchEmbed(nn.Module):
    """Square patches, row by row from the top left."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, side, side)

    def forward(self, pixels: Tensor) -> Tensor:
        with exact_convolutions():
            patches: Tensor = self.proj(pixels)
        return patches.flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Normalized pixels (b, 3, side, side) -> patch features (b, n_patches, width)."""

    def __init__(self, config: TowerConfig, image_size: int) -> None:
        super().__init__()
        self.n_prefix_tokens = config.n_prefix_tokens
        self.patch_embed = PatchEmbed(config.width, config.patch_size)
        n_patches = (image_size // config.patch_size) ** 2
        self.pos_embed = nn.Parameter(torch.empty(1, n_patches, config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, NORM_EPS)
        if config.n_prefix_tokens:
            self.cls_token = nn.Parameter(torch.empty(1, 1, config.width))
            self.reg_token = nn.Parameter(torch.empty(1, config.n_prefix_tokens - 1, config.width))
        else:
            self.attn_pool = AttentionPool(config)
        self.n_used_blocks = config.depth - 1

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.embed(pixels)
        for block in self.blocks[: self.n_used_blocks]:
            x = block(x)
        return x[:, self.n_prefix_tokens :]

    def embed(self, pixels: Tensor) -> Tensor:
        """Input of the first block. Positions are added to patches only."""
        x: Tensor = self.patch_embed(pixels) + self.pos_embed
        if self.n_prefix_tokens:
            prefix = torch.cat((self.cls_token, self.reg_token), dim=1)
            x = torch.cat((prefix.expand(len(x), -1, -1), x), dim=1)
        return x

    def drop_unused(self) -> None:
        """Free what `forward` never reads. The state dict is no longer a whole checkpoint."""
        del self.blocks[self.n_used_blocks :]
        del self.norm
        if not self.n_prefix_tokens:
            del self.attn_pool
