"""What turns gradients into steps: AdamW, or Muon for the matrices inside a network beside it.

Muon's step is a matrix with all singular values near 1: every direction of a layer's input and
output is learned at the same pace. Its size is matched to AdamW's, so both take one learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from vla_bench.errors import ConfigError
from vla_bench.policies.training.learner import Group, Learner
from vla_bench.policies.training.settings import Optimization


@dataclass(frozen=True)
class Trained:
    """The parameters of `group` that have gradients."""

    group: Group
    weight_decay: float
    parameters: Mapping[str, nn.Parameter]


def trained_groups(learner: Learner, weight_decay: float) -> list[Trained]:
    """Those of the learner's groups that are not empty.

    Raises ConfigError when nothing is trained, or a parameter is in no group.
    """
    trained = {n: p for n, p in learner.module.named_parameters() if p.requires_grad}
    left = set(trained).difference(*(group.parameters for group in learner.groups))
    if left or not trained:
        raise ConfigError(
            f"Expected parameters to train, each in a group of {type(learner).__name__}, found "
            f"{len(trained)}; in no group: {', '.join(sorted(left)[:5]) or 'none'}."
        )
    found = []
    for group in learner.groups:
        chosen = {n: p for n, p in trained.items() if n in group.parameters}
        if chosen:
            found.append(Trained(group, weight_decay if group.decays else 0.0, chosen))
    return found


def optimizers(learner: Learner, chosen: Optimization, is_split: bool) -> tuple[Optimizer, ...]:
    """One or two; `is_split` says that the parameters are parts of a whole.

    Raises ConfigError where Muon has nothing to do or cannot.
    """
    groups = trained_groups(learner, chosen.weight_decay)
    beta1, beta2 = chosen.betas
    inner = [g for g in groups if chosen.optimizer == "muon" and g.group.is_inner]
    outer = [g for g in groups if g not in inner]
    if chosen.optimizer == "muon" and is_split:
        raise ConfigError(
            "optimization.optimizer=muon cannot train matrices that no process has whole: type "
            "sharded=false."
        )
    if chosen.optimizer == "muon" and not inner:
        raise ConfigError(
            "optimization.optimizer=muon trains matrices inside a network, and the groups of "
            f"{type(learner).__name__} say of none that it is one: type "
            "optimization.optimizer=adamw."
        )
    made: list[Optimizer] = []
    if inner:
        matched = "match_rms_adamw"
        made.append(Muon(_plain(inner), chosen.learning_rate, adjust_lr_fn=matched))
    if outer:
        made.append(AdamW(_plain(outer), chosen.learning_rate, betas=(beta1, beta2)))
    return tuple(made)


def _plain(groups: Sequence[Trained]) -> list[dict[str, object]]:
    return [
        {"params": list(group.parameters.values()), "weight_decay": group.weight_decay}
        for group in groups
    ]
