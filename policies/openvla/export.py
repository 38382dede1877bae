"""Writing a checkpoint in the published layout: sharded weights and what belongs to them.

Weights are written one shard at a time, so that the memory beside the model's own is one shard.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from vla_bench.policies.openvla.checkpoint import Weights
from vla_bench.policies.openvla.config import CheckpointError, read_json
from vla_bench.policies.openvla.native import published_config
from vla_bench.store import write_json

SHARD_BYTES = 7_000_000_000
"""Of the published conversion: openvla/openvla@c8f03f4, convert_openvla_weights_to_hf.py."""

_INDEX = "model.safetensors.index.json"


def copy_layout(base: Path, folder: Path) -> None:
    """What a checkpoint has beside its weights: config, tokenizer, statistics, preparation."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (base / "config.json").exists():
        raise CheckpointError(f"{base / 'config.json'} is absent: is {base} a checkpoint?")
    for path in base.glob("*.json"):
        if path.name != _INDEX:
            shutil.copyfile(path, folder / path.name)
    write_json(folder / "config.json", published_config(read_json(base / "config.json")))


def write_weights(
    folder: Path,
    weights: Weights,
    place: Callable[[Tensor], Tensor],
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """model.safetensors, or shards with their index where `shard_bytes` are not enough.

    Every tensor is read once, put through `place` and dropped when its shard is on the disk.
    """
    from safetensors.torch import save_file

    shards = list(_shards(weights.shapes, shard_bytes))
    owners, total = {}, 0
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        file = "model.safetensors" if len(shards) == 1 else file
        tensors = {name: place(weights.read(name)).cpu().contiguous() for name in names}
        total += sum(tensor.nbytes for tensor in tensors.values())
        save_file(tensors, folder / file, metadata={"format": "pt"})
        del tensors
        owners.update(dict.fromkeys(names, file))
    if len(shards) > 1:
        write_json(folder / _INDEX, {"metadata": {"total_size": total}, "weight_map": owners})


def in_bf16(tensor: Tensor) -> Tensor:
    """As the published checkpoints hold theirs."""
    return tensor.detach().to(torch.bfloat16)


def in_fp32(tensor: Tensor) -> Tensor:
    """As a training goes on from them."""
    return tensor.detach().float()


def _shards(shapes: Mapping[str, tuple[int, ...]], shard_bytes: int) -> Iterator[list[str]]:
    """Names in groups whose weights take at most `shard_bytes` in bf16, or single ones."""
    names: list[str] = []
    n_bytes = 0
    for name, shape in shapes.items():
        size = 2 * torch.Size(shape).numel()
        if names and n_bytes + size > shard_bytes:
            yield names
            names, n_bytes = [], 0
        names.append(name)
        n_bytes += size
    yield names
