"""What a training begins with, from `conf/train.yaml`: a method, and a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vla_bench.construct import construct
from vla_bench.errors import ConfigError, StoreError
from vla_bench.lock import locked
from vla_bench.policies.openvla.checkpoint import read_config
from vla_bench.policies.openvla.config import OpenVLAConfig, parse_config
from vla_bench.policies.openvla.methods import Method, Towers
from vla_bench.policies.openvla.model import OpenVLAModel
from vla_bench.policies.openvla.native import published_config
from vla_bench.policies.openvla.scratch import config_of, write_new
from vla_bench.policies.openvla.source import run_folder
from vla_bench.policies.training.settings import Settings
from vla_bench.store import differences, write_json

_NOTHING = (
    "Nothing to train: set policy.checkpoint=openvla/openvla-7b or a folder, or take "
    "policy=openvla_mini, which begins from nothing."
)


@dataclass(frozen=True)
class Start:
    """The checkpoint that a training begins with.

    Attributes:
        name: As given: a folder or a hub id.
        folder: Where it lies.
        model: Its network, with what is trained requiring gradients.
    """

    name: str
    folder: Path
    model: OpenVLAModel


def method_of(settings: Settings) -> Method | Towers:
    """What ``method=`` says. Raises ConfigError when nothing does."""
    if settings.method is None:
        raise ConfigError(
            "OpenVLA has several ways to be trained: choose one, method=lora|qlora|full|"
            "frozen_vision|sandwich|last_layer, or towers and from_scratch with "
            "policy=openvla_mini."
        )
    method: Method | Towers = construct(settings.method)
    return method


def first_checkpoint(settings: Settings) -> str:
    """``policy.checkpoint``, or else the folder of a new ``policy.model``.

    That is written once: of the processes of a training one writes, the others wait. Raises
    StoreError when the folder holds another model's.
    """
    policy = settings.policy
    if policy["checkpoint"] is not None:
        return str(policy["checkpoint"])
    if policy["model"] is None:
        raise ConfigError(_NOTHING)
    folder = Path(settings.output) / "start"
    with locked(folder.with_suffix(".lock"), waits=True):
        _write_once(folder, {"model": policy["model"], "seed": settings.seed})
    return str(folder)


def _write_once(folder: Path, asked: Mapping[str, Any]) -> None:
    """Fill `folder` unless the record beside it, which is written last, says that it is."""
    record = folder.with_suffix(".json")
    if not (record.exists() and folder.is_dir()):
        write_new(folder, construct(asked["model"]), asked["seed"])
        write_json(record, asked)
    changed = differences(json.loads(record.read_text()), json.loads(json.dumps(asked)))
    if changed:
        raise StoreError(
            f"{folder} holds what a training of another model begins with (there -> asked for):\n"
            + "\n".join(f"  {line}" for line in changed)
            + "\nGive this one a folder of its own with output=..., or delete that one."
        )


def config_of_start(settings: Settings) -> tuple[OpenVLAConfig, str]:
    """The sizes of `first_checkpoint`, with nothing written or downloaded, and where they are from.

    A hub id has those of openvla-7b.
    """
    policy = settings.policy
    name = policy["checkpoint"]
    if name is None and policy["model"] is None:
        raise ConfigError(_NOTHING)
    if name is None:
        return config_of(construct(policy["model"])), "policy.model"
    folder = run_folder(Path(name).expanduser())
    if folder.is_dir():
        return read_config(folder), str(folder)
    published = published_config({"vla": {"base_vlm": "prism-dinosiglip-224px+7b"}})
    return parse_config(published), f"the sizes of openvla-7b, taken for {name}"
