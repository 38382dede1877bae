"""A training's state on disk, all of it or nothing, written by the first process.

checkpoints/step-000500/
    policy/             the running average, if kept, else the weights: ``policy.checkpoint=``
    state.safetensors   trained weights and buffers, their running average, moments
    state.json          how many steps and updates
checkpoints/best        a link to the best one, where rollouts have chosen it
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from vla_bench.errors import StoreError
from vla_bench.policies.training.learner import Learner
from vla_bench.policies.training.loop import State
from vla_bench.policies.training.sharding import split_like, whole


def checkpoints(folder: Path) -> list[Path]:
    """The complete ones in a training's folder, oldest first."""
    complete = (p for p in (folder / "checkpoints").glob("step-*") if p.suffix != ".partial")
    return sorted(complete, key=step_of)


def step_of(path: Path) -> int:
    """The step after which the checkpoint `path` was written."""
    return int(path.name.removeprefix("step-"))


def save(folder: Path, learner: Learner, state: State) -> Path:
    """Write a checkpoint under another name, flush it to the disk, then give it its own.

    Every process must call it, and returns when the checkpoint is there.
    """
    final = folder / "checkpoints" / f"step-{state.step:06d}"
    tensors, module = _whole(_tensors(state), state), network(state)
    if state.processes.is_first:
        _write(final, learner, module, tensors, state)
    state.processes.wait()
    return final


def _write(
    final: Path, learner: Learner, module: nn.Module, tensors: dict[str, Tensor], state: State
) -> None:
    partial = final.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    learner.save(module, partial / "policy")
    save_file(tensors, partial / "state.safetensors")
    n_updates = None if state.ema is None else state.ema.n_updates
    numbers = {"step": state.step, "n_ema_updates": n_updates}
    (partial / "state.json").write_text(json.dumps(numbers) + "\n")
    for path in [*partial.rglob("*"), partial]:
        _flush(path)
    partial.replace(final)
    _flush(final.parent)


def restore(checkpoint: Path, state: State) -> None:
    """Make `state`, fresh from `begin`, what it was when `checkpoint` was written.

    Raises StoreError when the network has other parameters by now, by their names or shapes.
    """
    tensors = load_file(checkpoint / "state.safetensors")
    numbers = json.loads((checkpoint / "state.json").read_text())
    for prefix, module in _modules(state).items():
        found = _under(prefix, tensors)
        _check(checkpoint, found, state.module)
        there = module.state_dict()
        split = {name: split_like(value, there[name]) for name, value in found.items()}
        module.load_state_dict(split, strict=False)
    moments = _moments(checkpoint, tensors, state)
    for optimizer, names in _named(state):
        own = {i: moments[name] for i, name in enumerate(names) if name in moments}
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": own, "param_groups": groups})
    state.step = numbers["step"]
    if state.ema is not None:
        state.ema.n_updates = numbers["n_ema_updates"]


def prune(folder: Path, n_kept: int) -> None:
    """Delete all but the newest and the best, and what a kill has left half-written."""
    old = [path for path in checkpoints(folder)[:-n_kept] if path != best(folder)]
    for path in [*old, *(folder / "checkpoints").glob("*.partial")]:
        shutil.rmtree(path)


def best(folder: Path) -> Path | None:
    """The checkpoint that rollouts have chosen, if any."""
    link = folder / "checkpoints/best"
    return link.parent / link.readlink() if link.is_symlink() else None


def point_to(checkpoint: Path) -> None:
    """Make it the best one, at once or not at all."""
    link = checkpoint.parent / ".best"
    link.unlink(missing_ok=True)
    link.symlink_to(checkpoint.name)
    link.replace(checkpoint.parent / "best")


def _named(state: State) -> Iterator[tuple[Optimizer, list[str]]]:
    """Each optimizer, and the names of its parameters in its own order."""
    names = {id(parameter): name for name, parameter in state.module.named_parameters()}
    for optimizer in state.optimizers:
        yield optimizer, [names[id(p)] for group in optimizer.param_groups for p in group["params"]]


def _moments(
    checkpoint: Path, tensors: Mapping[str, Tensor], state: State
) -> dict[str, dict[str, Tensor]]:
    """Of each parameter that has had a gradient, split as it is."""
    parameters = dict(state.module.named_parameters())
    moments: dict[str, dict[str, Tensor]] = {}
    for full_name, value in _under("optimizer.", tensors).items():
        name, _, key = full_name.rpartition(".")
        if name not in parameters:
            raise _of_other_code(
                checkpoint, f"has moments of {name}, the network no such parameter"
            )
        moments.setdefault(name, {})[key] = split_like(value, parameters[name])
    return moments


def _tensors(state: State) -> dict[str, Tensor]:
    moments = {
        f"{names[parameter]}.{key}": value
        for optimizer, names in _named(state)
        for parameter, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }
    changing = _changing(state.module)
    parts: dict[str, dict[str, Any]] = {"optimizer.": moments}
    for prefix, module in _modules(state).items():
        parts[prefix] = {n: v for n, v in module.state_dict().items() if n in changing}
    return {
        prefix + name: torch.as_tensor(value)
        for prefix, tensors in parts.items()
        for name, value in tensors.items()
    }


def _whole(tensors: dict[str, Tensor], state: State) -> dict[str, Tensor]:
    """What is split put together, on the CPU of the first process; elsewhere nothing is kept."""
    if state.outline is None:
        return {name: tensor.contiguous() for name, tensor in tensors.items()}
    found = {}
    for name, tensor in tensors.items():
        everything = whole(tensor)
        if state.processes.is_first:
            found[name] = everything.cpu().contiguous()
    return found


def network(state: State) -> nn.Module:
    """What is evaluated, not split, on the first process. Every process must call it."""
    if state.outline is None:
        return state.evaluated
    tensors = _whole(dict(state.evaluated.state_dict()), state)
    module = copy.deepcopy(state.outline).eval()
    if state.processes.is_first:
        module.load_state_dict(tensors, assign=True)
    return module


def _modules(state: State) -> dict[str, nn.Module]:
    average = {} if state.ema is None else {"average.": state.ema.module}
    return {"weights.": state.module, **average}


def _changing(module: nn.Module) -> set[str]:
    """Names of what training changes, buffers included; frozen weights are as they began."""
    frozen_or_tied = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    trained = {name for name, p in module.named_parameters() if p.requires_grad}
    return set(module.state_dict()) - (frozen_or_tied - trained)


def _check(checkpoint: Path, found: Mapping[str, Tensor], module: nn.Module) -> None:
    there = module.state_dict()
    lacking, unknown = _changing(module) - set(found), set(found) - set(there)
    if lacking or unknown:
        raise _of_other_code(
            checkpoint,
            f"the network's {', '.join(sorted(lacking)) or 'none'} are not in it, its "
            f"{', '.join(sorted(unknown)) or 'none'} not in the network",
        )
    reshaped = [
        f"{name} {list(value.shape)} -> {list(there[name].shape)}"
        for name, value in found.items()
        if value.shape != there[name].shape
    ]
    if reshaped:
        raise _of_other_code(checkpoint, f"shapes differ (there -> now): {', '.join(reshaped)}")


def _of_other_code(checkpoint: Path, difference: str) -> StoreError:
    return StoreError(
        f"{checkpoint} is of other code: {difference}. Check out the commit in train.json to go "
        "on, or begin anew with output=..."
    )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
