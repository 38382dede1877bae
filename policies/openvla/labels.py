"""Demonstrated steps -> a training batch: token ids, labels, images.

A training sequence is the prompt of a rollout, the action tokens and the end of the sequence; only
the last two are learned. Ids are those of the published pipeline, which writes the action tokens
into the text and tokenizes it as a whole (openvla/openvla@c8f03f4, prismatic/vla/datasets).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vla_bench.data.trajectory import DataError
from vla_bench.policies.openvla.action_tokens import ActionTokens
from vla_bench.policies.openvla.config import OpenVLAConfig
from vla_bench.policies.openvla.prompt import Prompter

IGNORED = -100
"""Label of a token that is not learned; the default of torch's cross_entropy."""
_END = "</s>"


@dataclass(frozen=True)
class Example:
    """One demonstrated step.

    Attributes:
        image: (side, side, 3) uint8 RGB, at the model's input size.
        instruction: What the robot was told to do.
        action: (dim,) normalized: -1 and 1 are the data set's bounds. What lies outside is clipped.
        data_set: Where it comes from; metrics are kept apart by it.
    """

    image: NDArray[np.uint8]
    instruction: str
    action: NDArray[np.floating]
    data_set: str


@dataclass(frozen=True)
class Batch:
    """Examples on one device; shorter rows are padded at the right.

    Attributes:
        images: (b, side, side, 3) uint8.
        ids: (b, t) int64.
        labels: (b, t) int64: the id itself where it is learned, else `IGNORED`.
        data_sets: Of every row.
    """

    images: Tensor
    ids: Tensor
    labels: Tensor
    data_sets: tuple[str, ...]

    def to(self, device: torch.device) -> Batch:
        tensors = (self.images, self.ids, self.labels)
        images, ids, labels = (tensor.to(device, non_blocking=True) for tensor in tensors)
        return replace(self, images=images, ids=ids, labels=labels)


@dataclass(frozen=True)
class Labeller:
    """Writes examples as the tokens that `config`'s model is trained on."""

    prompter: Prompter
    config: OpenVLAConfig

    def tokens(self, instruction: str, action: NDArray[np.floating]) -> tuple[list[int], int]:
        """All ids, and how many at their end are learned: one per dimension and the end.

        Raises DataError unless `action` is finite and the sequence fits the model.
        """
        if action.ndim != 1 or not action.size or not np.isfinite(action).all():
            raise DataError(
                f"Expected a finite action (dim,) for {instruction!r}, got shape "
                f"{action.shape}: {action.tolist()}."
            )
        end = self.prompter.tokenizer.token_to_id(_END)
        learned = [*ActionTokens(self.config.n_text_tokens).encode(action).tolist(), end]
        ids = [*self.prompter.ids(instruction), *learned]
        room = self.config.decoder.max_positions - self.config.n_patches
        if len(ids) > room:
            raise DataError(
                f"A training sequence has {len(ids)} tokens; the model has room for {room} beside "
                f"its image. Its instruction begins {instruction[:60]!r}."
            )
        return ids, len(learned)

    def collate(self, examples: Sequence[Example]) -> Batch:
        """One batch. Raises DataError for an image of another size or type, and as `tokens`."""
        for example in examples:
            _check_image(example, self.config.image_size)
        rows = [self.tokens(example.instruction, example.action) for example in examples]
        ids = [torch.tensor(row) for row, _ in rows]
        labels = [torch.tensor([IGNORED] * (len(row) - n) + row[-n:]) for row, n in rows]
        return Batch(
            torch.from_numpy(np.stack([example.image for example in examples])),
            *self.pad(ids, labels),
            tuple(example.data_set for example in examples),
        )

    def pad(self, ids: Sequence[Tensor], labels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Rows of different lengths (t,) -> ids and labels (b, longest t)."""
        pad_id = self.config.pad_token_id
        return (
            pad_sequence(list(ids), batch_first=True, padding_value=pad_id),
            pad_sequence(list(labels), batch_first=True, padding_value=IGNORED),
        )


def _check_image(example: Example, side: int) -> None:
    expected = (side, side, 3)
    if example.image.shape != expected or example.image.dtype != np.uint8:
        raise DataError(
            f"{example.data_set}, {example.instruction!r}: expected an image {expected} of uint8, "
            f"got {example.image.shape} of {example.image.dtype}."
        )
