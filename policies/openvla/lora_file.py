"""LoRA updates on disk, in PEFT's own format: read by `adapter.read_adapter` and by peft.

Unlike PEFT's, the file does not repeat the base model's `lm_head`, 260 MB of openvla-7b.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vla_bench.policies.openvla.adapter import PREFIX, Adapter, read_adapter
from vla_bench.policies.openvla.config import CheckpointError
from vla_bench.policies.openvla.lora import LoraModule, LoraSize, lora_modules
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.quantize import FourBitLinear


def save_lora(model: OpenVLAModel, size: LoraSize, base: str, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors into `folder`.

    `base` is the folder or hub id of the checkpoint that the updates belong to.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, module in lora_modules(model).items():
        for letter, part in (("A", module.a), ("B", module.b)):
            weight = part.weight.detach().cpu()
            tensors[f"{PREFIX}{name}.lora_{letter}.weight"] = weight.contiguous()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    text = json.dumps(_config(model, size, base), indent=2)
    (folder / "adapter_config.json").write_text(text + "\n", encoding="utf-8")


def _config(model: OpenVLAModel, size: LoraSize, base: str) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "base_model_name_or_path": base,
        "r": size.rank,
        "lora_alpha": size.alpha,
        "lora_dropout": size.dropout,
        "target_modules": sorted({name.rpartition(".")[2] for name in lora_modules(model)}),
        "init_lora_weights": "gaussian",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
        "task_type": None,
        "use_dora": False,
        "use_rslora": False,
    }


def load_lora(model: OpenVLAModel, folder: Path) -> None:
    """Fill the updates that `add_lora` made with those in `folder`.

    Base weights that the file carries are taken too. Raises CheckpointError unless it has an update
    of the same shape and scale for every wrapped module, and for no other.
    """
    adapter = read_adapter(folder)
    modules = lora_modules(model)
    expected = {f"{name}.weight": module for name, module in modules.items()}
    different = sorted(expected.keys() ^ adapter.pairs.keys())
    if different:
        raise CheckpointError(
            f"{folder} has updates of {len(adapter.pairs)} modules, the model of {len(expected)}; "
            f"{len(different)} are not in both, the first is {different[0]}."
        )
    _take(adapter, expected, folder)


@torch.no_grad()
def _take(adapter: Adapter, modules: Mapping[str, LoraModule], folder: Path) -> None:
    for name, module in modules.items():
        mine, theirs = (module.a.weight, module.b.weight), adapter.pairs[name]
        shapes = [[list(tensor.shape) for tensor in pair] for pair in (mine, theirs)]
        if shapes[0] != shapes[1] or module.scale != adapter.scale:
            raise CheckpointError(
                f"{folder}, {name}: expected shapes {shapes[0]} at scale {module.scale}, found "
                f"{shapes[1]} at {adapter.scale}. Give add_lora the rank and alpha that "
                "adapter_config.json states."
            )
        for target, source in zip(mine, theirs):
            target.copy_(source)
    for name, whole in adapter.replaced.items():
        base = modules[name].base_layer
        assert not isinstance(base, FourBitLinear)  # the head is never quantized
        base.weight.copy_(whole)
