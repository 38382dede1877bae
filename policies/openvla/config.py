"""A checkpoint's config.json as frozen dataclasses: every size that the modules need.

Knows neither torch nor weights. Published OpenVLA files name their towers and leave the language
model's sizes to the defaults of transformers' LlamaConfig; both are written out here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vla_bench.errors import VlaBenchError, unknown_name


class CheckpointError(VlaBenchError):
    """A checkpoint's files are absent, damaged or of another model."""


@dataclass(frozen=True)
class TowerConfig:
    """One vision transformer.

    Attributes:
        patch_size: Side in pixels of the squares that become tokens.
        n_prefix_tokens: Class and register tokens before the patches, without positions.
        layer_scale: Whether each residual branch has a learned per-channel factor.
        mean, std: RGB statistics in [0, 1] that its input is normalized with.
    """

    width: int
    depth: int
    n_heads: int
    mlp_width: int
    patch_size: int
    n_prefix_tokens: int
    layer_scale: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class DecoderConfig:
    """The Llama decoder. `n_tokens` includes the padding of the vocabulary to a round number."""

    width: int
    mlp_width: int
    n_layers: int
    n_heads: int
    n_tokens: int
    rms_eps: float
    rope_theta: float
    max_positions: int

    @property
    def head_width(self) -> int:
        return self.width // self.n_heads


@dataclass(frozen=True)
class OpenVLAConfig:
    """A whole model.

    Attributes:
        towers: In channel order of the features: DINOv2 first, or SigLIP alone.
        n_text_tokens: Size of the tokenizer's own vocabulary; its last 256 ids stand for actions.
        pad_token_id: Fills the right end of shorter prompts; never attended to.
        image_size: Side in pixels of the square that every tower looks at.
        resize: ``resize-naive``, ``resize-crop`` or ``letterbox``.
        prompt: ``v0`` or ``v01``, the two published templates.
    """

    towers: tuple[TowerConfig, ...]
    decoder: DecoderConfig
    n_text_tokens: int
    pad_token_id: int
    image_size: int
    resize: str
    prompt: str

    @property
    def n_patches(self) -> int:
        """Image tokens in a sequence, 256 as published."""
        n_patches: int = (self.image_size // self.towers[0].patch_size) ** 2
        return n_patches


# Sizes: timm 0.9.10, vit_large_patch14_reg4_dinov2 and vit_so400m_patch14_siglip_224, at the
# 224 px of openvla/openvla@c8f03f4, prismatic/models/backbones/vision.
DINOV2 = TowerConfig(
    1024, 24, 16, 4096, 14, 5, True, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)
SIGLIP = TowerConfig(1152, 27, 16, 4304, 14, 0, False, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
TOWERS = {"vit_large_patch14_reg4_dinov2.lvd142m": DINOV2, "vit_so400m_patch14_siglip_224": SIGLIP}
RESIZES = ("resize-naive", "resize-crop", "letterbox")
PROMPT_OF_LLM = {"llama2": "v0", "vicuna": "v01"}

# transformers 4.40.1 LlamaConfig(): what a published text_config leaves out. Llama-2 itself was
# trained with rms_norm_eps 1e-5; the published OpenVLA runs with 1e-6.
_LLAMA_DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "max_position_embeddings": 2048,
}


def parse_config(
    data: Mapping[str, Any], tower_sizes: Mapping[str, Any] | None = None
) -> OpenVLAConfig:
    """From the contents of config.json and, where given, of tiny_vision.json."""
    towers = []
    for name in data["timm_model_ids"]:
        if name not in TOWERS:
            raise unknown_name("vision tower", name, TOWERS)
        towers.append(TOWERS[name])
    if tower_sizes is not None:
        sizes = [tower_sizes[key] for key in ("featurizer", "fused_featurizer")[: len(towers)]]
        towers = [_resized(tower, size) for tower, size in zip(towers, sizes)]
    image_size = _image_size(data["image_sizes"], towers)
    if data["image_resize_strategy"] not in RESIZES:
        raise unknown_name("image_resize_strategy", data["image_resize_strategy"], RESIZES)
    llm = str(data["llm_backbone_id"]).split("-")[0]
    if llm not in PROMPT_OF_LLM:
        raise unknown_name("llm_backbone_id", data["llm_backbone_id"], PROMPT_OF_LLM)
    decoder = _decoder(data["text_config"])
    return OpenVLAConfig(
        tuple(towers),
        decoder,
        n_text_tokens=decoder.n_tokens - data["pad_to_multiple_of"],
        pad_token_id=data["pad_token_id"],
        image_size=image_size,
        resize=data["image_resize_strategy"],
        prompt=PROMPT_OF_LLM[llm],
    )


def _resized(tower: TowerConfig, size: Mapping[str, Any]) -> TowerConfig:
    return TowerConfig(
        size["embed_dim"],
        size["depth"],
        size["num_heads"],
        size["mlp_hidden"],
        size.get("patch_size", tower.patch_size),
        size["prefix_tokens"],
        size["layer_scale"],
        tower.mean,
        tower.std,
    )


def _image_size(sizes: Sequence[int], towers: Sequence[TowerConfig]) -> int:
    """Raises CheckpointError unless one square of whole patches serves every tower."""
    patches = {tower.patch_size for tower in towers}
    if len(set(sizes)) != 1 or len(patches) != 1 or sizes[0] % towers[0].patch_size:
        raise CheckpointError(
            "config.json, image_sizes: expected one side for all towers, a multiple of their one "
            f"patch size, got sizes {list(sizes)} and patches {sorted(patches)}."
        )
    return sizes[0]


def _decoder(text: Mapping[str, Any]) -> DecoderConfig:
    filled = {**_LLAMA_DEFAULTS, **text}
    heads = filled["num_attention_heads"]
    if filled.get("num_key_value_heads", heads) != heads or filled.get("rope_scaling"):
        raise CheckpointError(
            "config.json, text_config: expected the attention of Llama-2 (as many key-value as "
            "query heads, no rope_scaling), got num_key_value_heads="
            f"{filled.get('num_key_value_heads')}, rope_scaling={filled.get('rope_scaling')}."
        )
    return DecoderConfig(
        width=filled["hidden_size"],
        mlp_width=filled["intermediate_size"],
        n_layers=filled["num_hidden_layers"],
        n_heads=heads,
        n_tokens=filled["vocab_size"],
        rms_eps=filled["rms_norm_eps"],
        rope_theta=filled["rope_theta"],
        max_positions=filled["max_position_embeddings"],
    )


def read_json(path: Path) -> Any:
    """Parsed contents. Raises CheckpointError when the file is absent or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is absent: is {path.parent} a checkpoint?") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}.") from error
