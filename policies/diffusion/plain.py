"""Specs as plain JSON data, there and back, and what two of them differ in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from vla_bench.errors import unknown_name
from vla_bench.policies.diffusion.spec import (
    ConvSpec,
    DiffusionSpec,
    Horizons,
    KeyframeSpec,
    LanguageSpec,
    ModelSpec,
    ObservationSpec,
    TransformerSpec,
    UnetSpec,
    VisionSpec,
)

_CLASSES = {
    c.__name__: c
    for c in (
        UnetSpec,
        TransformerSpec,
        VisionSpec,
        ConvSpec,
        KeyframeSpec,
        LanguageSpec,
        ObservationSpec,
        Horizons,
        DiffusionSpec,
        ModelSpec,
    )
}


def to_plain(value: Any) -> Any:
    """A spec as JSON types: dicts that name their class under ``type``, lists, scalars."""
    if is_dataclass(value):
        plain = {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
        return {"type": type(value).__name__, **plain}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_plain(item) for item in value]
    return value


def from_plain(value: Any) -> Any:
    """Inverse of `to_plain`. Raises ConfigError for a class that is no spec."""
    if isinstance(value, Mapping):
        plain = {key: from_plain(item) for key, item in value.items() if key != "type"}
        if "type" not in value:
            return plain
        if value["type"] not in _CLASSES:
            raise unknown_name("spec", str(value["type"]), _CLASSES)
        return _CLASSES[value["type"]](**plain)
    return value


def differences(asked: ModelSpec, found: ModelSpec) -> list[str]:
    """One line per differing field, ``path: asked | found``; empty when equal."""
    left, right = _leaves(to_plain(asked)), _leaves(to_plain(found))
    return [
        f"{path}: {left.get(path, '(absent)')} | {right.get(path, '(absent)')}"
        for path in dict.fromkeys((*left, *right))
        if left.get(path, "(absent)") != right.get(path, "(absent)")
    ]


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {path: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= _leaves(item, f"{path}.{key}" if path else key)
    return found
