"""What a training begins with, from `conf/train.yaml`: a method, and a checkpoint."""

from __future__ import annotations

from pathlib import Path

from vla_bench.construct import construct
from vla_bench.errors import ConfigError
from vla_bench.policies.openvla.checkpoint import read_config
from vla_bench.policies.openvla.config import OpenVLAConfig, parse_config
from vla_bench.policies.openvla.methods import Method
from vla_bench.policies.openvla.native import published_config
from vla_bench.policies.openvla.scratch import config_of, write_new
from vla_bench.policies.training.settings import Settings

_NOTHING = (
    "Nothing to train: set policy.checkpoint=openvla/openvla-7b or a folder, or take "
    "policy=openvla_mini, which begins from nothing."
)


def method_of(settings: Settings) -> Method:
    """What ``method=`` says. Raises ConfigError when nothing does."""
    if settings.method is None:
        raise ConfigError(
            "OpenVLA has several ways to be trained: choose one, method=lora|qlora|full|"
            "frozen_vision|sandwich|last_layer, or from_scratch with policy=openvla_mini."
        )
    method: Method = construct(settings.method)
    return method


def first_checkpoint(settings: Settings) -> str:
    """``policy.checkpoint``, or else the folder of a new ``policy.model``, written now."""
    policy = settings.policy
    if policy["checkpoint"] is not None:
        return str(policy["checkpoint"])
    if policy["model"] is None:
        raise ConfigError(_NOTHING)
    folder = Path(settings.output) / "start"
    write_new(folder, construct(policy["model"]), settings.seed)
    return str(folder)


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
    folder = Path(name).expanduser()
    if folder.is_dir():
        return read_config(folder), str(folder)
    published = published_config({"vla": {"base_vlm": "prism-dinosiglip-224px+7b"}})
    return parse_config(published), f"the sizes of openvla-7b, taken for {name}"
