"""What flows through a decoder's layers, and the places of it that are wanted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vla_bench.policies.openvla.kernels import Kernels

Places = tuple[Tensor, Tensor]
"""Rows of a batch and positions in them, two index tensors of any one shape."""


@dataclass(frozen=True)
class Stream:
    """The residual stream and an update not yet added: sum and norm are then one kernel."""

    x: Tensor
    update: Tensor | None = None

    def add_norm(self, weight: Tensor, eps: float, kernels: Kernels) -> tuple[Tensor, Tensor]:
        """The sum, and its norm."""
        if self.update is None:
            return self.x, kernels.rms_norm(self.x, weight, eps)
        return kernels.add_rms_norm(self.x, self.update, weight, eps)

    def at(self, places: Places) -> Stream:
        """Without all the others."""
        assert self.update is not None
        return Stream(self.x[places], self.update[places])
