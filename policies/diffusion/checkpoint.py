"""Where weights come from: our own folders or bundles, diffusion_policy's ``.ckpt``, lerobot's.

Our own: ``config.json`` (the spec) and ``model.safetensors`` (`DiffusionModel`'s state dict, the
weights that are to be evaluated: the EMA's, where there is one).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from vla_bench.errors import ConfigError
from vla_bench.policies.bundled import checkpoint_folder
from vla_bench.policies.diffusion.lerobot import read_lerobot
from vla_bench.policies.diffusion.model import DiffusionModel
from vla_bench.policies.diffusion.original import read_original
from vla_bench.policies.diffusion.plain import differences, from_plain, to_plain
from vla_bench.policies.diffusion.spec import ModelSpec

_FORMAT = "vla_bench.diffusion/1"


def save_checkpoint(folder: Path, model: DiffusionModel) -> None:
    """Write `model` as a folder that `load_model` reads; replaces what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"format": _FORMAT, "spec": to_plain(model.spec)}
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_model(checkpoint: str, expected: ModelSpec | None) -> DiffusionModel:
    """The model in evaluation mode, on the CPU, its parameters frozen.

    `expected` is what the config says it is; None takes whatever the checkpoint says. How many
    rows are executed is the config's to say: weights do not depend on it. Raises ConfigError with
    the differences where the two disagree otherwise.
    """
    path = checkpoint_folder(checkpoint)
    spec, state = _read(path)
    if expected is not None:
        n_executed = expected.horizons.n_action_steps
        spec = replace(spec, horizons=replace(spec.horizons, n_action_steps=n_executed))
        lines = differences(expected, spec)
        if lines:
            raise ConfigError(
                f"{path} is another model than the config says (config | checkpoint):\n"
                + "\n".join(f"  {line}" for line in lines)
                + "\nTo take what the checkpoint says, add policy.model=null."
            )
    model = DiffusionModel(spec)
    _load(model, state, path)
    return model.eval().requires_grad_(False)


def _read(path: Path) -> tuple[ModelSpec, dict[str, torch.Tensor]]:
    if path.is_file():
        return read_original(path)
    config = path / "config.json"
    if not config.is_file():
        raise ConfigError(
            f"Checkpoint {path} is neither a .ckpt file nor a folder with a config.json. From the "
            "hub, download one first: hf download OWNER/NAME --local-dir FOLDER"
        )
    values = json.loads(config.read_text())
    if values.get("format") == _FORMAT:
        spec = from_plain(values["spec"])
        assert isinstance(spec, ModelSpec)
        return spec, load_file(path / "model.safetensors")
    return read_lerobot(path)


def _load(model: DiffusionModel, state: dict[str, torch.Tensor], path: Path) -> None:
    """`load_state_dict` whose complaint is for a person."""
    wanted = model.state_dict()
    lines = [f"absent: {name}" for name in wanted if name not in state]
    lines += [f"unknown: {name}" for name in state if name not in wanted]
    lines += [
        f"{name}: {tuple(wanted[name].shape)} expected, {tuple(state[name].shape)} found"
        for name in wanted
        if name in state and wanted[name].shape != state[name].shape
    ]
    if lines:
        shown = "\n".join(f"  {line}" for line in lines[:10])
        raise ConfigError(f"{path}: {len(lines)} weights do not fit the model:\n{shown}")
    model.load_state_dict(state)
