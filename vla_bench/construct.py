"""`_target_` plus keyword arguments -> the object. Hydra's rule, without Hydra.

A lane may run under an interpreter that has no Hydra, so policies and envs share this one way.
Runs on Python 3.10.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from vla_bench.errors import ConfigError


def construct(config: Mapping[str, Any]) -> Any:
    """Call ``config["_target_"]`` with the other keys; nested `_target_`s are built first.

    Raises ConfigError when the target cannot be imported or refuses its arguments.
    """
    arguments = {key: _build(value) for key, value in config.items() if key != "_target_"}
    target = locate(config["_target_"])
    try:
        return target(**arguments)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # from inside the constructor, not from the call
        raise ConfigError(f"{config['_target_']} refused its config: {error}.") from error


def locate(path: str) -> Any:
    """The object at a dotted import path. Raises ConfigError when there is none."""
    module, _, attribute = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"_target_ {path!r} cannot be imported: {error}.") from error


def _build(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "_target_" in value:
            return construct(value)
        return {key: _build(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_build(item) for item in value]
    return value
