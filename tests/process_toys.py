"""Two processes of one training, as torchrun starts them; they import their work by name."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch.distributed.elastic.utils.distributed import create_c10d_store

from vla_bench.policies.training import checkpoint

MODULES = ["training_toys", "vla_bench.policies.openvla.training"]


def together(work: Callable[..., None], *arguments: Any) -> list[int | None]:
    """Call `work` in two processes; their exit codes. Where one fails the other is stopped.

    The store at which they meet is opened here, as torchrun does, so that its port is theirs.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(MODULES)
    store = create_c10d_store(is_server=True, server_addr="127.0.0.1", wait_for_workers=False)
    both = [
        context.Process(target=_as_rank, args=(rank, store.port, work, arguments))
        for rank in range(2)
    ]
    for process in both:
        process.start()
    running = list(both)
    while running:
        connection.wait([process.sentinel for process in running])
        running = [process for process in running if process.is_alive()]
        if any(process.exitcode for process in both if process not in running):
            for process in running:
                process.terminate()
    return [process.exitcode for process in both]


def _as_rank(rank: int, port: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    shared = {"TORCHELASTIC_USE_AGENT_STORE": True}
    os.environ.update({k: str(v) for k, v in {**ranks, **where, **shared}.items()})
    work(*arguments)


def metrics(folder: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    lines = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    return np.array([[m["loss"], m["grad_norm"], m.get("l1_loss", 0.0)] for m in lines])


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint.checkpoints(folder)[-1] / "state.safetensors")


def assert_same_curve(one: Path, other: Path) -> None:
    """Of two trainings' folders, step by step."""
    np.testing.assert_allclose(metrics(one), metrics(other), rtol=1e-4)


def assert_close(one: Path, other: Path) -> None:
    """Every step's metrics, and the last checkpoint's state.

    AdamW makes of a gradient that is all rounding a step as large as any other.
    """
    assert_same_curve(one, other)
    left, right = tensors(one), tensors(other)
    assert left.keys() == right.keys()
    for name, value in left.items():
        torch.testing.assert_close(value, right[name], rtol=1e-3, atol=5e-5, equal_nan=True)
