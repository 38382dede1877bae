"""A checkpoint on disk -> modules, tensor by tensor.

Files are memory-mapped: in the checkpoint's own dtype on a CPU the modules use the mapping itself,
otherwise each tensor is converted or uploaded on its own, so there are never two copies of a model.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vla_bench.policies.openvla.config import (
    CheckpointError,
    OpenVLAConfig,
    parse_config,
    read_json,
)
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.native import published_config, published_names

_N_SHOWN = 5


@dataclass(frozen=True)
class Weights:
    """A checkpoint that has not been read yet.

    Attributes:
        shapes: Of every tensor, by the published (Hugging Face) name.
        read: Name -> the tensor, on the CPU, mapped from its file where that is possible.
    """

    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], Tensor]

    @classmethod
    def of(cls, model: nn.Module) -> Weights:
        """Those of `model` as they are, so that they can be written."""
        state = model.state_dict()
        return cls({name: tuple(t.shape) for name, t in state.items()}, state.__getitem__)


def read_config(folder: Path) -> OpenVLAConfig:
    """From config.json, and from tiny_vision.json where towers are not the published ones.

    Raises CheckpointError when it is not an OpenVLA.
    """
    path = folder / "config.json"
    data = published_config(read_json(path))
    if data.get("model_type") != "openvla":
        raise CheckpointError(
            f"{path}: expected model_type 'openvla', got {data.get('model_type')!r}. Give the "
            "folder of an OpenVLA, in Hugging Face or in native Prismatic layout."
        )
    sizes = folder / "tiny_vision.json"
    try:
        return parse_config(data, read_json(sizes) if sizes.exists() else None)
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the key {error}.") from error


def open_weights(folder: Path) -> Weights:
    """The safetensors of `folder`, sharded or not, or else its one native Prismatic ``.pt``, which
    `folder` may also be itself.

    Raises CheckpointError naming the files that are absent or damaged.
    """
    if folder.is_file():
        return _open_native(folder)
    index, single = folder / "model.safetensors.index.json", folder / "model.safetensors"
    if index.exists():
        files = sorted({folder / name for name in read_json(index)["weight_map"].values()})
        return _open_safetensors(folder, files)
    if single.exists():
        return _open_safetensors(folder, [single])
    native = sorted([*folder.glob("*.pt"), *folder.glob("checkpoints/*.pt")])
    if len(native) == 1:
        return _open_native(native[0])
    if native:
        raise CheckpointError(
            f"{folder} has {len(native)} steps of a native run: "
            f"{', '.join(str(path.relative_to(folder)) for path in native)}. Name one, for example "
            f"\"policy.checkpoint='{native[-1]}'\" (both quotes: shell and Hydra)"
        )
    raise CheckpointError(
        f"{folder}: expected model.safetensors, model.safetensors.index.json with its shards, or "
        "one native .pt file; found none of them."
    )


def _open_safetensors(folder: Path, files: list[Path]) -> Weights:
    from safetensors import SafetensorError, safe_open

    absent = [path.name for path in files if not path.exists()]
    if absent:
        raise CheckpointError(
            f"{folder}: the index names {len(files)} shards, {len(absent)} of them are absent: "
            f"{', '.join(absent)}. Download them into the folder."
        )
    owners: dict[str, Any] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        try:
            handle: Any = safe_open(path, framework="pt")
        except SafetensorError as error:
            raise CheckpointError(f"{path} is damaged ({error}): download it again.") from error
        for name in handle.keys():  # noqa: SIM118 - not a mapping
            owners[name] = handle
            shapes[name] = tuple(handle.get_slice(name).get_shape())
    return Weights(shapes, lambda name: owners[name].get_tensor(name))


def _open_native(path: Path) -> Weights:
    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of tensors: {error}.") from error
    tensors = published_names(path, content)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return Weights(shapes, tensors.__getitem__)


def load_weights(
    model: OpenVLAModel, weights: Weights, place: Callable[[str, Tensor], Tensor]
) -> None:
    """Fill `model` (on the meta device) with what `place` makes of every tensor.

    Raises CheckpointError, naming tensors with expected and found shapes, unless names and shapes
    are exactly those of the model. Rotary tables that old files carry are ignored.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {
        name: shape
        for name, shape in weights.shapes.items()
        if not name.endswith("rotary_emb.inv_freq")
    }
    _check_shapes(expected, found)
    placed = {name: place(name, weights.read(name)) for name in expected}
    model.load_state_dict(placed, assign=True)
    model.requires_grad_(False).eval()


def _check_shapes(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    problems = []
    for name in sorted(expected.keys() | found.keys()):
        mine, theirs = expected.get(name), found.get(name)
        if mine != theirs:
            problems.append(f"{name}: expected {_shape(mine)}, found {_shape(theirs)}")
    if problems:
        more = len(problems) - _N_SHOWN
        tail = f"\n… and {more} more" if more > 0 else ""
        raise CheckpointError(
            f"The weights are not those of config.json ({len(problems)} tensors differ):\n"
            + "\n".join(problems[:_N_SHOWN])
            + tail
        )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "nothing" if shape is None else str(list(shape))
