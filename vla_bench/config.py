"""Hydra overrides, checked before Hydra runs: a misspelt name gets the nearest valid one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from vla_bench.errors import ConfigError, unknown_name

MODULE = "vla_bench.conf"
GROUPS = ("policy", "env")
EXPERIMENT = "experiment"  # optional; chooses the other groups, as in +experiment=widowx_scripted
# (verb, group) where the verb's YAML makes a choice itself
_CHOSEN = {("demos", "policy"), ("train", "env"), ("train", "method")}


def file_name(text: str) -> str:
    """`text` as one file name that no shell expands; the resolver ``${file_name:…}`` of YAMLs."""
    return re.sub(r"[^A-Za-z0-9._=,+-]+", "-", text).strip("-")


OmegaConf.register_new_resolver("file_name", file_name, replace=True)


def check_overrides(config_name: str, arguments: Sequence[str], config_dir: str | None) -> None:
    """Raise ConfigError for an unparsable override, an unknown group option or an unknown key.

    Keys that begin with ``+``, ``++``, ``~`` or ``hydra.`` are left to Hydra.
    """
    overrides = _parse(arguments)
    with initialize_config_module(MODULE, version_base="1.3"):
        groups = (*groups_of(config_name), EXPERIMENT)
        for group in groups:
            _check_choice(group, overrides, config_dir, (config_name, group) in _CHOSEN)
        choices = [str(o.input_line) for o in overrides if o.key_or_group in groups]
        search = [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"] if config_dir else []
        first = [f"{line.partition('=')[0]}={_first_value(line)}" for line in choices]
        try:
            config = compose(config_name, overrides=[*first, *search])
        except HydraException as error:
            raise ConfigError(f"The configuration cannot be composed: {error}") from error
    _check_keys(overrides, groups, config)


def options(group: str, config_dir: str | None = None) -> list[str]:
    """Names of a group's YAML files, with those in ``--config-dir``. Needs Hydra initialised."""
    loader = GlobalHydra.instance().config_loader()
    names = set(loader.get_group_options(group))
    if config_dir is not None:
        names |= {path.stem for path in (Path(config_dir) / group).glob("*.yaml")}
    return sorted(names)


def groups_of(config_name: str) -> tuple[str, ...]:
    """The groups that a verb's config asks the user to choose from."""
    return {"eval": GROUPS, "demos": GROUPS, "train": (*GROUPS, "method")}.get(config_name, ())


def plain(config: DictConfig) -> dict[str, Any]:
    """OmegaConf ends here: interpolations resolved, plain Python, Hydra's own node left out.

    Raises ConfigError naming each value that is still ``???``.
    """
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ConfigError(f"Please set: {', '.join(f'{key}=...' for key in missing)}.")
    resolved = OmegaConf.to_container(config, resolve=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def _parse(arguments: Sequence[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(list(arguments))
    except HydraException as error:
        raise ConfigError(
            f"Expected overrides like n_lanes=4 or policy.name=mine: {str(error).splitlines()[0]}"
        ) from error


def _check_choice(
    group: str, overrides: Sequence[Override], config_dir: str | None, is_chosen: bool
) -> None:
    valid = options(group, config_dir)
    lines = [str(o.input_line) for o in overrides if o.key_or_group == group]
    if not lines and not any(o.key_or_group == EXPERIMENT for o in overrides):
        if group == EXPERIMENT or is_chosen:
            return
        raise ConfigError(f"Choose a {group}: {group}=<name>. Valid: {', '.join(valid)}.")
    for line in lines:
        for name in _values(line):
            if name not in valid:
                raise unknown_name(group, name, valid)


def _values(line: str) -> list[str]:
    """The options that ``group=a,b`` sweeps over."""
    return [name.strip() for name in line.partition("=")[2].split(",")]


def _first_value(line: str) -> str:
    return _values(line)[0]


def _check_keys(overrides: Sequence[Override], groups: Sequence[str], config: DictConfig) -> None:
    valid = list(_dotted(OmegaConf.to_container(config)))
    for override in overrides:
        key = str(override.key_or_group)
        free = override.is_add() or override.is_force_add() or override.is_delete()
        if free or key in groups or key.startswith("hydra"):
            continue
        if key not in valid and OmegaConf.select(config, key, default=None) is None:
            raise unknown_name("config key", key, valid)


def _dotted(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")
