"""What the benchmarks of OpenVLA share: sizes, weights, a clock, the bounds of GPUs."""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from record import arguments
from torch import Tensor

from vla_bench.policies.openvla.checkpoint import Weights
from vla_bench.policies.openvla.config import (
    DINOV2,
    SIGLIP,
    DecoderConfig,
    OpenVLAConfig,
    parse_config,
)
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.native import published_config

_PEAKS = {"H200": (4.8e12, 790e12, 67e12), "H100": (3.35e12, 790e12, 67e12)}
"""Bytes/s and, without TF32, fp32 FLOP/s of the data sheets; between them the bf16 FLOP/s that
GEMMs reach.
"""


def parser(document: str) -> argparse.ArgumentParser:
    """What every one of them takes."""
    taken = arguments(document)
    taken.add_argument("--device", required=True, choices=("cpu", "cuda"))
    taken.add_argument("--repeats", type=int, default=None)
    return taken


def begin(name: str) -> tuple[torch.device, OpenVLAConfig]:
    """The device, and the model for it: full size on a GPU, mid-size on one thread of a CPU."""
    if name == "cpu":
        torch.set_num_threads(1)
    return torch.device(name), mid_size() if name == "cpu" else full_size()


def full_size() -> OpenVLAConfig:
    return parse_config(published_config({"vla": {"base_vlm": "prism-dinosiglip-224px+7b"}}))


def mid_size() -> OpenVLAConfig:
    """70 M parameters: large enough that arithmetic dominates, small enough for a laptop."""
    towers = (
        replace(DINOV2, width=256, depth=6, n_heads=4, mlp_width=1024),
        replace(SIGLIP, width=256, depth=6, n_heads=4, mlp_width=1024),
    )
    decoder = DecoderConfig(512, 1408, 8, 8, 32064, 1e-6, 10000.0, 2048)
    return replace(full_size(), towers=towers, decoder=decoder)


def random_weights(config: OpenVLAConfig, device: torch.device) -> Weights:
    """The same for every call on one device; made there, since 7.5 B normal draws take a while."""
    shapes = {n: tuple(t.shape) for n, t in OpenVLAModel.on_meta(config).state_dict().items()}
    seeds = {name: index for index, name in enumerate(shapes)}

    def read(name: str) -> Tensor:
        generator = torch.Generator(device).manual_seed(seeds[name])
        noise = torch.empty(shapes[name], dtype=torch.bfloat16, device=device)
        noise.normal_(std=0.02, generator=generator)
        return noise + 1.0 if noise.ndim == 1 and "bias" not in name else noise

    return Weights(shapes, read)


def timed(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Median seconds, on a CPU of process time; every call ends with its result in host memory."""
    return timed_in_turns([call], repeats, device)[0]


def timed_in_turns(
    calls: Sequence[Callable[[], object]], repeats: int, device: torch.device
) -> list[float]:
    """As `timed`, one after the other, so that whatever slows the machine slows all alike."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    durations: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, mine in zip(calls, durations):
            started = clock()
            call()
            mine.append(clock() - started)
    return [statistics.median(mine) for mine in durations]


def peaks(device: torch.device, precision: str = "bf16") -> tuple[float, float] | None:
    """Bytes/s and FLOP/s; None if not listed. Quantized weights are multiplied in bf16."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    for part, (bytes_per_second, in_bf16, in_fp32) in _PEAKS.items():
        if part in name:
            return bytes_per_second, in_fp32 if precision == "fp32" else in_bf16
    return None


def free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
