"""Lanes and one batched policy -> records. Knows neither disk nor configuration.

Keeps every lane busy and answers those that have asked in one `policy.act`. How long to wait for
more questions before answering follows from what was measured so far (`_Pace`); there is no
parameter to tune, and no lane waits for the slowest one.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import Any

import numpy as np

from vla_bench.episode import EpisodeRecord, EpisodeSpec, Fault
from vla_bench.errors import EnvError, PolicyError
from vla_bench.lane import Lane, LaneClosedError, LaneConfig, observations_of, record_of
from vla_bench.protocols import FloatArray, Observation, Policy, Request
from vla_bench.rollout import View

_OPENING_ATTEMPTS = 3  # a lane that dies this often before its first episode stops the run


@dataclass
class _Task:
    """An episode to run. `alone` after a batch that it was part of has raised."""

    spec: EpisodeSpec
    alone: bool = False


@dataclass
class _Seat:
    """One lane and what it is doing: opening, playing `task`, or (neither) done."""

    lane: Lane
    heard_at: float  # when the lane last heard or said something, perf_counter seconds
    opening: bool = True
    n_openings: int = 1  # in a row, without an episode begun
    task: _Task | None = None
    question: Sequence[Observation] | None = None
    answered: bool = False  # whether this episode has had an answer yet
    memory: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    policy_seconds: float = 0.0

    def request(self) -> Request:
        assert self.task is not None
        assert self.question is not None
        spec = self.task.spec
        return Request(spec.id, self.question, spec.seed, self.memory, self.counts)


class _Pace:
    """When to answer: as soon as waiting for one more question costs more than it saves.

    Answering `n` questions now makes a lane that asks `t` later wait until the policy, busy for
    `p`, is free again: p - t. Holding them back costs n * t. Both are known from the past. A lane
    that is overdue by d is expected to take another d, so that waiting for it ends by itself.
    """

    def __init__(self) -> None:
        self._policy_seconds = 0.0
        self._gap_seconds = {False: 0.0, True: 0.0}  # from "run" and from "chunk" to a question

    def answered(self, seconds: float) -> None:
        self._policy_seconds = _smooth(self._policy_seconds, seconds)

    def asked(self, seat: _Seat, now: float) -> None:
        gap = self._gap_seconds
        gap[seat.answered] = _smooth(gap[seat.answered], now - seat.heard_at)

    def patience(self, n_asking: int, computing: Sequence[_Seat], now: float) -> float:
        """Seconds for which to wait for one more question; 0 to answer now."""
        playing = [s for s in computing if s.task is not None]
        due = [s.heard_at + self._gap_seconds[s.answered] - now for s in playing]
        soonest = min((abs(seconds) for seconds in due), default=0.0)
        return soonest if (n_asking + 1) * soonest < self._policy_seconds else 0.0


def _smooth(old: float, new: float) -> float:
    return new if old == 0.0 else 0.8 * old + 0.2 * new


def evaluate(
    policy: Policy, config: LaneConfig, n_lanes: int, todo: Sequence[EpisodeSpec]
) -> Iterator[EpisodeRecord]:
    """Run `todo` and yield one record per episode as it finishes, errors included.

    Raises EnvError when lanes cannot be opened. Closing the iterator ends every lane.
    """
    evaluation = _Evaluation(policy, config, todo)
    try:
        evaluation.open(min(n_lanes, len(todo)))
        while evaluation.owing():
            yield from evaluation.advance()
    finally:
        evaluation.close()


class _Evaluation:
    def __init__(self, policy: Policy, config: LaneConfig, todo: Sequence[EpisodeSpec]) -> None:
        self._policy = policy
        self._view = View.of(policy)
        self._config = config
        self._queue = deque(_Task(spec) for spec in todo)
        self._seats: list[_Seat] = []
        self._pace = _Pace()

    def open(self, n_lanes: int) -> None:
        for _ in range(n_lanes):
            self._seats.append(_Seat(Lane(self._config), time.perf_counter()))

    def close(self) -> None:
        for seat in self._seats:
            seat.lane.close()

    def owing(self) -> list[_Seat]:
        """Seats with something still to come: not done."""
        return [seat for seat in self._seats if seat.opening or seat.task is not None]

    def advance(self) -> Iterator[EpisodeRecord]:
        """Answer if it is time, else hear what lanes have to say."""
        asking = [seat for seat in self._seats if seat.question is not None]
        speaking = [seat for seat in self.owing() if seat.question is None]
        now = time.perf_counter()
        patience = self._pace.patience(len(asking), speaking, now) if asking else None
        if patience == 0.0:
            together = [s for s in asking if s.task is not None and not s.task.alone]
            yield from self._answer(together or asking[:1])
            return
        deadline = min(s.heard_at for s in speaking) + self._config.timeout_seconds - now
        timeout = max(0.0, deadline if patience is None else min(patience, deadline))
        ready = wait([seat.lane.connection for seat in speaking], timeout)
        for seat in speaking:
            if seat.lane.connection in ready:
                yield from self._hear(seat)
            elif time.perf_counter() - seat.heard_at > self._config.timeout_seconds:
                text = f"The env said nothing for {self._config.timeout_seconds:g} s (it hangs?)."
                yield from self._lost(seat, f"{text} Log:\n{seat.lane.log_tail()}")

    def _hear(self, seat: _Seat) -> Iterator[EpisodeRecord]:
        try:
            message = seat.lane.receive()
        except LaneClosedError as error:
            yield from self._lost(seat, str(error))
            return
        now = time.perf_counter()
        if message["kind"] == "question":
            self._pace.asked(seat, now)
            seat.question, seat.heard_at = observations_of(message), now
            return
        seconds, counts = seat.policy_seconds, seat.counts
        self._begin_next(seat)
        if message["kind"] == "record":
            yield replace(record_of(message), policy_seconds=seconds, counts=counts)

    def _begin_next(self, seat: _Seat) -> None:
        """Give the seat's lane its next episode, if there is one."""
        seat.task = self._queue.popleft() if self._queue else None
        seat.opening, seat.n_openings = False, 0
        seat.question, seat.answered, seat.memory, seat.counts = None, False, {}, {}
        seat.policy_seconds, seat.heard_at = 0.0, time.perf_counter()
        if seat.task is not None:
            seat.lane.run(seat.task.spec, self._view)

    def _lost(self, seat: _Seat, text: str) -> Iterator[EpisodeRecord]:
        """The seat's lane died or hangs: record that, and open a fresh lane in its place."""
        seat.lane.close()
        if seat.opening and seat.n_openings >= _OPENING_ATTEMPTS:
            raise EnvError(f"The env cannot be opened, {_OPENING_ATTEMPTS} attempts. {text}")
        if seat.task is not None:
            yield EpisodeRecord.of_error(seat.task.spec, Fault.ENV, text)
        seat.task, seat.question, seat.opening = None, None, bool(self._queue)
        if seat.opening:
            seat.lane, seat.heard_at = Lane(self._config), time.perf_counter()
            seat.n_openings += 1

    def _answer(self, batch: Sequence[_Seat]) -> Iterator[EpisodeRecord]:
        """One `policy.act` for the batch. When it raises, its episodes start again, each alone."""
        started = time.perf_counter()
        try:
            chunks = act(self._policy, [seat.request() for seat in batch])
        except Exception:  # noqa: BLE001 - a policy may raise anything; it ends its episode only
            yield from self._refused(batch, traceback.format_exc())
            return
        now = time.perf_counter()
        self._pace.answered(now - started)
        for seat, chunk in zip(batch, chunks):
            seat.lane.send({"kind": "chunk", "chunk": chunk})
            seat.policy_seconds += (now - started) / len(batch)
            seat.question, seat.answered, seat.heard_at = None, True, now

    def _refused(self, batch: Sequence[_Seat], error: str) -> Iterator[EpisodeRecord]:
        for seat in batch:
            assert seat.task is not None
            spec = seat.task.spec
            seat.lane.send({"kind": "abort"})
            if len(batch) > 1:  # one request is to blame: find out which
                self._queue.append(_Task(spec, alone=True))
            else:
                yield EpisodeRecord.of_error(spec, Fault.POLICY, error)
            self._begin_next(seat)


def act(policy: Policy, requests: Sequence[Request]) -> list[FloatArray]:
    """`policy.act`, checked: one finite float64 chunk (h >= 1, dim) per request, or PolicyError."""
    chunks = policy.act(requests)
    if len(chunks) != len(requests):
        raise PolicyError(
            f"{policy.name}: expected {len(requests)} chunks, one per request, got {len(chunks)}."
        )
    return [_checked(policy, chunk) for chunk in chunks]


def _checked(policy: Policy, chunk: FloatArray) -> FloatArray:
    rows = np.asarray(chunk, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[0] < 1 or rows.shape[1] != policy.action_spec.dim:
        raise PolicyError(
            f"{policy.name}: expected a chunk of shape (h, {policy.action_spec.dim}) with h >= 1 "
            f"({', '.join(policy.action_spec.names)}), got {rows.shape}."
        )
    if not np.isfinite(rows).all():
        raise PolicyError(f"{policy.name}: expected finite actions, got {rows.tolist()}.")
    return rows
