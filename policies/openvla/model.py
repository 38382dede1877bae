"""OpenVLA: vision towers, projector, language model.

The sequence is [BOS] [image patches] [rest of the prompt]; 256 patches as published. Module names
make the state dict that of the published checkpoints. Knows neither files, images nor actions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vla_bench.policies.openvla.cache import Cache
from vla_bench.policies.openvla.config import OpenVLAConfig
from vla_bench.policies.openvla.llama import Decoder
from vla_bench.policies.openvla.stream import Places
from vla_bench.policies.openvla.vit import VisionTransformer


class VisionBackbone(nn.Module):
    """Pixels (b, 3 per tower, side, side) -> features (b, n_patches, sum of widths)."""

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__()
        self.featurizer = VisionTransformer(config.towers[0], config.image_size)
        self.fused_featurizer: VisionTransformer | None = None
        if len(config.towers) == 2:
            self.fused_featurizer = VisionTransformer(config.towers[1], config.image_size)

    def forward(self, pixels: Tensor) -> Tensor:
        if self.fused_featurizer is None:
            features: Tensor = self.featurizer(pixels)
            return features
        first, second = pixels.chunk(2, dim=1)
        return torch.cat((self.featurizer(first), self.fused_featurizer(second)), dim=-1)


class Projector(nn.Module):
    """Vision features -> token embeddings: three layers behind two towers, two behind one."""

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__()
        vision = sum(tower.width for tower in config.towers)
        width = config.decoder.width
        hidden = 4 * vision if len(config.towers) == 2 else width
        self.fc1 = nn.Linear(vision, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.fc3 = nn.Linear(width, width) if len(config.towers) == 2 else None

    def forward(self, features: Tensor) -> Tensor:
        y: Tensor = self.fc2(functional.gelu(self.fc1(features)))
        return y if self.fc3 is None else self.fc3(functional.gelu(y))


class LanguageModel(nn.Module):
    """Decoder and untied output head."""

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__()
        self.model = Decoder(config.decoder)
        self.lm_head = nn.Linear(config.decoder.width, config.decoder.n_tokens, bias=False)


class OpenVLAModel(nn.Module):
    """The network. Token ids are (b, t), each row begun with BOS and padded at the right."""

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_backbone = VisionBackbone(config)
        self.projector = Projector(config)
        self.language_model = LanguageModel(config)

    @classmethod
    def on_meta(cls, config: OpenVLAConfig) -> OpenVLAModel:
        """Shapes without memory."""
        with torch.device("meta"):
            return cls(config)

    @property
    def device(self) -> torch.device:
        return self.language_model.model.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.language_model.model.norm.weight.dtype

    def forward(self, pixels: Tensor, ids: Tensor) -> Tensor:
        """Logits (b, n_patches + t, n_tokens) of the whole sequence, e.g. for training.

        `pixels` is (b, 3 per tower, side, side), normalized. Position n_patches + i predicts id
        i + 1.
        """
        logits: Tensor = self.language_model.lm_head(self.hidden(pixels, ids))
        return logits

    def hidden(self, pixels: Tensor, ids: Tensor, wanted: Places | None = None) -> Tensor:
        """What the output head reads, (b, n_patches + t, width), at every position of `forward`, or
        at the `wanted` ones (..., width).
        """
        x = self.embed(pixels, ids)
        decoder = self.language_model.model
        states: Tensor = decoder(x, decoder.place_prompt(x.shape[1]), None, wanted)
        return states

    def embed(self, pixels: Tensor, ids: Tensor) -> Tensor:
        """The decoder's input (b, n_patches + t, width)."""
        patches = self.projector(self.vision_backbone(pixels))
        words = self.language_model.model.embed_tokens(ids)
        return torch.cat((words[:, :1], patches, words[:, 1:]), dim=1)

    def prefill(self, pixels: Tensor, ids: Tensor, lengths: Tensor, cache: Cache) -> Tensor:
        """Logits (b, n_tokens) after each row's last id; fills `cache`. `lengths` is (b,)."""
        x = self.embed(pixels, ids)
        decoder = self.language_model.model
        rows = torch.arange(len(lengths), device=lengths.device)
        last = lengths + (self.config.n_patches - 1)
        hidden = decoder(x, decoder.place_prompt(x.shape[1]), cache, (rows[:, None], last[:, None]))
        return self._head(hidden)

    def step(self, ids: Tensor, positions: Tensor, cache: Cache) -> Tensor:
        """Logits (b, n_tokens) after one more id per row, `ids` (b,) at `positions` (b,)."""
        decoder = self.language_model.model
        x = decoder.embed_tokens(ids[:, None])
        return self._head(decoder(x, decoder.place_token(positions, cache.capacity), cache))

    def _head(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.language_model.lm_head(hidden)
        return logits[:, 0]

    def drop_unused(self) -> None:
        """Free vision weights that no forward pass reads (43 M of the 7.5 B)."""
        self.vision_backbone.featurizer.drop_unused()
        if self.vision_backbone.fused_featurizer is not None:
            self.vision_backbone.fused_featurizer.drop_unused()
