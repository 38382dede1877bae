"""The loop, as one of its processes runs it. Knows neither files nor displays.

Everything random in a step follows from the seed and the step's number, so a checkpoint needs no
generator's state and any step can be next.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vla_bench.data.order import Order
from vla_bench.errors import ConfigError, VlaBenchError
from vla_bench.policies.training.batches import batches, derived_seed
from vla_bench.policies.training.ema import Ema
from vla_bench.policies.training.learner import Learner
from vla_bench.policies.training.optimizers import optimizers
from vla_bench.policies.training.processes import Processes
from vla_bench.policies.training.schedule import learning_rate
from vla_bench.policies.training.settings import Settings
from vla_bench.policies.training.sharding import outline, shard, whole


class NotFiniteError(VlaBenchError):
    """The loss or its gradient is NaN or infinite; `samples` are the numbers of those it is of."""

    def __init__(self, step: int, what: str, value: float, samples: Sequence[int]) -> None:
        super().__init__(f"Step {step}: the {what} is {value}.")
        self.step = step
        self.samples = tuple(samples)


@dataclass
class State:
    """All that changes while training, and who changes it.

    Attributes:
        module: The learner's.
        objective: Its loss, with gradients that are the mean over all processes.
        ema: None if no running average is kept.
        outline: Where sharded: the module without its parameters.
        step: Optimizer steps taken.
    """

    module: nn.Module
    objective: nn.Module
    optimizers: Sequence[torch.optim.Optimizer]
    ema: Ema | None
    processes: Processes
    outline: nn.Module | None
    step: int = 0

    @property
    def evaluated(self) -> nn.Module:
        """What a checkpoint's policy is made of."""
        return self.module if self.ema is None else self.ema.module

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The optimizers' groups of parameters."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    @property
    def trained(self) -> list[nn.Parameter]:
        """In the order of the optimizers."""
        return [p for group in self.groups for p in group["params"]]

    def accumulating(self) -> AbstractContextManager[None]:
        """Around all batches of a step but its last one: gradients stay in this process.

        Not where sharded: a whole gradient would not fit.
        """
        if self.outline is not None:
            return contextlib.nullcontext()
        return self.processes.accumulating(self.objective)


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


class Objective(nn.Module):
    """The learner's loss as a module: what DDP and FSDP2 hook into is a module's forward."""

    def __init__(self, learner: Learner, precision: str) -> None:
        super().__init__()
        self.module = learner.module
        self._loss = learner.loss
        self._is_half = precision == "bf16"

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, float]]:
        device = next(iter(batch.values())).device
        with torch.autocast(device.type, torch.bfloat16, enabled=self._is_half):
            return self._loss(batch)


def begin(learner: Learner, settings: Settings, processes: Processes) -> State:
    """The state before the first step, on the device."""
    chosen, module = settings.optimization, learner.module.train()
    is_split = settings.sharded and processes.n_ranks > 1
    outlined = outline(module) if is_split else None
    ema = None if chosen.ema is None else Ema(module, chosen.ema.power, chosen.ema.maximum)
    if ema is not None:
        _placed(ema.module, is_split, settings, processes)
    if settings.compile:
        _compile_blocks(module)
    objective = _placed(Objective(learner, settings.precision), is_split, settings, processes)
    made = optimizers(learner, chosen, is_split)
    joined = objective if is_split else processes.joined(objective)
    return State(module, joined, made, ema, processes, outlined)


def _compile_blocks(module: nn.Module) -> None:
    """Each block of a list on its own: blocks of one kind share what is compiled, and what splits
    weights over processes still finds them. Raises ConfigError where there are none.
    """
    lists = [part for part in module.modules() if isinstance(part, nn.ModuleList)]
    blocks = [block for part in lists for block in part if not isinstance(block, nn.ModuleList)]
    if not blocks:
        raise ConfigError(
            f"compile=true compiles the blocks of a network, {type(module).__name__} has none: "
            "type compile=false."
        )
    for block in blocks:
        block.compile()


def _placed(
    module: nn.Module, is_split: bool, settings: Settings, processes: Processes
) -> nn.Module:
    if is_split:
        return shard(module, processes.device, settings.precision)
    return module.to(processes.device)


def steps(learner: Learner, state: State, settings: Settings) -> Iterator[Metrics]:
    """Train from ``state.step`` to ``settings.n_steps``; `state` is up to date at every yield.

    Raises NotFiniteError before the step that would have spoilt the weights.
    """
    ranks = state.processes
    order = Order(
        len(learner.samples), settings.batch_size, settings.seed, ranks.rank, ranks.n_ranks
    )
    n = settings.n_accumulated
    numbers = range(state.step * n, settings.n_steps * n)
    made = batches(learner, learner.samples, order, numbers, settings.n_workers)
    with contextlib.closing(made) as coming:  # type: ignore[type-var]
        while state.step < settings.n_steps:
            started = time.perf_counter()
            rate = learning_rate(settings.optimization, state.step, settings.n_steps)
            for group in state.groups:
                group["lr"] = rate
            loss, measured = _gradient(state, order, settings.n_accumulated, coming)
            norm = _clipped(state, order, settings)
            for optimizer in state.optimizers:
                optimizer.step()
            if state.ema is not None:
                state.ema.update(state.module)
            state.step += 1
            seconds = time.perf_counter() - started
            yield Metrics(state.step, loss, norm, rate, seconds, measured)


def _gradient(
    state: State, order: Order, n: int, coming: Iterator[Mapping[str, Tensor]]
) -> tuple[float, dict[str, float]]:
    """Leave the mean gradient of `n` batches in the parameters; the loss and what was measured."""
    processes = state.processes
    for optimizer in state.optimizers:
        optimizer.zero_grad(set_to_none=True)
    values = defaultdict[str, list[float]](list)
    for position in range(state.step * n, (state.step + 1) * n):
        is_last = position + 1 == (state.step + 1) * n
        with contextlib.nullcontext() if is_last else state.accumulating():
            torch.manual_seed(derived_seed(order.seed, int(order.positions(position)[0])))
            batch = {k: v.to(processes.device) for k, v in next(coming).items()}
            loss, others = state.objective(batch)
            value = loss.item()
            if not math.isfinite(value):
                raise NotFiniteError(state.step + 1, "loss", value, order.batch(position).tolist())
            torch.autograd.backward(loss / n)
        for name, other in {"loss": value, **others}.items():
            values[name].append(other)
    means = processes.means(values)
    return means.pop("loss"), means


def _clipped(state: State, order: Order, settings: Settings) -> float:
    """Scale the gradient down to its greatest norm; the norm before."""
    most = settings.optimization.max_grad_norm
    norm = float(whole(nn.utils.clip_grad_norm_(state.trained, math.inf if most is None else most)))
    if not math.isfinite(norm):
        n = settings.n_accumulated * order.n_ranks * order.batch_size
        numbers = order.samples(np.arange(state.step * n, (state.step + 1) * n))
        raise NotFiniteError(state.step + 1, "gradient's norm", norm, numbers.tolist())
    return norm
