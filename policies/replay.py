"""Recorded actions again: must reproduce every recorded outcome, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vla_bench.actions import ActionSpec, Dimension
from vla_bench.episode import Outcome
from vla_bench.errors import PolicyError
from vla_bench.protocols import FloatArray, Request
from vla_bench.store import read_run


class Replay:
    """Answers an episode's first question with all its recorded rows, as one chunk."""

    cameras: Sequence[str] = ()
    history = 1

    def __init__(self, run: str) -> None:
        """`run` is the run folder whose actions are played. Raises StoreError when it is none."""
        recorded = read_run(Path(run))
        policy = recorded.identity["policy"]
        self.name = f"replay of {policy['name']}"
        self.action_spec = ActionSpec(tuple(Dimension(**d) for d in policy["action_spec"]))
        self._run = run
        self._records = recorded.records

    def act(self, requests: Sequence[Request]) -> list[FloatArray]:
        return [self._rows(request) for request in requests]

    def _rows(self, request: Request) -> FloatArray:
        record = self._records.get(request.episode_id)
        if record is None or record.outcome is Outcome.ERROR:
            raise PolicyError(f"{self._run} holds no finished episode {request.episode_id!r}.")
        return record.actions
