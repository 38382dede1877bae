"""The loop: plain torch on one device. Knows neither files nor displays.

Everything random in a step follows from the seed and the step's number, so a checkpoint needs no
generator's state and any step can be next.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vla_bench.data.loader import read_batches
from vla_bench.data.order import Order
from vla_bench.data.trajectory import Indices
from vla_bench.errors import VlaBenchError
from vla_bench.policies.diffusion.ema import Ema
from vla_bench.policies.diffusion.optimizer import cosine_with_warmup
from vla_bench.policies.training.learner import Learner
from vla_bench.policies.training.settings import Optimization, Settings


class NotFiniteError(VlaBenchError):
    """The loss or its gradient is NaN or infinite; `samples` are the numbers of those it is of."""

    def __init__(self, step: int, what: str, value: float, samples: Sequence[int]) -> None:
        super().__init__(f"Step {step}: the {what} is {value}.")
        self.step = step
        self.samples = tuple(samples)


@dataclass
class State:
    """All that changes while training. `step`: optimizer steps taken."""

    module: nn.Module
    optimizer: torch.optim.AdamW
    ema: Ema
    step: int = 0


@dataclass(frozen=True)
class Metrics:
    """Of one optimizer step, numbered from 1. `grad_norm` is before clipping."""

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    seconds: float


def begin(learner: Learner, settings: Settings) -> State:
    """The state before the first step, on the device."""
    chosen = settings.optimization
    module = learner.module.to(torch.device(settings.device)).train()
    groups = [
        {"params": list(parameters.values()), "weight_decay": decay}
        for decay, parameters in parameter_groups(learner, chosen.weight_decay)
    ]
    beta1, beta2 = chosen.betas
    optimizer = torch.optim.AdamW(groups, chosen.learning_rate, betas=(beta1, beta2))
    return State(module, optimizer, Ema(module, chosen.ema_power, chosen.ema_maximum))


def parameter_groups(
    learner: Learner, weight_decay: float
) -> list[tuple[float, dict[str, nn.Parameter]]]:
    """(Weight decay, name -> parameter) of those that are trained: decayed ones, then others."""
    trained = {n: p for n, p in learner.module.named_parameters() if p.requires_grad}
    decayed = {n: p for n, p in trained.items() if n in learner.decayed}
    others = {n: p for n, p in trained.items() if n not in learner.decayed}
    return [(decay, group) for decay, group in ((weight_decay, decayed), (0.0, others)) if group]


def learning_rate(chosen: Optimization, step: int, n_steps: int) -> float:
    """At optimizer step `step`, from 0: linear from 0, then half a cosine to 0 or constant."""
    if chosen.schedule == "constant":
        return chosen.learning_rate * min(1.0, step / max(1, chosen.n_warmup_steps))
    return chosen.learning_rate * cosine_with_warmup(step, chosen.n_warmup_steps, n_steps)


def steps(learner: Learner, state: State, settings: Settings) -> Iterator[Metrics]:
    """Train from ``state.step`` to ``settings.n_steps``; `state` is up to date at every yield.

    Raises NotFiniteError before the step that would have spoilt the weights.
    """
    order = Order(len(learner.samples), settings.batch_size, settings.seed)
    n = settings.n_accumulated
    numbers = (order.batch(i) for i in range(state.step * n, settings.n_steps * n))
    reader = read_batches(learner.samples, numbers, learner.prepare, settings.n_workers)
    with contextlib.closing(reader) as batches:  # type: ignore[type-var]
        while state.step < settings.n_steps:
            started = time.perf_counter()
            rate = learning_rate(settings.optimization, state.step, settings.n_steps)
            for group in state.optimizer.param_groups:
                group["lr"] = rate
            loss, norm = _gradient(learner, state, settings, order, batches)
            state.optimizer.step()
            state.ema.update(state.module)
            state.step += 1
            yield Metrics(state.step, loss, norm, rate, time.perf_counter() - started)


def _gradient(
    learner: Learner,
    state: State,
    settings: Settings,
    order: Order,
    batches: Iterator[list[Mapping[str, Tensor]]],
) -> tuple[float, float]:
    """Leave the clipped mean gradient in the parameters; the loss and the norm before clipping."""
    n = settings.n_accumulated
    positions = range(state.step * n, (state.step + 1) * n)
    state.optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for position in positions:
        _seed(settings.seed, position)
        loss = learner.loss(_stacked(next(batches), torch.device(settings.device)))
        value = loss.item()
        if not math.isfinite(value):
            raise NotFiniteError(state.step + 1, "loss", value, order.batch(position).tolist())
        torch.autograd.backward(loss / n)
        total += value / n
    trained = [p for group in state.optimizer.param_groups for p in group["params"]]
    most = settings.optimization.max_grad_norm
    norm = float(nn.utils.clip_grad_norm_(trained, math.inf if most is None else most))
    if not math.isfinite(norm):
        numbers: Indices = np.concatenate([order.batch(position) for position in positions])
        raise NotFiniteError(state.step + 1, "gradient's norm", norm, numbers.tolist())
    return total, norm


def _seed(seed: int, position: int) -> None:
    state = np.random.SeedSequence((seed, position)).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0] >> np.uint64(1)))


def _stacked(examples: Sequence[Mapping[str, Tensor]], device: torch.device) -> dict[str, Tensor]:
    return {key: torch.stack([e[key] for e in examples]).to(device) for key in examples[0]}
