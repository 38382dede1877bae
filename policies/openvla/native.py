"""Native Prismatic checkpoints (what the training code writes) in terms of the published layout.

Weights differ in names only. Layout: openvla/openvla@c8f03f4,
vla-scripts/extern/convert_openvla_weights_to_hf.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vla_bench.errors import unknown_name
from vla_bench.policies.openvla.config import CheckpointError

_RULES = (
    (re.compile(r"^vision_backbone\.dino_featurizer\."), "vision_backbone.featurizer."),
    (re.compile(r"^vision_backbone\.siglip_featurizer\."), "vision_backbone.fused_featurizer."),
    (re.compile(r"^projector\.projector\.0\."), "projector.fc1."),
    (re.compile(r"^projector\.projector\.2\."), "projector.fc2."),
    (re.compile(r"^projector\.projector\.4\."), "projector.fc3."),
    (re.compile(r"^llm_backbone\.llm\."), "language_model."),
    (re.compile(r"\.(ls[12])\.gamma$"), r".\1.scale_factor"),
)
_PARTS = ("vision_backbone", "projector", "llm_backbone")


def published_name(name: str) -> str:
    """`part.name` of a native checkpoint -> the name in the published layout."""
    for pattern, replacement in _RULES:
        name = pattern.sub(replacement, name)
    return name


def published_names(path: Path, content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a native checkpoint file by published name."""
    model = content.get("model", {})
    absent = [part for part in _PARTS if part not in model]
    if absent:
        raise CheckpointError(
            f"{path}: expected {{'model': {{{', '.join(_PARTS)}}}}}, lacks {', '.join(absent)}."
        )
    return {
        published_name(f"{part}.{name}"): tensor
        for part in _PARTS
        for name, tensor in model[part].items()
    }


# prismatic/conf/models.py: the two base models that released OpenVLA runs started from.
_SHARED = {
    "model_type": "openvla",
    "image_sizes": [224, 224],
    "pad_to_multiple_of": 64,
    "pad_token_id": 32000,
    "text_config": {"vocab_size": 32064},
}
_BASES: Mapping[str, Mapping[str, Any]] = {
    "prism-dinosiglip-224px+7b": {
        "timm_model_ids": [
            "vit_large_patch14_reg4_dinov2.lvd142m",
            "vit_so400m_patch14_siglip_224",
        ],
        "image_resize_strategy": "resize-naive",
        "llm_backbone_id": "llama2-7b-pure",
    },
    "siglip-224px+7b": {
        "timm_model_ids": ["vit_so400m_patch14_siglip_224"],
        "image_sizes": [224],
        "image_resize_strategy": "letterbox",
        "llm_backbone_id": "vicuna-v15-7b",
    },
}


def published_config(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A native run's config.json as the published one; any other comes back as it is."""
    if "vla" not in data:
        return data
    base = data["vla"]["base_vlm"]
    if base not in _BASES:
        raise unknown_name("base_vlm", base, _BASES)
    return {**_SHARED, **_BASES[base]}
