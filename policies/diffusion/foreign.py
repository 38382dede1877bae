"""What the readers of other projects' checkpoints share: checked configs, ResNet names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vla_bench.errors import ConfigError

# A ResNet as nn.Sequential of torchvision's children: 2 is the ReLU, 3 the pooling.
_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}


class ForeignConfig:
    """A mapping whose absent or unsupported values raise ConfigError with the place."""

    def __init__(self, values: Mapping[str, Any], place: str) -> None:
        self._values, self._place = values, place

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            found = ", ".join(self._values)
            raise ConfigError(f"Expected {key!r} in {self._place}; it has {found}.")
        return self._values[key]

    def get(self, key: str, default: Any) -> Any:
        """`default` is what the other project's own code assumes."""
        return self._values.get(key, default)

    def section(self, key: str) -> ForeignConfig:
        return ForeignConfig(self[key], f"{key} of {self._place}")

    def expect(self, key: str, wanted: Any, default: Any) -> None:
        """Raise unless `key`, or else the other project's `default`, is what is supported."""
        found = self.get(key, default)
        if found != wanted:
            raise ConfigError(
                f"{self._place} says {key}: {found!r}; only {wanted!r} is supported here."
            )


def backbone_name(rest: str) -> str:
    """``4.0.conv1.weight`` -> ``layer1.0.conv1.weight``; raises ConfigError for no such child."""
    child, _, tail = rest.partition(".")
    if child not in _CHILDREN:
        raise ConfigError(f"Expected a ResNet's children {', '.join(_CHILDREN)}, found {rest!r}.")
    return f"{_CHILDREN[child]}.{tail}"


def unet_name(name: str) -> str:
    """Lerobot's U-Net names to diffusion_policy's."""
    name = re.sub(r"\.conv([12])\.block\.", lambda m: f".blocks.{int(m[1]) - 1}.block.", name)
    return re.sub(r"((?:down|up)_modules\.\d+\.2)\.(weight|bias)$", r"\1.conv.\2", name)
