"""OpenVLAs of other sizes, written from nothing in the published layout.

Every other module treats such a folder as it treats openvla-7b. The prompt is v0, images are
resized without regard to their aspect, and the first weights are those that a training starts from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vla_bench.errors import unknown_name
from vla_bench.policies.openvla.checkpoint import read_config
from vla_bench.policies.openvla.config import OpenVLAConfig, parse_config
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.tokenizer import VOCABULARY_ROUND, new_tokenizer
from vla_bench.store import write_json

TOWERS = {
    "dinov2+siglip": ("vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"),
    "siglip": ("vit_so400m_patch14_siglip_224",),
}
_STD = 0.02  # of most weights: GPT-2's, and the default of transformers' LlamaConfig
_POSITIONS_STD = 0.35

Start = Callable[[str, tuple[int, ...], torch.Generator], Tensor]
"""Name and shape of a tensor -> its first values."""


@dataclass(frozen=True)
class VisionSpec:
    """The towers, all of one size.

    Attributes:
        towers: A key of `TOWERS`; two towers double the features, not the tokens.
        image_size, patch_size: Sides in pixels.
        depth: Blocks, the last of which is never computed.
    """

    towers: str
    image_size: int
    patch_size: int
    width: int
    depth: int
    n_heads: int
    mlp_width: int

    def __post_init__(self) -> None:
        if self.towers not in TOWERS:
            raise unknown_name("towers", self.towers, TOWERS)


@dataclass(frozen=True)
class TextSpec:
    """The decoder, and which words, with spaces between them, are one token each."""

    width: int
    n_layers: int
    n_heads: int
    mlp_width: int
    words: str


@dataclass(frozen=True)
class ModelSpec:
    """An OpenVLA of our own."""

    vision: VisionSpec
    text: TextSpec


def config_of(spec: ModelSpec) -> OpenVLAConfig:
    """What `read_config` finds in a folder that `write_new` has filled."""
    n_text_tokens = new_tokenizer(spec.text.words.split()).get_vocab_size()
    return parse_config(_config(spec, n_text_tokens), _tower_sizes(spec.vision))


def write_new(folder: Path, spec: ModelSpec, seed: int) -> None:
    """Fill `folder` with a new model in fp32; the same one for the same seed."""
    write_layout(folder, spec)
    write_weights(folder, start, seed, torch.float32)


def write_layout(folder: Path, spec: ModelSpec) -> None:
    """All but the weights: config.json, tiny_vision.json, tokenizer.json."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = new_tokenizer(spec.text.words.split())
    n_text_tokens = tokenizer.get_vocab_size()
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "config.json", _config(spec, n_text_tokens))
    write_json(folder / "tiny_vision.json", _tower_sizes(spec.vision))


def write_weights(folder: Path, values: Start, seed: int, dtype: torch.dtype) -> None:
    """model.safetensors for the config.json in `folder`."""
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: values(name, tuple(tensor.shape), generator).to(dtype).contiguous()
        for name, tensor in OpenVLAModel.on_meta(read_config(folder)).state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def start(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Values that a small model learns from: biases 0, norms and scales 1, weights Gaussian.

    Image positions begin as sines of row and column, so that neighbours are alike from the start.
    """
    if name.endswith(("norm.weight", "norm1.weight", "norm2.weight", "scale_factor")):
        return torch.ones(shape)
    if name.endswith(".bias"):
        return torch.zeros(shape)
    if name.endswith("pos_embed"):
        return _sines(shape[1], shape[2])
    noise = torch.randn(shape, generator=generator)
    fan_in = math.prod(shape[1:])
    is_input = name.endswith(("_token", "latent", "embed_tokens.weight", "lm_head.weight"))
    return noise * (_STD if is_input else min(0.5, fan_in**-0.5))


def _sines(n_patches: int, width: int) -> Tensor:
    """(1, n_patches, width): a quarter each of sines and cosines of a patch's row and column."""
    side = math.isqrt(n_patches)
    frequencies = math.pi / 2 ** torch.linspace(0, math.log2(2 * side), -(-width // 4))
    angles = torch.arange(side)[:, None] * frequencies
    waves = torch.cat((angles.sin(), angles.cos()), dim=1)
    rows, columns = waves.repeat_interleave(side, dim=0), waves.repeat(side, 1)
    return _POSITIONS_STD * torch.cat((rows, columns), dim=1)[None, :, :width]


def _config(spec: ModelSpec, n_text_tokens: int) -> dict[str, Any]:
    towers, text = TOWERS[spec.vision.towers], spec.text
    return {
        "model_type": "openvla",
        "timm_model_ids": list(towers),
        "image_sizes": [spec.vision.image_size] * len(towers),
        "image_resize_strategy": "resize-naive",
        "llm_backbone_id": "llama2-7b-pure",
        "pad_token_id": n_text_tokens,
        "pad_to_multiple_of": VOCABULARY_ROUND,
        "text_config": {
            "model_type": "llama",
            "hidden_size": text.width,
            "intermediate_size": text.mlp_width,
            "num_hidden_layers": text.n_layers,
            "num_attention_heads": text.n_heads,
            "vocab_size": n_text_tokens + VOCABULARY_ROUND,
        },
    }


def _tower_sizes(vision: VisionSpec) -> dict[str, Any]:
    """tiny_vision.json: what the names of the towers do not say."""
    sizes = {
        "embed_dim": vision.width,
        "depth": vision.depth,
        "num_heads": vision.n_heads,
        "mlp_hidden": vision.mlp_width,
        "patch_size": vision.patch_size,
    }
    dinov2 = {**sizes, "prefix_tokens": 5, "layer_scale": True}
    siglip = {**sizes, "prefix_tokens": 0, "layer_scale": False}
    if vision.towers == "siglip":
        return {"featurizer": siglip}
    return {"featurizer": dinov2, "fused_featurizer": siglip}
