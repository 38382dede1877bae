"""A training's state on disk, all of it or nothing.

checkpoints/step-000500/
    policy/             the running average, as ``policy.checkpoint=`` reads it
    state.safetensors   weights, their running average, AdamW's moments
    state.json          how many steps and updates
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vla_bench.policies.training.learner import Learner
from vla_bench.policies.training.loop import State


def checkpoints(folder: Path) -> list[Path]:
    """The complete ones in a training's folder, oldest first."""
    return sorted(p for p in (folder / "checkpoints").glob("step-*") if p.suffix != ".partial")


def save(folder: Path, learner: Learner, state: State) -> Path:
    """Write a checkpoint under another name, flush it to the disk, then give it its own."""
    final = folder / "checkpoints" / f"step-{state.step:06d}"
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    learner.save(state.ema.module, partial / "policy")
    save_file(_tensors(state), partial / "state.safetensors")
    numbers = {"step": state.step, "n_ema_updates": state.ema.n_updates}
    (partial / "state.json").write_text(json.dumps(numbers) + "\n")
    for path in [*partial.rglob("*"), partial]:
        _flush(path)
    partial.replace(final)
    _flush(final.parent)
    return final


def restore(checkpoint: Path, state: State) -> None:
    """Make `state`, fresh from `begin`, what it was when `checkpoint` was written."""
    device = next(state.module.parameters()).device
    tensors = load_file(checkpoint / "state.safetensors", device=str(device))
    numbers = json.loads((checkpoint / "state.json").read_text())
    state.module.load_state_dict(_under("weights.", tensors))
    state.ema.module.load_state_dict(_under("average.", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("optimizer.", tensors).items():
        parameter, _, key = name.partition(".")
        moments.setdefault(int(parameter), {})[key] = value
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    state.step, state.ema.n_updates = numbers["step"], numbers["n_ema_updates"]


def prune(folder: Path, n_kept: int) -> None:
    """Delete all but the newest checkpoints, and what a kill has left half-written."""
    for path in [*checkpoints(folder)[:-n_kept], *(folder / "checkpoints").glob("*.partial")]:
        shutil.rmtree(path)


def _tensors(state: State) -> dict[str, Tensor]:
    moments = {
        f"{parameter}.{key}": value
        for parameter, values in state.optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }
    parts = {
        "weights.": state.module.state_dict(),
        "average.": state.ema.module.state_dict(),
        "optimizer.": moments,
    }
    return {
        prefix + name: torch.as_tensor(value).contiguous()
        for prefix, tensors in parts.items()
        for name, value in tensors.items()
    }


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
