"""What a training changes of an OpenVLA, and how its weights are held: `conf/method/*.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from vla_bench.errors import ConfigError, unknown_name
from vla_bench.policies.openvla.lora import LoraSize, add_lora
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.stages import STAGES, load_trainable, train_stage

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
WEIGHTS = (*DTYPES, "nf4")


@dataclass(frozen=True)
class Lora:
    """Low-rank updates beside frozen weights.

    Attributes:
        rank: Columns of B.
        alpha: The update is scaled by alpha / rank; None is the published min(rank, 16).
        dropout: Share of the update's inputs that are zeroed in training.
        weights: Of the updates: ``bf16`` as published, or ``fp32``, which loses no small step.
    """

    rank: int
    alpha: int | None
    dropout: float
    weights: str

    def __post_init__(self) -> None:
        if self.weights not in DTYPES:
            raise unknown_name("method.lora.weights", self.weights, DTYPES)

    @property
    def size(self) -> LoraSize:
        alpha = LoraSize.published(self.rank).alpha if self.alpha is None else self.alpha
        return LoraSize(self.rank, alpha, self.dropout)


@dataclass(frozen=True)
class Method:
    """One way to train.

    Attributes:
        stage: Which of the model's own parameters are trained, a key of `STAGES`; None with `lora`.
        lora: Or updates beside all of them.
        weights: How the model's own are held: ``fp32``, ``bf16`` or, with `lora`, ``nf4``: the
            decoder's projections in four bits, the rest in bf16 (QLoRA).
        image_aug: Whether images are augmented, see `augment`.
        drop_noops: Leave out steps that do nothing, as in OpenVLA's LIBERO data.
        recompute: Store no activations inside decoder layers but compute them again.
    """

    stage: str | None
    lora: Lora | None
    weights: str
    image_aug: bool
    drop_noops: bool
    recompute: bool

    def __post_init__(self) -> None:
        if self.weights not in WEIGHTS:
            raise unknown_name("method.weights", self.weights, WEIGHTS)
        if (self.stage is None) == (self.lora is None):
            raise ConfigError(
                "Expected method.stage or method.lora, and not both: updates stand beside frozen "
                f"weights. Got stage {self.stage} and {'no' if self.lora is None else 'a'} lora."
            )
        if self.stage is not None and self.stage not in STAGES:
            raise unknown_name("method.stage", self.stage, STAGES)
        if self.stage is not None and self.weights == "nf4":
            raise ConfigError("method.weights=nf4 cannot be trained themselves: use method=qlora.")

    def load(self, folder: Path, device: torch.device, seed: int) -> OpenVLAModel:
        """The checkpoint in `folder`, with what is to be trained requiring gradients."""
        dtype = torch.float32 if self.weights == "fp32" else torch.bfloat16
        model = load_trainable(folder, device, dtype, quantized=self.weights == "nf4")
        return self.prepare(model, seed)

    def prepare(self, model: OpenVLAModel, seed: int) -> OpenVLAModel:
        """Have `model` train what the method says."""
        if self.stage is not None:
            train_stage(model, self.stage)
        if self.lora is not None:
            add_lora(model, self.lora.size, seed, DTYPES[self.lora.weights])
        model.language_model.model.recompute = self.recompute
        return model


@dataclass(frozen=True)
class Towers:
    """Vision towers alone, see `towers.py`.

    Attributes:
        now: Names of the log's state, told as they are: where the tool is, how open its gripper.
        next: And as they will be at the next change of the gripper's command.
    """

    now: Sequence[str]
    next: Sequence[str]

    def load(self, folder: Path, device: torch.device) -> OpenVLAModel:
        """The checkpoint in `folder`."""
        return load_trainable(folder, device, torch.float32)
