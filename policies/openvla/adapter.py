"""A PEFT LoRA adapter merged into the base weights, one tensor at a time, without peft.

W' = W + scale * B A, computed in fp32 when a tensor is read. Layout: peft 0.11.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from vla_bench.policies.openvla.checkpoint import Weights
from vla_bench.policies.openvla.config import CheckpointError, read_json
from vla_bench.policies.openvla.source import locate

PREFIX = "base_model.model."
_REFUSED = ("use_dora", "fan_in_fan_out", "rank_pattern", "alpha_pattern", "layer_replication")


@dataclass(frozen=True)
class Adapter:
    """Low-rank updates by the name of the weight they change.

    Attributes:
        scale: Factor of every product.
        pairs: Weight name -> (A, B).
        replaced: Weights that the file carries whole (PEFT saves the base `lm_head` so).
    """

    scale: float
    pairs: Mapping[str, tuple[Tensor, Tensor]]
    replaced: Mapping[str, Tensor]

    def merge(self, base: Weights) -> Weights:
        """`base` with the updates. Raises CheckpointError unless every update fits a weight."""
        shapes = {name: tuple(tensor.shape) for name, tensor in self.replaced.items()}
        for name, (a, b) in self.pairs.items():
            shapes[name] = (b.shape[0], *a.shape[1:])
        for name, shape in shapes.items():
            if base.shapes.get(name) != shape:
                raise CheckpointError(
                    f"The adapter changes {name} of shape {list(shape)}; the base model has "
                    f"{base.shapes.get(name, 'no such weight')}. Type as policy.checkpoint the one "
                    "that it was trained on: base_model_name_or_path in its adapter_config.json."
                )
        return Weights(base.shapes, lambda name: self._read(base, name))

    def _read(self, base: Weights, name: str) -> Tensor:
        weight = self.replaced[name] if name in self.replaced else base.read(name)
        if name not in self.pairs:
            return weight
        a, b = self.pairs[name]
        update = b.float().flatten(1) @ a.float().flatten(1)
        return weight.float() + self.scale * update.view(weight.shape)


def with_base(checkpoint: str | Path, adapter: str | None) -> tuple[str | Path, str | None]:
    """(Checkpoint, adapter): an adapter given as the checkpoint brings the one that it names."""
    folder = locate(checkpoint)
    if (folder / "config.json").exists() or not (folder / "adapter_config.json").exists():
        return checkpoint, adapter
    if adapter is not None:
        raise CheckpointError(
            f"{folder} is an adapter, and so is {adapter}: give one of them, or a whole checkpoint."
        )
    base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not base:
        raise CheckpointError(
            f"{folder} is an adapter that names no base: give it as policy.adapter, and the "
            "checkpoint that it was trained on as policy.checkpoint."
        )
    try:
        locate(base)
    except CheckpointError as error:
        raise CheckpointError(
            f"{folder} is an adapter of {base}: {error} Type policy.adapter={checkpoint} and, as "
            "policy.checkpoint, where that is now."
        ) from error
    return base, str(checkpoint)


def read_adapter(folder: Path) -> Adapter:
    """From adapter_config.json and adapter_model.safetensors."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "adapter_model.safetensors"
    absent = [p.name for p in (folder / "adapter_config.json", path) if not p.exists()]
    if absent:
        raise CheckpointError(
            f"{folder} is no adapter: expected adapter_config.json and adapter_model.safetensors, "
            f"found no {' and no '.join(absent)}. A whole checkpoint is given as policy.checkpoint;"
            " an adapter_model.bin is saved anew by peft with safe_serialization=True."
        )
    config = read_json(folder / "adapter_config.json")
    if config.get("peft_type") != "LORA":
        raise CheckpointError(
            f"{folder}: expected a LORA adapter, got peft_type {config.get('peft_type')!r}."
        )
    refused = [key for key in _REFUSED if config.get(key)]
    if refused:
        raise CheckpointError(
            f"{folder}: cannot merge an adapter with {', '.join(refused)}; merge it with peft and "
            "give the merged folder as policy.checkpoint."
        )
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged ({error}): copy or download it again.") from error
    return Adapter(_scale(folder, config), *_sorted(path, tensors))


def _scale(folder: Path, config: Mapping[str, Any]) -> float:
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, (int, float)):
        raise CheckpointError(
            f"{folder / 'adapter_config.json'}: expected r, the rank, and lora_alpha as numbers, "
            f"got r={rank} and lora_alpha={alpha}. Copy the file that training wrote."
        )
    return float(alpha / (rank**0.5 if config.get("use_rslora") else rank))


def _sorted(
    path: Path, tensors: Mapping[str, Tensor]
) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, Tensor]]:
    """(Pairs, replaced) as `Adapter` has them."""
    halves: dict[str, dict[str, Tensor]] = {"A": {}, "B": {}}
    replaced = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(PREFIX).replace(".base_layer.", ".")
        module, lora, half = name.removesuffix(".weight").rpartition(".lora_")
        if lora and half in halves:
            halves[half][f"{module}.weight"] = tensor
        else:
            replaced[name] = tensor
    a, b = halves["A"], halves["B"]
    pairs = {name: (a[name], b[name]) for name in a.keys() & b.keys()}
    fitting = {name for name, (inner, outer) in pairs.items() if len(inner) == outer.shape[1]}
    unfit = (a.keys() | b.keys()) - fitting
    if unfit or not tensors:
        raise CheckpointError(
            f"{path}: expected a lora_A (rank, inputs) and a lora_B (outputs, rank) of every "
            f"weight, not so of {', '.join(sorted(unfit)[:5]) or 'any'}. Copy or download it again."
        )
    return pairs, replaced
