"""The floor of every table: actions drawn uniformly from the spec's nominal ranges."""

from __future__ import annotations

from collections.abc import Sequence

from vla_bench.actions import named_spec
from vla_bench.policies.sampling import generator
from vla_bench.protocols import FloatArray, Request


class UniformRandom:
    """Blind; one fresh uniform row per control step."""

    cameras: Sequence[str] = ()
    history = 1

    def __init__(self, name: str, action_spec: str) -> None:
        """`action_spec` is a name in `vla_bench.actions.NAMED_SPECS`."""
        self.name = name
        self.action_spec = named_spec(action_spec)

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        low, high = self.action_spec.low, self.action_spec.high
        return [generator(r).uniform(low, high)[None] for r in requests]
