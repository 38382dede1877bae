"""The device that a policy or a training computes on, from what a person typed."""

from __future__ import annotations

import re

import torch

from vla_bench.errors import ConfigError

_DEVICE = re.compile(r"(cpu|cuda|mps)(:\d+)?")


def device_of(name: str | torch.device, key: str = "policy.device") -> torch.device:
    """`name` is cpu, cuda, cuda:N (the N-th GPU, from 0) or mps, typed as `key`. Raises ConfigError
    for any other, and for one that is not here.
    """
    found = _DEVICE.fullmatch(str(name))
    if found is None:
        raise ConfigError(
            f"Expected {key}=cpu, cuda, cuda:N (the N-th GPU, counted from 0) or mps, got "
            f"{key}={name}."
        )
    device = torch.device(str(name))
    if device.type == "cuda":
        _check_gpu(device, key)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            f"{key}={name}, but torch sees no Apple GPU. Type {key}=cpu, or cuda for an NVIDIA GPU."
        )
    return device


def _check_gpu(device: torch.device, key: str) -> None:
    if not torch.cuda.is_available():
        raise ConfigError(
            f"{key}={device}, but torch sees no GPU. Type {key}=cpu, or install a "
            "CUDA build of torch (https://pytorch.org/get-started)."
        )
    n_gpus = torch.cuda.device_count()
    if (device.index or 0) >= n_gpus:
        raise ConfigError(
            f"{key}={device}, but torch sees {n_gpus} GPU(s): cuda:0 to cuda:{n_gpus - 1}."
        )
