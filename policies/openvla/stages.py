"""Which parameters a training changes, and how the optimizer groups them.

The four stages of the paper's Table on parameter-efficient fine-tuning, as in
openvla/openvla@c8f03f4, prismatic/models/vlms/prismatic.py. LoRA is in `lora.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vla_bench.errors import ConfigError, unknown_name
from vla_bench.policies.openvla.checkpoint import (
    Weights,
    load_weights,
    open_weights,
    read_config,
)
from vla_bench.policies.openvla.config import OpenVLAConfig
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.quantize import PROJECTION, quantize_decoder
from vla_bench.policies.openvla.source import run_folder
from vla_bench.policies.training.learner import Group

_ENDS = r"language_model\.(model\.embed_tokens|model\.layers\.{last}|lm_head)\."
_OUTPUTS = {"lm_head", "output"}
STAGES: Mapping[str, str] = {
    "full": r"",
    "frozen_vision": r"(projector|language_model)\.",
    "sandwich": rf"(vision_backbone\.|projector\.|{_ENDS})",
    "last_layer": _ENDS,
}
"""Stage -> which names are trained; `{last}` is the number of the last decoder layer."""


def load_trainable(
    folder: Path, device: torch.device, dtype: torch.dtype, quantized: bool = False
) -> OpenVLAModel:
    """The checkpoint in `folder`, or a native run's ``.pt``, as `trainable`."""
    config = read_config(run_folder(folder))
    return trainable(config, open_weights(folder), device, dtype, quantized)


def trainable(
    config: OpenVLAConfig,
    weights: Weights,
    device: torch.device,
    dtype: torch.dtype,
    quantized: bool,
) -> OpenVLAModel:
    """The model with every parameter of its own, all of them frozen.

    As published: nothing fused or dropped, so that the state dict can be saved as a checkpoint.
    `quantized` holds the decoder's projections in NF4; one at a time passes through the device.
    """
    model = OpenVLAModel.on_meta(config)

    def place(name: str, tensor: Tensor) -> Tensor:
        waits = quantized and PROJECTION.fullmatch(name.removesuffix(".weight"))
        return tensor if waits else tensor.to(device, dtype, copy=True)

    load_weights(model, weights, place)
    if quantized:
        quantize_decoder(model, device, dtype)
    return model.train()


def train_stage(model: OpenVLAModel, stage: str) -> None:
    """Let exactly the parameters of `stage` be trained.

    Parameters that no forward pass reads are among them, as in the published code: they never get a
    gradient, and an optimizer leaves them alone.
    """
    if stage not in STAGES:
        raise unknown_name("stage", stage, STAGES)
    last = model.config.decoder.n_layers - 1
    trained = re.compile(STAGES[stage].replace("{last}", str(last)))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trained.match(name) is not None)


def n_trained(model: nn.Module) -> int:
    """How many numbers an optimizer changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies: not to biases and 1-d parameters (norms, layer scales)."""
    return parameter.ndim > 1 and not name.endswith(".bias")


def groups_of(model: nn.Module) -> list[Group]:
    """What is trained, for the loop; as upstream: openvla/openvla@c8f03f4,
    prismatic/training/strategies/fsdp.py.
    """
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    matrices = frozenset(name for name, p in trained.items() if decays(name, p))
    inner = matrices & {
        f"{name}.weight"
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and _OUTPUTS.isdisjoint(name.split("."))
    }
    return [
        Group("matrices of linear maps", inner, decays=True, is_inner=True),
        Group("embeddings, output", matrices - inner, decays=True),
        Group("biases, norms, scales", frozenset(trained) - matrices, decays=False),
    ]


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """What AdamW is given, see `decays`.

    openvla/openvla@c8f03f4, prismatic/training/strategies/fsdp.py. Raises ConfigError when nothing
    is trained.
    """
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    if not trained:
        raise ConfigError("Nothing is trained: call train_stage or add_lora on the model first.")
    exempt = [p for n, p in trained if not decays(n, p)]
    decayed = [p for n, p in trained if decays(n, p)]
    groups = [(decayed, weight_decay), (exempt, 0.0)]
    return [{"params": params, "weight_decay": decay} for params, decay in groups if params]
