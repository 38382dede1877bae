"""The seam between the loop and what it trains. A policy that can be trained has a module
``training`` beside its class, with a function ``learner(settings) -> Learner``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vla_bench.construct import locate
from vla_bench.data.loader import Sample, Samples
from vla_bench.errors import ConfigError
from vla_bench.policies.training.settings import Machine, Settings


@dataclass(frozen=True)
class Group:
    """Parameters that are trained alike.

    Attributes:
        name: How they are shown before the first step.
        parameters: Names in the learner's module; those without gradients are left out.
        decays: Whether ``optimization.weight_decay`` applies to them.
        is_inner: Matrices of linear maps inside the network, neither embeddings nor its last map:
            what ``optimization.optimizer=muon`` is for.
    """

    name: str
    parameters: frozenset[str]
    decays: bool
    is_inner: bool = False


class Learner(Protocol):
    """A network, what it learns from, and how wrong it is.

    Attributes:
        module: What is optimized; parameters without gradients stay as they are.
        samples: What it learns from.
        held_out: Of the episodes that it does not learn from; none where none are held out.
        groups: Every parameter that has a gradient, each in one group.
        facts: JSON types: what the network and its data are. A checkpoint is continued only where
            they are the same.
    """

    module: nn.Module
    samples: Samples
    held_out: Samples
    groups: Sequence[Group]
    facts: Mapping[str, Any]

    def prepare(self, sample: Sample) -> Mapping[str, Tensor]:
        """One example, on the CPU; called by several threads. Equal samples give equal tensors."""
        ...

    def collate(
        self, examples: Sequence[Mapping[str, Tensor]], generators: Sequence[torch.Generator]
    ) -> Mapping[str, Tensor]:
        """A batch of them, on the CPU; `stacked` where all examples have equal shapes.

        Called by a thread beside the step before. Noise and augmentation belong here: each
        sample's are drawn with its own one of the `generators`, which no other sample shares.
        """
        ...

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, float]]:
        """Scalar mean over a batch, and what else is worth watching, by name.

        What a network draws inside (dropout, crops) comes from torch's global generator, which
        the loop seeds before every call, otherwise in each process.
        """
        ...

    def save(self, module: nn.Module, folder: Path) -> None:
        """Write `module`, ``self.module`` or its running average, as ``policy.checkpoint=`` reads
        it.
        """
        ...

    def policy(self, config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """`config`, of the policy that is trained, so that it acts with what `save` wrote."""
        ...

    def summary(self) -> list[str]:
        """Lines that show a set-up fault before the first step: data, ranges."""
        ...


def stacked(examples: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Examples of equal shapes as one batch."""
    return {key: torch.stack([example[key] for example in examples]) for key in examples[0]}


def plan_of(settings: Settings, machine: Machine) -> list[str]:
    """What a training needs, in lines: ``planning.plan`` beside the policy. Trains nothing.

    Raises ConfigError when the policy has none.
    """
    package = _package(settings)
    if package == "vla_bench.policies" or find_spec(f"{package}.planning") is None:
        raise ConfigError(
            f"Nothing plans the memory of {settings.policy['_target_']}: leave out dry_run=true."
        )
    plan: Callable[[Settings, Machine], list[str]] = locate(f"{package}.planning.plan")
    return plan(settings, machine)


def _package(settings: Settings) -> str:
    target: str = settings.policy["_target_"]
    return target.rpartition(".")[0].rpartition(".")[0]


def learner_of(settings: Settings) -> Learner:
    """What trains ``settings.policy``. Raises ConfigError when nothing does."""
    package = _package(settings)
    if package == "vla_bench.policies" or find_spec(f"{package}.training") is None:
        raise ConfigError(
            f"Policy {settings.policy['_target_']} cannot be trained: there is no module "
            f"{package}.training of its own. Try policy=small_diffusion."
        )
    build: Callable[[Settings], Learner] = locate(f"{package}.training.learner")
    return build(settings)
