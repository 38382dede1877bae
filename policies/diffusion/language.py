"""From an instruction to one vector: a frozen text encoder, asked once per instruction.

droid_policy_learning, which OpenVLA compared with, takes distilbert-base-uncased's last hidden
state *summed* over all tokens; summing is unusual, so pooling is a field.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from vla_bench.errors import ConfigError, MissingDependencyError, unknown_name
from vla_bench.policies.diffusion.spec import LanguageSpec
from vla_bench.protocols import FloatArray

HASHED = "hashed"
_POOLINGS = ("sum", "mean", "first")


class TextEncoder(Protocol):
    """Maps instructions to vectors; equal instructions to equal vectors."""

    def __call__(self, instruction: str) -> Tensor:
        """(dim,) float32, on the CPU."""
        ...


def text_encoder(spec: LanguageSpec) -> TextEncoder:
    """The encoder that `spec` names. Raises ConfigError when its width is not ``spec.dim``."""
    if spec.encoder == HASHED:
        if spec.pooling != "none":
            raise ConfigError(f"The hashed encoder has pooling 'none', got {spec.pooling!r}.")
        return HashedWords(spec.dim)
    return FrozenTransformer(spec)


class HashedWords:
    """The built-in encoder: fixed random signs for every word and every pair of neighbours.

    Needs no weights and knows no synonyms, so it suits policies that are evaluated on the
    instructions they were trained on. Pairs make the order of words matter: ``carrot on plate``
    and ``plate on carrot`` differ.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._vectors: dict[str, Tensor] = {}  # training asks for the same few, frame by frame

    def __call__(self, instruction: str) -> Tensor:
        if instruction not in self._vectors:
            self._vectors[instruction] = self._encode(instruction)
        return self._vectors[instruction]

    def _encode(self, instruction: str) -> Tensor:
        words = ["<s>", *instruction.lower().split(), "</s>"]
        features = words[1:-1] + [f"{left} {right}" for left, right in pairwise(words)]
        total = sum((self._signs(feature) for feature in features), np.zeros(self._dim))
        return torch.from_numpy(total / np.sqrt(len(features))).float()

    def _signs(self, feature: str) -> FloatArray:
        """(dim,) of -1 and 1, the same on every machine."""
        digest = hashlib.shake_256(feature.encode()).digest(-(-self._dim // 8))
        bits = np.unpackbits(np.frombuffer(digest, np.uint8))[: self._dim]
        signs: FloatArray = bits.astype(np.float64) * 2.0 - 1.0
        return signs


class FrozenTransformer:
    """A text encoder of transformers: hub name or folder, every weight as published."""

    def __init__(self, spec: LanguageSpec) -> None:
        if spec.pooling not in _POOLINGS:
            raise unknown_name("pooling", spec.pooling, _POOLINGS)
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise MissingDependencyError(
                f"The text encoder {spec.encoder} needs transformers ({error}): "
                "pip install 'vla-bench[diffusion]'."
            ) from error
        self._pooling = spec.pooling
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(spec.encoder)
            model: Any = AutoModel.from_pretrained(spec.encoder)
        except OSError as error:
            raise ConfigError(
                f"The text encoder {spec.encoder!r} is neither a folder nor a model that the hub "
                f"hands out: {error}"
            ) from error
        self._model = model.get_encoder() if model.config.is_encoder_decoder else model
        self._model.eval().requires_grad_(False)
        width = int(model.config.hidden_size)
        if width != spec.dim:
            raise ConfigError(f"{spec.encoder} gives {width} features, the config says {spec.dim}.")
        self._vectors: dict[str, Tensor] = {}

    def __call__(self, instruction: str) -> Tensor:
        if instruction not in self._vectors:
            self._vectors[instruction] = self._encode(instruction)
        return self._vectors[instruction]

    @torch.no_grad()
    def _encode(self, instruction: str) -> Tensor:
        """One instruction at a time: no padding, which a sum would count."""
        tokens = self._tokenizer(instruction, return_tensors="pt")
        hidden: Tensor = self._model(**tokens).last_hidden_state[0].float()
        if self._pooling == "first":
            return hidden[0]
        return hidden.sum(dim=0) if self._pooling == "sum" else hidden.mean(dim=0)
