"""The seam between the loop and what it trains. A policy that can be trained has a module
``training`` beside its class, with a function ``learner(settings) -> Learner``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from vla_bench.construct import locate
from vla_bench.data.loader import Sample, Samples
from vla_bench.errors import ConfigError
from vla_bench.policies.training.settings import Settings


class Learner(Protocol):
    """A network, what it learns from, and how wrong it is.

    Attributes:
        module: What is optimized; parameters without gradients stay as they are.
        samples: What it learns from.
        decayed: Names of the parameters that weight decay applies to.
        facts: JSON types: what the network and its data are. A checkpoint is continued only where
            they are the same.
    """

    module: nn.Module
    samples: Samples
    decayed: set[str]
    facts: Mapping[str, Any]

    def prepare(self, sample: Sample) -> Mapping[str, Tensor]:
        """One example, on the CPU; called by several threads. Equal samples give equal tensors."""
        ...

    def loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Scalar mean over a batch of stacked examples. Random draws use torch's global generator,
        which the loop seeds before every call.
        """
        ...

    def save(self, module: nn.Module, folder: Path) -> None:
        """Write `module`, of ``self.module``'s kind, so that ``policy.checkpoint=`` reads it."""
        ...

    def summary(self) -> list[str]:
        """Lines that show a set-up fault before the first step: data, ranges."""
        ...


def learner_of(settings: Settings) -> Learner:
    """What trains ``settings.policy``. Raises ConfigError when nothing does."""
    package = settings.policy["_target_"].rpartition(".")[0].rpartition(".")[0]
    if package == "vla_bench.policies" or find_spec(f"{package}.training") is None:
        raise ConfigError(
            f"Policy {settings.policy['_target_']} cannot be trained: there is no module "
            f"{package}.training of its own. Try policy=small_diffusion."
        )
    build: Callable[[Settings], Learner] = locate(f"{package}.training.learner")
    return build(settings)
