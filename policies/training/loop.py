"""The loop: torch on one device. Knows neither files nor displays.

Everything random in a step follows from the seed and the step's number, so a checkpoint needs no
generator's state and any step can be next.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vla_bench.data.loader import read_batches
from vla_bench.data.order import Order
from vla_bench.data.trajectory import Indices
from vla_bench.errors import ConfigError, VlaBenchError
from vla_bench.policies.training.ema import Ema
from vla_bench.policies.training.learner import Learner
from vla_bench.policies.training.schedule import learning_rate
from vla_bench.policies.training.settings import Settings


class NotFiniteError(VlaBenchError):
    """The loss or its gradient is NaN or infinite; `samples` are the numbers of those it is of."""

    def __init__(self, step: int, what: str, value: float, samples: Sequence[int]) -> None:
        super().__init__(f"Step {step}: the {what} is {value}.")
        self.step = step
        self.samples = tuple(samples)


@dataclass
class State:
    """All that changes while training. `step`: optimizer steps taken. `ema`: None if not kept."""

    module: nn.Module
    optimizer: torch.optim.AdamW
    ema: Ema | None
    step: int = 0

    @property
    def evaluated(self) -> nn.Module:
        """What a checkpoint's policy is made of."""
        return self.module if self.ema is None else self.ema.module


@dataclass(frozen=True)
class Metrics:
    """Of one optimizer step, numbered from 1.

    `grad_norm` is before clipping; `measured` is what the learner gave beside its loss, each the
    mean over the step's batches that have it.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    seconds: float
    measured: Mapping[str, float]

    def line(self) -> dict[str, float]:
        """One flat object, `measured` last."""
        plain = asdict(self)
        measured: dict[str, float] = plain.pop("measured")
        return {**plain, **measured}


def begin(learner: Learner, settings: Settings) -> State:
    """The state before the first step, on the device."""
    chosen = settings.optimization
    module = learner.module.to(torch.device(settings.device)).train()
    groups = [
        {"params": list(parameters.values()), "weight_decay": decay}
        for _, decay, parameters in parameter_groups(learner, chosen.weight_decay)
    ]
    beta1, beta2 = chosen.betas
    optimizer = torch.optim.AdamW(groups, chosen.learning_rate, betas=(beta1, beta2))
    average = chosen.ema
    ema = None if average is None else Ema(module, average.power, average.maximum)
    return State(module, optimizer, ema)


def parameter_groups(
    learner: Learner, weight_decay: float
) -> list[tuple[str, float, dict[str, nn.Parameter]]]:
    """(Name, weight decay, name -> parameter) of the learner's groups that are not empty.

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
            found.append((group.name, weight_decay if group.decays else 0.0, chosen))
    return found


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
            loss, norm, measured = _gradient(learner, state, settings, order, batches)
            state.optimizer.step()
            if state.ema is not None:
                state.ema.update(state.module)
            state.step += 1
            seconds = time.perf_counter() - started
            yield Metrics(state.step, loss, norm, rate, seconds, measured)


def _gradient(
    learner: Learner,
    state: State,
    settings: Settings,
    order: Order,
    batches: Iterator[list[Mapping[str, Tensor]]],
) -> tuple[float, float, dict[str, float]]:
    """Leave the clipped mean gradient in the parameters; loss, norm before clipping, measured."""
    n = settings.n_accumulated
    positions = range(state.step * n, (state.step + 1) * n)
    state.optimizer.zero_grad(set_to_none=True)
    total, measured = 0.0, defaultdict[str, list[float]](list)
    for position in positions:
        _seed(settings.seed, position)
        loss, others = _loss(learner, next(batches), settings)
        value = loss.item()
        if not math.isfinite(value):
            raise NotFiniteError(state.step + 1, "loss", value, order.batch(position).tolist())
        torch.autograd.backward(loss / n)
        total += value / n
        for name, other in others.items():
            measured[name].append(other)
    trained = [p for group in state.optimizer.param_groups for p in group["params"]]
    most = settings.optimization.max_grad_norm
    norm = float(nn.utils.clip_grad_norm_(trained, math.inf if most is None else most))
    if not math.isfinite(norm):
        numbers: Indices = np.concatenate([order.batch(position) for position in positions])
        raise NotFiniteError(state.step + 1, "gradient's norm", norm, numbers.tolist())
    return total, norm, {name: sum(values) / len(values) for name, values in measured.items()}


def _loss(
    learner: Learner, examples: Sequence[Mapping[str, Tensor]], settings: Settings
) -> tuple[Tensor, Mapping[str, float]]:
    device = torch.device(settings.device)
    batch = {key: values.to(device) for key, values in learner.collate(examples).items()}
    with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
        return learner.loss(batch)


def _seed(seed: int, position: int) -> None:
    state = np.random.SeedSequence((seed, position)).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0] >> np.uint64(1)))
