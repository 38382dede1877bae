"""The processes of one training: which of how many this is, on which device, what they exchange.

accelerate starts them, from the variables that torchrun sets, and averages gradients (DDP).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs, gather_object
from torch import nn

from vla_bench.errors import ConfigError
from vla_bench.policies.device import device_of

Shared = TypeVar("Shared")

_PATIENCE = timedelta(hours=4)  # the others wait while the first one writes and evaluates


class Processes:
    """Seen from one of them; alone unless a launcher has started more.

    Attributes:
        rank, n_ranks: Which of how many.
        device: What this one computes on.
    """

    def __init__(self, device: str) -> None:
        """`device` is what the settings ask for, as `device_of` reads it."""
        asked = device_of(device, "device")
        self._accelerator = Accelerator(
            cpu=asked.type == "cpu",
            kwargs_handlers=[
                InitProcessGroupKwargs(timeout=_PATIENCE),
                DistributedDataParallelKwargs(find_unused_parameters=True),
            ],
        )
        self.rank: int = self._accelerator.process_index
        self.n_ranks: int = self._accelerator.num_processes
        if self.n_ranks > 1 and asked.index is not None:
            raise ConfigError(
                f"device={device} is one device, there are {self.n_ranks} processes: device=cuda "
                "gives each its own."
            )
        self.device = asked if self.n_ranks == 1 else self._accelerator.device

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def joined(self, objective: nn.Module) -> nn.Module:
        """`objective`, on the device, with gradients that are the mean over all processes.

        Buffers are sent at every pass only where a pass changes them: QLoRA's frozen base is one.
        """
        handler = self._accelerator.ddp_handler
        handler.broadcast_buffers = any(_keeps_statistics(part) for part in objective.modules())
        joined: nn.Module = self._accelerator.prepare_model(objective, device_placement=False)
        return joined

    @contextmanager
    def accumulating(self, joined: nn.Module) -> Iterator[None]:
        """Leave gradients to this process; DDP exchanges them in the first pass outside."""
        with self._accelerator.no_sync(joined):
            yield

    def gathered(self, value: Shared) -> list[Shared]:
        """Everyone's `value`, by rank."""
        everyones: list[Any] = [value] if self.n_ranks == 1 else gather_object([value])
        return everyones

    def means(self, values: Mapping[str, list[float]]) -> dict[str, float]:
        """Of everyone's `values` together, by name."""
        pooled = defaultdict[str, list[float]](list)
        for everyones in self.gathered(dict(values)):
            for name, some in everyones.items():
                pooled[name] += some
        return {name: math.fsum(some) / len(some) for name, some in pooled.items()}

    def wait(self) -> None:
        """Until all are here."""
        self._accelerator.wait_for_everyone()

    def end(self) -> None:
        """Part from the others."""
        self._accelerator.end_training()


def _keeps_statistics(module: nn.Module) -> bool:
    """Whether a pass in training changes its buffers, as BatchNorm's does."""
    return bool(getattr(module, "track_running_stats", False))
