"""The loss on episodes that are held out: the same samples with the same noise every time.

It is that of the weights, not of their running average, without dropout.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace

import torch

from vla_bench.data.order import Order
from vla_bench.errors import VlaBenchError
from vla_bench.policies.training.batches import batches
from vla_bench.policies.training.learner import Learner
from vla_bench.policies.training.loop import Metrics, State
from vla_bench.policies.training.settings import Settings
from vla_bench.policies.training.sharding import split_again

PREFIX = "validation_"


def validated(
    metrics: Iterable[Metrics], learner: Learner, state: State, settings: Settings
) -> Iterator[Metrics]:
    """`metrics`; those of a step after which it is due with what `validate` finds."""
    chosen = settings.validation
    for step in metrics:
        is_time = step.step % chosen.every == 0 or step.step == settings.n_steps
        if chosen.share and is_time:
            found = validate(learner, state, settings)
            yield replace(step, measured={**step.measured, **found})
        else:
            yield step


@torch.no_grad()
def validate(learner: Learner, state: State, settings: Settings) -> dict[str, float]:
    """``validation_loss`` and what else the learner measures, the mean over whole batches.

    The last batch is filled up with samples that were there before. Every process must call it.
    Raises VlaBenchError for what is not finite.
    """
    ranks, samples = state.processes, learner.held_out
    order = Order(len(samples), settings.batch_size, settings.seed, ranks.rank, ranks.n_ranks)
    n_asked = min(len(samples), settings.validation.n_samples)
    n_batches = math.ceil(n_asked / (settings.batch_size * ranks.n_ranks))
    made = batches(learner, samples, order, range(n_batches), settings.n_workers)
    values = defaultdict[str, list[float]](list)
    state.module.eval()
    with closing(made) as coming:  # type: ignore[type-var]
        for batch in coming:
            loss, others = state.objective({k: v.to(ranks.device) for k, v in batch.items()})
            for name, value in {"loss": loss.item(), **others}.items():
                values[PREFIX + name].append(value)
    state.module.train()
    split_again(state.objective)
    means = ranks.means(values)
    if not math.isfinite(means[PREFIX + "loss"]):
        raise VlaBenchError(
            f"Step {state.step}: the validation loss is {means[PREFIX + 'loss']}. Look at the "
            "held-out episodes, or lower optimization.learning_rate and give output=... another "
            "folder."
        )
    return means
