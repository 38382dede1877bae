"""The device that a policy computes on, from what a person typed."""

from __future__ import annotations

import re

import torch

from vla_bench.errors import ConfigError

_DEVICE = re.compile(r"(cpu|cuda|mps)(:\d+)?")


def device_of(name: str | torch.device) -> torch.device:
    """`name` is cpu, cuda, cuda:N (the N-th GPU, from 0) or mps. Raises ConfigError for any other,
    and for one that is not here.
    """
    found = _DEVICE.fullmatch(str(name))
    if found is None:
        raise ConfigError(
            f"Expected policy.device=cpu, cuda, cuda:N (the N-th GPU, counted from 0) or mps, got "
            f"policy.device={name}."
        )
    device = torch.device(str(name))
    if device.type == "cuda":
        _check_gpu(device)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            f"policy.device={name}, but torch sees no Apple GPU. Type policy.device=cpu, or cuda "
            "for an NVIDIA GPU."
        )
    return device


def _check_gpu(device: torch.device) -> None:
    if not torch.cuda.is_available():
        raise ConfigError(
            f"policy.device={device}, but torch sees no GPU. Type policy.device=cpu, or install a "
            "CUDA build of torch (https://pytorch.org/get-started)."
        )
    n_gpus = torch.cuda.device_count()
    if (device.index or 0) >= n_gpus:
        raise ConfigError(
            f"policy.device={device}, but torch sees {n_gpus} GPU(s): cuda:0 to cuda:{n_gpus - 1}."
        )
