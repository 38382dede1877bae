"""Hydra overrides, checked before Hydra runs: a misspelt name gets the nearest valid one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, OverrideType
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

    A sweep's keys must be there with each value of each swept group. Keys that begin with ``+``,
    ``++``, ``~`` or ``hydra.`` are left to Hydra.
    """
    overrides = _parse(arguments)
    search = [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"] if config_dir else []
    with initialize_config_module(MODULE, version_base="1.3"):
        groups = (*groups_of(config_name), EXPERIMENT)
        choices = [
            line
            for group in groups
            for line in _choices(group, overrides, config_dir, (config_name, group) in _CHOSEN)
        ]
        cells = list(_one_by_one(choices))
        for chosen in cells:
            try:
                config = compose(config_name, overrides=[*chosen, *search])
            except HydraException as error:
                raise ConfigError(f"The configuration cannot be composed: {error}") from error
            kind = "config key" if len(cells) == 1 else f"key of {' '.join(chosen)}:"
            _check_keys(kind, overrides, groups, config)


def for_cells(config_name: str, arguments: Sequence[str]) -> list[str]:
    """A sweep's overrides, plain values inside groups with ``++``; call `check_overrides` before.

    Before the cells, Hydra composes a configuration without the swept groups and with all that is
    not swept: with ``env=a,b`` it knows no ``env.n`` and refuses it, unless told to add it.
    """
    overrides = _parse(arguments)
    groups = groups_of(config_name)
    swept = {o.key_or_group for o in overrides if o.is_sweep_override()}
    if swept.isdisjoint((*groups, EXPERIMENT)):
        return list(arguments)
    inside = tuple(f"{group}." for group in groups)
    return [
        f"++{argument}"
        if _is_change(o) and not o.is_sweep_override() and o.key_or_group.startswith(inside)
        else argument
        for o, argument in zip(overrides, arguments)
    ]


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


def _choices(
    group: str, overrides: Sequence[Override], config_dir: str | None, is_chosen: bool
) -> list[list[str]]:
    """For each override of `group` one line ``group=name`` per value that it takes."""
    valid = options(group, config_dir)
    given = [o for o in overrides if o.key_or_group == group]
    if not given and not any(o.key_or_group == EXPERIMENT for o in overrides):
        if group == EXPERIMENT or is_chosen:
            return []
        raise ConfigError(f"Choose a {group}: {group}=<name>. Valid: {', '.join(valid)}.")
    return [[f"{o.get_key_element()}={name}" for name in _values(o, valid)] for o in given]


def _values(override: Override, valid: Sequence[str]) -> list[str]:
    """The options that a group's override takes one after another. Raises ConfigError."""
    text = str(override.input_line).partition("=")[2]
    value: object = override.value()  # hydra's annotation leaves Glob out
    if isinstance(value, Glob):
        names = value.filter(list(valid))
    else:
        names = list(override.sweep_string_iterator()) if override.is_discrete_sweep() else [text]
    for name in names or [text]:
        if name not in valid:
            raise unknown_name(override.key_or_group, name, valid)
    return names


def _one_by_one(choices: Sequence[Sequence[str]]) -> Iterator[list[str]]:
    """The first line of each, then each other line among the others' first: a sum, no product."""
    first = [lines[0] for lines in choices]
    yield first
    for i, lines in enumerate(choices):
        for line in lines[1:]:
            yield [*first[:i], line, *first[i + 1 :]]


def _check_keys(
    kind: str, overrides: Sequence[Override], groups: Sequence[str], config: DictConfig
) -> None:
    valid = list(_dotted(OmegaConf.to_container(config)))
    for override in overrides:
        key = str(override.key_or_group)
        if not _is_change(override) or key in groups or key.startswith("hydra"):
            continue
        if key not in valid and OmegaConf.select(config, key, default=None) is None:
            raise unknown_name(kind, key, valid)


def _is_change(override: Override) -> bool:
    """Whether of a key that is there: no ``+``, ``++`` or ``~``."""
    return override.type is OverrideType.CHANGE


def _dotted(node: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")
