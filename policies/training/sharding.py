"""FSDP2: weights, gradients and optimizer state split over the processes, gathered block by block.

torch's own `fully_shard`: accelerate's plug-in refuses CPUs, where this is tested, and splits one
module, where the running average must be split like the network. What goes to disk is whole, so a
checkpoint does not know how many processes wrote it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(module: nn.Module, device: torch.device, precision: str) -> nn.Module:
    """Split `module` in place, wherever it is, onto every process's `device`.

    With bf16 the blocks are gathered in bfloat16; their gradients are averaged in float32. On a CPU
    they are gathered as they are, and autocast rounds them: torch's LayerNorm takes no bfloat16
    weights for float32 inputs there, as it does on a GPU.
    """
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    half = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    gathers_half = precision == "bf16" and device.type != "cpu"
    policy = half if gathers_half else MixedPrecisionPolicy()
    for block in blocks(module):
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(module, mesh=mesh)
    return module


def blocks(module: nn.Module, is_listed: bool = False) -> Iterator[nn.Module]:
    """What is gathered for itself: the outermost modules of every list that have a forward."""
    for child in module.children():
        if is_listed and type(child).forward is not nn.Module.forward:
            yield child
        else:
            yield from blocks(child, is_listed or isinstance(child, nn.ModuleList))


def split_again(module: nn.Module) -> None:
    """Split what a forward pass without a backward pass has left whole."""
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def is_sharded(module: nn.Module) -> bool:
    """Whether its parameters are parts."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that is split; every process must ask. Others come as they are."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def split_like(tensor: Tensor, other: Tensor) -> Tensor:
    """A whole `tensor` on the device of `other`, split where that is; every process must ask."""
    if isinstance(other, DTensor) and tensor.shape == other.shape:
        placed = tensor.to(other.device)
        return distribute_tensor(placed, other.device_mesh, other.placements)
    return tensor


def outline(module: nn.Module) -> nn.Module:
    """A copy with empty parameters, to be filled with `load_state_dict(..., assign=True)`."""
    empty = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
        for p in module.parameters()
    }
    return copy.deepcopy(module, dict(empty))
