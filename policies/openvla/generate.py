"""Greedy decoding of exactly as many tokens as an action has dimensions, for a whole batch.

A pick outside the action tokens (an early end of sequence is one) is never decoded silently: it is
returned as picked, or replaced by the best action token, and in both cases reported. Knows neither
strings nor robots.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vla_bench.policies.openvla.image import normalize_images
from vla_bench.policies.openvla.model import OpenVLAModel

_ALIGN = 8  # cache columns; attention kernels on GPUs want masks of 16 bytes


@dataclass(frozen=True)
class Inputs:
    """A batch on one device.

    Attributes:
        images: (b, side, side, 3) uint8.
        ids: (b, t) int64 prompts, padded at the right.
        lengths: (b,) int64, ids per row without padding.
    """

    images: Tensor
    ids: Tensor
    lengths: Tensor

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.images, self.ids, self.lengths

    def to(self, device: torch.device) -> Inputs:
        """On `device`; from pinned memory the copies overlap with computation."""
        return Inputs(*(tensor.to(device, non_blocking=True) for tensor in self.tensors()))

    def pinned(self) -> Inputs:
        return Inputs(*(tensor.pin_memory() for tensor in self.tensors()))


@dataclass(frozen=True)
class Decoding:
    """How to pick.

    Attributes:
        n_tokens: Dimensions of the action.
        first_action_id, last_action_id: The ids that stand for actions, both included.
        substitute: Replace a pick outside that range by the best pick inside.
    """

    n_tokens: int
    first_action_id: int
    last_action_id: int
    substitute: bool

    def pick(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """(b, n_tokens) logits -> (id to continue with, id picked from the whole vocabulary)."""
        free = logits.argmax(dim=-1)
        if not self.substitute:
            return free, free
        actions = logits[:, self.first_action_id : self.last_action_id + 1]
        return actions.argmax(dim=-1) + self.first_action_id, free


@torch.inference_mode()
def generate(model: OpenVLAModel, inputs: Inputs, decoding: Decoding) -> Tensor:
    """(2, b, n_tokens) int64: ids continued with, and ids picked freely. Never synchronizes."""
    batch, n_ids = inputs.ids.shape
    n_prompt = model.config.n_patches + n_ids
    capacity = -(-(n_prompt + decoding.n_tokens) // _ALIGN) * _ALIGN
    cache = model.language_model.model.new_cache(batch, capacity, n_prompt)
    pixels = normalize_images(inputs.images, model.config).to(model.dtype)
    logits = model.prefill(pixels, inputs.ids, inputs.lengths, cache)
    picks = [decoding.pick(logits)]
    for index in range(decoding.n_tokens - 1):
        positions = inputs.lengths + (model.config.n_patches + index)
        logits = model.step(picks[-1][0], positions, cache)
        picks.append(decoding.pick(logits))
    return torch.stack([torch.stack(pick) for pick in picks], dim=-1)


@torch.inference_mode()
def prompt_logits(model: OpenVLAModel, inputs: Inputs) -> Tensor:
    """(b, n_tokens) fp32 logits after each row's last id."""
    batch, n_ids = inputs.ids.shape
    n_prompt = model.config.n_patches + n_ids
    cache = model.language_model.model.new_cache(batch, n_prompt, n_prompt)
    pixels = normalize_images(inputs.images, model.config).to(model.dtype)
    return model.prefill(pixels, inputs.ids, inputs.lengths, cache).float()
